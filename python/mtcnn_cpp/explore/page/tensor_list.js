// The list of all tensors with a filter. Only the visible rows exist as elements of the page.

import { $, setChildren, h } from "./dom.js";
import { verdictColour, networkColour } from "./colours.js";
import { formatShort, formatCount, formatShape } from "./format.js";
import { navigate, currentState } from "./navigation.js";
import { session } from "./session.js";
import * as timeline from "./timeline.js";

const ROW_HEIGHT = 22;
let shown = [];

export function start() {
  $("only-divergent").hidden = !session.two;
  $("search").addEventListener("input", filter);
  $("divergent").addEventListener("change", filter);
  $("list").addEventListener("scroll", draw);
  new ResizeObserver(draw).observe($("list"));
  $("search").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && shown.length) navigate({ name: shown[0].name });
    if (event.key === "Escape") {
      $("search").value = "";
      filter();
      $("search").blur();
    }
  });
  filter();
}

/** A filter: each word must occur in the name or the verdict of a tensor; * matches any text. */
export function nameMatcher(query) {
  const tests = query.toLowerCase().split(/\s+/).filter(Boolean).map((word) => {
    const pattern = word.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&")).join(".*");
    return new RegExp(pattern);
  });
  return (tensor) => tests.every((test) => test.test(`${tensor.name} ${tensor.verdict}`.toLowerCase()));
}

export function filter() {
  const query = $("search").value, divergentOnly = $("divergent").checked, matches = nameMatcher(query);
  shown = session.tensors.filter((tensor) => matches(tensor) && !(divergentOnly && tensor.ok));
  $("count").textContent = shown.length === session.tensors.length ? formatCount(shown.length, "tensor") : `${shown.length.toLocaleString("en")} of ${formatCount(session.tensors.length, "tensor")}`;
  $("list-space").style.height = `${shown.length * ROW_HEIGHT}px`;
  timeline.showOnly(query || divergentOnly ? shown : null);
  draw();
}

function draw() {
  const list = $("list"), first = Math.max(0, Math.floor(list.scrollTop / ROW_HEIGHT) - 3);
  const rows = shown.slice(first, first + Math.ceil(list.clientHeight / ROW_HEIGHT) + 6);
  $("list-rows").style.transform = `translateY(${first * ROW_HEIGHT}px)`;
  setChildren($("list-rows"), rows.map((tensor) => h("div", {
    class: "row", role: "option", "data-name": tensor.name, "aria-selected": tensor.name === currentState().name,
    colour: session.two ? verdictColour(tensor.verdict) : networkColour(tensor.name), title: `${tensor.name}${tensor.verdict ? `: ${timeline.verdictText(tensor)}` : ""}`,
    onclick: () => navigate({ name: tensor.name }),
  }, h("span", { class: "dot" }), h("b", {}, tensor.name), h("small", {}, formatShape(tensor.shape)), h("em", {}, tensor.ulp ? `${formatShort(tensor.ulp, 3)} ULP` : ""))));
}

/** Mark the current tensor, and scroll to it if it is not visible. */
export function update(state, previous) {
  if (state.name !== previous.name) {
    const position = shown.findIndex((tensor) => tensor.name === state.name), list = $("list");
    if (position >= 0 && (position * ROW_HEIGHT < list.scrollTop || (position + 1) * ROW_HEIGHT > list.scrollTop + list.clientHeight)) list.scrollTop = position * ROW_HEIGHT - list.clientHeight / 2;
  }
  draw();
}

export const refresh = () => ($("divergent").checked || $("search").value ? filter() : draw());

/** Show the next (1) or the previous (-1) tensor of the list. */
export function step(by) {
  const position = shown.findIndex((tensor) => tensor.name === currentState().name);
  const next = shown[Math.max(0, Math.min(shown.length - 1, position + by))];
  if (next) navigate({ name: next.name });
}
