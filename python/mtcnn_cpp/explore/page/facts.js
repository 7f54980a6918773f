// What is known of a tensor beside its maps: shape, hash, statistics; of two, how they differ.

import { $, fill, h } from "./dom.js";
import { ask } from "./ask.js";
import { brief, sizes } from "./numbers.js";
import { go } from "./place.js";
import { session, tensor } from "./session.js";

let shown = null; // the answer to `tensor`

const FIGURES = [["least", "minimum"], ["greatest", "maximum"], ["mean", "mean"], ["deviation", "standard_deviation"], ["zeros", "zeros"], ["NaN", "nans"], ["infinite", "infinities"]];

/** Statistics of each side and, of two, how they differ. */
export function facts(found) {
  shown = found;
  const sides = Object.entries(shown.sides);
  const rows = FIGURES.map(([title, key]) => h("tr", {}, h("th", {}, title), ...sides.map(([, side]) => h("td", {}, side.statistics ? brief(side.statistics[key], 6) : "–"))));
  const head = h("tr", {}, h("th", {}), ...sides.map(([letter]) => h("th", {}, session.two ? letter.toUpperCase() : "value")));
  const shapes = h("tr", {}, h("th", {}, "shape"), ...sides.map(([, side]) => h("td", {}, `${sizes(side.shape)} ${side.dtype}`)));
  const hashes = h("tr", {}, h("th", {}, "SHA-256"), ...sides.map(([, side]) => h("td", { title: side.sha256 }, side.sha256 ? h("code", {}, `${side.sha256.slice(0, 12)}…`) : "–")));
  fill($("facts"), [h("table", {}, h("tbody", {}, head, shapes, ...rows, hashes)), verdict()]);
  if (!found.verdict && tensor(found.name)?.measured) refresh(); // it came between question and answer
}

function verdict() {
  if (!session.two) return null;
  const found = shown.verdict;
  if (!found) return h("p", { class: "quiet" }, session.error || (session.done ? "" : "being compared …"));
  const { figures } = found;
  const lines = [h("p", { class: found.ok ? "good" : "bad" }, h("b", {}, found.words), found.reason ? `: ${found.reason}` : "")];
  if (figures) {
    const worst = figures.worst;
    const told = [
      ["differing", `${figures.differing.toLocaleString("en")} of ${figures.elements.toLocaleString("en")}`],
      ["greatest difference", brief(figures.absolute.maximum, 4)],
      ["ULP: greatest, median", `${brief(figures.ulp.maximum, 6)}, ${brief(figures.ulp.median, 6)}`],
      ["signal to noise", figures.snr_db === "inf" ? "no noise" : `${brief(figures.snr_db, 4)} dB`],
      ["would pass with", `${brief(figures.pass_ulp, 6)} ULP, atol ${brief(figures.pass_atol, 3)} or rtol ${brief(figures.pass_rtol, 3)}`],
    ];
    lines.push(h("table", {}, h("tbody", {}, ...told.map(([title, words]) => h("tr", {}, h("th", {}, title), h("td", {}, words))))));
    if (worst) lines.push(h("button", { id: "worst", onclick: () => go({ at: worst.index }) }, `worst value, at ${worst.index.join(", ")}`));
  }
  return h("div", { id: "verdict" }, ...lines);
}

/** Verdicts have come: say the one of this tensor. */
export async function refresh() {
  if (!shown || shown.verdict || !session.two) return;
  if (!tensor(shown.name)?.measured) return;
  const name = shown.name, found = await ask("tensor", { name }).catch(() => null);
  if (found?.verdict && shown?.name === name) facts(found);
}
