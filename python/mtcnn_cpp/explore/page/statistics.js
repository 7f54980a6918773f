// The table below the maps: shape, hash and statistics of a tensor and, for two traces, their differences.

import { $, setChildren, h } from "./dom.js";
import { fetchJson } from "./requests.js";
import { formatShort, formatShape } from "./format.js";
import { navigate } from "./navigation.js";
import { session, getTensor } from "./session.js";

let shown = null; // the answer to the request `tensor`

const STATISTICS = [["minimum", "minimum"], ["maximum", "maximum"], ["mean", "mean"], ["standard deviation", "standard_deviation"], ["zeros", "zeros"], ["NaN", "nans"], ["infinite", "infinities"]];

/** Show the statistics of each trace and, for two traces, the verdict. */
export function showStatistics(found) {
  shown = found;
  const sides = Object.entries(shown.sides);
  const rows = STATISTICS.map(([title, key]) => h("tr", {}, h("th", {}, title), ...sides.map(([, side]) => h("td", {}, side.statistics ? formatShort(side.statistics[key], 6) : "–"))));
  const head = h("tr", {}, h("th", {}), ...sides.map(([letter]) => h("th", {}, session.two ? letter.toUpperCase() : "value")));
  const shapes = h("tr", {}, h("th", {}, "shape"), ...sides.map(([, side]) => h("td", {}, `${formatShape(side.shape)} ${side.dtype}`)));
  const hashes = h("tr", {}, h("th", {}, "SHA-256"), ...sides.map(([, side]) => h("td", { title: side.sha256 }, side.sha256 ? h("code", {}, `${side.sha256.slice(0, 12)}…`) : "–")));
  setChildren($("statistics"), [h("table", {}, h("tbody", {}, head, shapes, ...rows, hashes)), verdict()]);
  if (!found.verdict && getTensor(found.name)?.measured) refresh(); // the verdict arrived after the request
}

function verdict() {
  if (!session.two) return null;
  const found = shown.verdict;
  if (!found) return h("p", { class: "quiet" }, session.error || (session.done ? "" : "comparison in progress …"));
  const { statistics } = found;
  const lines = [h("p", { class: found.ok ? "good" : "bad" }, h("b", {}, found.text), found.reason ? `: ${found.reason}` : "")];
  if (statistics) {
    const worst = statistics.worst;
    const entries = [
      ["differing values", `${statistics.differing.toLocaleString("en")} of ${statistics.elements.toLocaleString("en")}`],
      ["largest difference", formatShort(statistics.absolute.maximum, 4)],
      ["ULP distance: largest, median", `${formatShort(statistics.ulp.maximum, 6)}, ${formatShort(statistics.ulp.median, 6)}`],
      ["signal-to-noise ratio", statistics.snr_db === "inf" ? "infinite" : `${formatShort(statistics.snr_db, 4)} dB`],
      ["passes with", `${formatShort(statistics.pass_ulp, 6)} ULP, atol ${formatShort(statistics.pass_atol, 3)} or rtol ${formatShort(statistics.pass_rtol, 3)}`],
    ];
    lines.push(h("table", {}, h("tbody", {}, ...entries.map(([title, text]) => h("tr", {}, h("th", {}, title), h("td", {}, text))))));
    if (worst) lines.push(h("button", { id: "worst", onclick: () => navigate({ at: worst.index }) }, `largest difference, at ${worst.index.join(", ")}`));
  }
  return h("div", { id: "verdict" }, ...lines);
}

/** Show the verdict of the current tensor when it arrives. */
export async function refresh() {
  if (!shown || shown.verdict || !session.two) return;
  if (!getTensor(shown.name)?.measured) return;
  const name = shown.name, found = await fetchJson("tensor", { name }).catch(() => null);
  if (found?.verdict && shown?.name === name) showStatistics(found);
}
