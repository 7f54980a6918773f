// The list of all tensors, filtered; only the rows in sight are elements.

import { $, fill, h } from "./dom.js";
import { verdictColour, networkColour } from "./colours.js";
import { brief, counted, sizes } from "./numbers.js";
import { go, here } from "./place.js";
import { session } from "./session.js";
import * as timeline from "./timeline.js";

const ROW = 22;
let shown = [];

export function start() {
  $("only-divergent").hidden = !session.two;
  $("search").addEventListener("input", filter);
  $("divergent").addEventListener("change", filter);
  $("list").addEventListener("scroll", draw);
  new ResizeObserver(draw).observe($("list"));
  $("search").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && shown.length) go({ name: shown[0].name });
    if (event.key === "Escape") {
      $("search").value = "";
      filter();
      $("search").blur();
    }
  });
  filter();
}

/** Every word must be in the name or its verdict; * stands for anything. */
export function fitting(words) {
  const tests = words.toLowerCase().split(/\s+/).filter(Boolean).map((word) => {
    const pattern = word.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&")).join(".*");
    return new RegExp(pattern);
  });
  return (tensor) => tests.every((test) => test.test(`${tensor.name} ${tensor.words}`.toLowerCase()));
}

export function filter() {
  const words = $("search").value, only = $("divergent").checked, fits = fitting(words);
  shown = session.tensors.filter((tensor) => fits(tensor) && !(only && tensor.ok));
  $("count").textContent = shown.length === session.tensors.length ? counted(shown.length, "tensor") : `${shown.length.toLocaleString("en")} of ${counted(session.tensors.length, "tensor")}`;
  $("list-space").style.height = `${shown.length * ROW}px`;
  timeline.choose(words || only ? shown : null);
  draw();
}

function draw() {
  const list = $("list"), first = Math.max(0, Math.floor(list.scrollTop / ROW) - 3);
  const rows = shown.slice(first, first + Math.ceil(list.clientHeight / ROW) + 6);
  $("list-rows").style.transform = `translateY(${first * ROW}px)`;
  fill($("list-rows"), rows.map((tensor) => h("div", {
    class: "row", role: "option", "data-name": tensor.name, "aria-selected": tensor.name === here().name,
    colour: session.two ? verdictColour(tensor.words) : networkColour(tensor.name), title: `${tensor.name}${tensor.words ? `: ${timeline.words(tensor)}` : ""}`,
    onclick: () => go({ name: tensor.name }),
  }, h("span", { class: "dot" }), h("b", {}, tensor.name), h("small", {}, sizes(tensor.shape)), h("em", {}, tensor.ulp ? `${brief(tensor.ulp, 3)} ULP` : ""))));
}

/** Mark what is shown, and scroll to it where it is out of sight. */
export function moved(place, before) {
  if (place.name !== before.name) {
    const at = shown.findIndex((tensor) => tensor.name === place.name), list = $("list");
    if (at >= 0 && (at * ROW < list.scrollTop || (at + 1) * ROW > list.scrollTop + list.clientHeight)) list.scrollTop = at * ROW - list.clientHeight / 2;
  }
  draw();
}

export const refresh = () => ($("divergent").checked || $("search").value ? filter() : draw());

/** The tensor before or after in the list. */
export function turn(by) {
  const at = shown.findIndex((tensor) => tensor.name === here().name);
  const next = shown[Math.max(0, Math.min(shown.length - 1, at + by))];
  if (next) go({ name: next.name });
}
