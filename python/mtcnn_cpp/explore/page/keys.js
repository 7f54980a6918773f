// The keyboard.

import { $, fill, h } from "./dom.js";
import { STAGES, go, here } from "./place.js";
import * as list from "./list.js";
import * as maps from "./maps.js";
import * as picture from "./picture.js";
import { divergences, session } from "./session.js";

/** The next (1) or previous (-1) tensor that did not pass, in execution order. */
export function turnDivergence(by) {
  const places = divergences(), at = session.index.get(here().name) ?? -1;
  const next = by > 0 ? places.find((place) => place > at) : places.filter((place) => place < at).at(-1);
  if (next !== undefined) go({ name: session.tensors[next].name });
}

const view = (word) => session.two && go({ view: word });

const KEYS = [
  [["n"], "next divergence", () => turnDivergence(1)],
  [["p"], "previous divergence", () => turnDivergence(-1)],
  [["ArrowDown", "j"], "next tensor", () => list.turn(1)],
  [["ArrowUp", "k"], "previous tensor", () => list.turn(-1)],
  [["ArrowRight"], "next channel", () => maps.turnChannel(1)],
  [["ArrowLeft"], "previous channel", () => maps.turnChannel(-1)],
  [["+", "="], "nearer", () => maps.zoomBy(1.5)],
  [["-"], "farther", () => maps.zoomBy(1 / 1.5)],
  [["0"], "the whole map", () => maps.fit()],
  [["a", "b", "d", "u"], "show a, b, their difference, ULP", (key) => view({ a: "a", b: "b", d: "difference", u: "ulp" }[key])],
  [["1", "2", "3", "4", "5"], "boxes of each stage on and off", (key) => picture.toggle(STAGES[Number(key) - 1])],
  [["h"], "heat map on and off", () => go({ heat: !here().heat })],
  [["[", "]"], "larger, smaller level of the pyramid", (key) => picture.turnLevel(key === "]" ? 1 : -1)],
  [["/"], "filter the tensors", () => $("search").focus()],
  [["Escape"], "no value, then no box", () => go(here().at ? { at: null } : { box: "" })],
  [["?"], "this help", () => help()],
];

const NAMES = { ArrowDown: "↓", ArrowUp: "↑", ArrowLeft: "←", ArrowRight: "→", Escape: "Esc" };

export function help() {
  const dialog = $("help");
  if (dialog.open) return dialog.close();
  fill(dialog, [
    h("h2", {}, "Keyboard"),
    h("table", {}, h("tbody", {}, ...KEYS.map(([keys, words]) => h("tr", {}, h("th", {}, ...keys.map((key) => h("kbd", {}, NAMES[key] ?? key))), h("td", {}, words))))),
    h("p", { class: "quiet" }, "Wheel: zoom. Drag: move. Double click: all of it. A second click on the picture takes the next box there. The address names the place: send it, or go back."),
    h("button", { onclick: () => dialog.close() }, "close"),
  ]);
  return dialog.showModal();
}

export function start() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || (event.target instanceof HTMLInputElement && event.target.type !== "range" && event.target.type !== "checkbox")) return;
    if ($("help").open && event.key !== "?") return;
    if (event.target.type === "range" && event.key.startsWith("Arrow")) return;
    const found = KEYS.find(([keys]) => keys.includes(event.key));
    if (!found) return;
    event.preventDefault();
    found[2](event.key);
  });
  $("next").addEventListener("click", () => turnDivergence(1));
  $("previous").addEventListener("click", () => turnDivergence(-1));
  $("help-button").addEventListener("click", help);
}
