// The keyboard shortcuts and their help.

import { $, setChildren, h } from "./dom.js";
import { introduction } from "./glossary.js";
import { STAGES, navigate, currentState } from "./navigation.js";
import * as list from "./tensor_list.js";
import * as maps from "./tensor_maps.js";
import * as image from "./image.js";
import { divergentPositions, session } from "./session.js";

/** Show the next (1) or previous (-1) tensor that did not pass, in execution order. */
export function goToDivergence(by) {
  const positions = divergentPositions(), current = session.index.get(currentState().name) ?? -1;
  const next = by > 0 ? positions.find((position) => position > current) : positions.filter((position) => position < current).at(-1);
  if (next !== undefined) navigate({ name: session.tensors[next].name });
}

const showView = (view) => session.two && navigate({ view });

const KEYS = [
  [["n"], "next divergence", () => goToDivergence(1)],
  [["p"], "previous divergence", () => goToDivergence(-1)],
  [["ArrowDown", "j"], "next tensor", () => list.step(1)],
  [["ArrowUp", "k"], "previous tensor", () => list.step(-1)],
  [["ArrowRight"], "next channel", () => maps.stepChannel(1)],
  [["ArrowLeft"], "previous channel", () => maps.stepChannel(-1)],
  [["+", "="], "zoom in", () => maps.zoomBy(1.5)],
  [["-"], "zoom out", () => maps.zoomBy(1 / 1.5)],
  [["0"], "show the whole map", () => maps.fitMap()],
  [["a", "b", "d", "u"], "show A, B, their difference, their ULP distance", (key) => showView({ a: "a", b: "b", d: "difference", u: "ulp" }[key])],
  [["1", "2", "3", "4", "5"], "show or hide the boxes of a stage", (key) => image.toggleStage(STAGES[Number(key) - 1])],
  [["h"], "show or hide the heat map", () => navigate({ heat: !currentState().heat })],
  [["[", "]"], "previous, next level of the pyramid", (key) => image.stepLevel(key === "]" ? 1 : -1)],
  [["/"], "filter the tensors", () => $("search").focus()],
  [["Escape"], "deselect the value, then the box", () => navigate(currentState().at ? { at: null } : { box: "" })],
  [["?"], "show this help", () => showHelp()],
];

const NAMES = { ArrowDown: "↓", ArrowUp: "↑", ArrowLeft: "←", ArrowRight: "→", Escape: "Esc" };

export function showHelp() {
  const dialog = $("help");
  if (dialog.open) return dialog.close();
  setChildren(dialog, [
    h("h2", {}, "How MTCNN finds a face"),
    introduction(),
    h("h2", {}, "Keyboard shortcuts"),
    h("table", {}, h("tbody", {}, ...KEYS.map(([keys, text]) => h("tr", {}, h("th", {}, ...keys.map((key) => h("kbd", {}, NAMES[key] ?? key))), h("td", {}, text))))),
    h("p", { class: "quiet" }, "Mouse wheel: zoom. Drag: move. Double click: show the whole image or map. Click again on the image: select the next box at that point. The address of the page stores the current selection: you can bookmark it, and the back button returns to the previous selection."),
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
  $("next").addEventListener("click", () => goToDivergence(1));
  $("previous").addEventListener("click", () => goToDivergence(-1));
  $("help-button").addEventListener("click", showHelp);
}
