// Definitions of the terms on the page, and the introduction that is shown at the first visit.

import { $ } from "./dom.js";

/** Each term with its definition from glossary.json, and a pattern that finds the term in a text. */
let terms = [];

export async function start() {
  showIntroduction();
  const found = await fetch("glossary.json").then((answer) => (answer.ok ? answer.json() : {})).catch(() => ({}));
  terms = Object.entries(found).map(([term, definition]) => ({ term, definition, pattern: new RegExp(`(?<![\\w/])${term}(?:e?s)?(?![\\w/])`, "i") }));
  for (const event of ["pointerover", "focusin"]) document.addEventListener(event, ({ target }) => addDefinitions(target));
}

/** Add the definitions of all terms in the text of an element to its tooltip. */
function addDefinitions(element) {
  if (!(element instanceof Element) || element.closest("#sources, #introduction, #help, svg")) return;
  const labelled = element.closest("button, h2, h3, th, figcaption, label, .key, p, small, span");
  if (!labelled) return;
  const text = labelled.textContent;
  if (text.length > 200 || labelled.dataset.defined === text) return;
  labelled.dataset.defined = text;
  labelled.dataset.title ??= labelled.title;
  const found = terms.filter(({ pattern }) => pattern.test(text)).map(({ term, definition }) => `${term}: ${definition}`);
  labelled.title = [labelled.dataset.title, ...found].filter(Boolean).join("\n\n");
}

/** The port of the explorer changes with each start, so the choice is kept in a cookie, which all ports of a host share. */
const CLOSED = "mtcnn_cpp_explore_introduction=closed";

function showIntroduction() {
  $("introduction").hidden = document.cookie.split("; ").includes(CLOSED);
  $("close-introduction").addEventListener("click", () => {
    $("introduction").hidden = true;
    document.cookie = `${CLOSED}; max-age=31536000; path=/; samesite=strict`;
  });
}

/** A copy of the introduction, for the help. */
export const introduction = () => document.querySelector("#introduction .introduction").cloneNode(true);
