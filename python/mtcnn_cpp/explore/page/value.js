// One value: its receptive field in the input and in the image, and its sum step by step.

import { $, prepareCanvas, setChildren, h } from "./dom.js";
import { fetchJsonCached, fetchArray } from "./requests.js";
import { colour } from "./colours.js";
import { showValue, flatIndex } from "./tensor_maps.js";
import { formatShort, formatCount } from "./format.js";
import { navigate } from "./navigation.js";
import * as image from "./image.js";
import { hasTensor, missingReason, session, getTensor } from "./session.js";
import * as layers from "./layers.js";

const RULES = { fma: "float32, fused", mul_add: "float32, mul + add", double: "float64" };
const FIRST_STEPS = 150; // number of steps that are listed at first
let shownKey = "", latestRequest = 0;

export async function update(state) {
  const sides = sidesOf(state);
  const key = `${state.name} ${state.at} ${sides}`;
  if (key === shownKey) return;
  shownKey = key;
  const request = ++latestRequest;
  const panel = $("value");
  if (!state.at || !hasTensor(state.name)) {
    panel.dataset.empty = "";
    setChildren($("value-title"), ["Selected value"]);
    setChildren($("receptive-field"), [h("p", { class: "quiet" }, "Click a value in the map to see its receptive field and its sum step by step.")]);
    setChildren($("sum"), []);
    hideReceptiveField();
    return;
  }
  delete panel.dataset.empty;
  setChildren($("value-title"), [h("span", {}, `${state.name.slice(state.name.lastIndexOf("/") + 1)} [${state.at.join(", ")}]`), h("button", { class: "link", title: "Deselect the value (Esc)", onclick: () => navigate({ at: null }) }, "×")]);
  if (flatIndex(state.name, state.at) === null) {
    setChildren($("receptive-field"), [h("p", { class: "note" }, `the index ${state.at.join(", ")} is not in ${state.name}`)]);
    setChildren($("sum"), []);
    hideReceptiveField();
    return;
  }
  const parameters = { name: state.name, index: state.at.join(",") };
  await Promise.all([
    showAnswer($("receptive-field"), request, fetchJsonCached("receptive_field", { ...parameters, side: sides === "b" ? "b" : "a" }), (found) => showField(found, sides), hideReceptiveField),
    showAnswer($("sum"), request, fetchJsonCached("sum", { ...parameters, side: sides }), showSum),
  ]);
  if (request === latestRequest) panel.dataset.shown = `${state.name} ${state.at}`;
}

/** The traces whose sum is shown: both if both have the tensor. */
function sidesOf(state) {
  if (!session.two || !hasTensor(state.name)) return "a";
  const { verdict } = getTensor(state.name);
  return verdict === "missing" ? "a" : verdict === "extra" ? "b" : "both";
}

async function showAnswer(element, request, answer, show, onError = () => {}) {
  try {
    const found = await answer;
    if (request !== latestRequest) return;
    if (found.unavailable) throw new Error(found.unavailable);
    show(found);
  } catch (error) {
    if (request !== latestRequest) return;
    onError();
    setChildren(element, [h("p", { class: "note" }, error.message)]);
  }
}

function hideReceptiveField() {
  image.showReceptiveField(null);
  layers.showReceptiveField(null);
}

function showField({ regions, image: area }, sides) {
  layers.showReceptiveField(regions);
  image.showReceptiveField(area);
  const last = regions.at(-1);
  const sizeText = (region) => {
    const size = `${region.rows[1] - region.rows[0]} × ${region.columns[1] - region.columns[0]}`;
    return `${region.channels[1] - region.channels[0]} × ${size}`;
  };
  const canvas = h("canvas", { id: "field-input", "aria-label": "The receptive field in the network's input" });
  const position = area ? `in the image: rows ${area[0]}–${area[1] - 1}, columns ${area[2]}–${area[3] - 1} (${area[3] - area[2]} × ${area[1] - area[0]} pixels)` : "outside the image, or its position is unknown";
  setChildren($("receptive-field"), [
    h("h3", {}, "Receptive field"),
    h("div", { class: "field" }, canvas, h("div", {},
      h("p", { id: "field-image" }, position),
      h("ol", { class: "chain" }, ...regions.slice(1).map((region) => h("li", {}, h("button", { class: "link", onclick: () => navigate({ name: region.name, channel: region.channels[0] }) }, region.name.slice(region.name.lastIndexOf("/") + 1)), ` ${sizeText(region)}`))))),
  ]);
  drawInput(canvas, last, sides === "b" ? "b" : "a");
}

/** Draw the network's input as a small image with the receptive field. */
async function drawInput(canvas, region, side) {
  if (!hasTensor(region.name) || missingReason(getTensor(region.name), side)) return;
  const found = await fetchArray("thumbnails", { name: region.name, view: side, size: 192 }).catch(() => null);
  if (!found || found.shape[0] !== 3 || !canvas.isConnected) return;
  const [, height, width] = found.shape;
  const bitmap = await createImageBitmap(layers.inputAsImage(found));
  const scale = Math.min(150 / width, 150 / height);
  canvas.style.width = `${width * scale}px`;
  canvas.style.height = `${height * scale}px`;
  const drawing = prepareCanvas(canvas, width * scale, height * scale);
  drawing.imageSmoothingEnabled = false;
  drawing.drawImage(bitmap, 0, 0, width * scale, height * scale);
  const [, rows, columns] = getTensor(region.name).shape;
  drawing.strokeStyle = colour("--field");
  drawing.lineWidth = 2;
  const [x, y] = [(region.columns[0] / columns) * width * scale, (region.rows[0] / rows) * height * scale];
  drawing.strokeRect(x, y, ((region.columns[1] - region.columns[0]) / columns) * width * scale, ((region.rows[1] - region.rows[0]) / rows) * height * scale);
}

function showSum({ sums, first_difference: firstDifference = null, reason = "", notes }) {
  const [first] = sums, bad = sums.some((sum) => !sum.ok) || firstDifference !== null;
  setChildren($("sum"), [
    h("h3", {}, `${first.layer} of ${first.input.slice(first.input.lastIndexOf("/") + 1)}: ${formatCount(first.steps.length, "step")}`),
    reason ? h("p", { id: "reason", class: firstDifference === null && !bad ? "good" : "bad" }, reason) : null,
    ...notes.map((note) => h("p", { class: "quiet" }, note)),
    ...sums.map((sum) => resultTable(sum, sums.length > 1)),
    drawSum(sums, firstDifference),
    stepTable(sums, firstDifference),
  ]);
}

function resultTable(sum, two) {
  const lines = Object.entries(RULES).map(([rule, label]) => h("tr", { class: rule === sum.rule ? (sum.ok ? "good rule" : "bad rule") : "", title: rule === sum.rule ? "the arithmetic of the reference implementation" : "" },
    h("th", {}, label), h("td", {}, h("code", {}, sum.results[rule])), h("td", {}, `${formatShort(sum.ulps[rule], 6)} ULP`)));
  const hex = sum.hex.replace(/\.?0*p/, "p");
  return h("table", { class: "result", "data-side": sum.side }, h("tbody", {}, h("tr", {}, h("th", {}, two ? `recorded in ${sum.side.toUpperCase()}` : "recorded"), h("td", {}, h("code", {}, sum.recorded)), h("td")), ...lines, h("tr", {}, h("th", {}, "hexadecimal"), h("td", { colspan: 2 }, h("code", {}, hex)))));
}

/** Plot the running sum, one line for each trace. */
function drawSum(sums, firstDifference) {
  if (sums[0].steps.length < 3) return null;
  const canvas = h("canvas", { class: "running-sum", "aria-label": "Running sum" });
  const [width, height] = [340, 54];
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const drawing = prepareCanvas(canvas, width, height);
  const lines = sums.map((sum) => [0, ...sum.steps.map((step) => Number(step[5]))]);
  const all = lines.flat().filter(Number.isFinite), low = Math.min(...all), spread = Math.max(...all) - low || 1;
  const count = lines[0].length - 1;
  lines.forEach((line, index) => {
    drawing.strokeStyle = colour(index ? "--side-b" : "--side-a");
    drawing.lineWidth = 1.5;
    drawing.beginPath();
    line.forEach((value, step) => drawing[step ? "lineTo" : "moveTo"]((step / count) * (width - 2) + 1, height - 4 - ((value - low) / spread) * (height - 8)));
    drawing.stroke();
  });
  if (firstDifference !== null) {
    drawing.fillStyle = colour("--different");
    drawing.fillRect(((firstDifference + 1) / count) * (width - 2), 0, 1.5, height);
  }
  return canvas;
}

function stepTable(sums, firstDifference) {
  const [first, second] = sums, count = first.steps.length;
  const rule = { fma: 3, mul_add: 4, double: 5 };
  const head = second ? ["step", "input index", "input A", "input B", "weight A", "weight B", "sum A", "sum B"] : ["step", "input index", "input", "weight", ...Object.values(RULES)];
  const body = h("tbody");
  const row = (number) => {
    const x = first.steps[number], y = second?.steps[number];
    const cells = second ? [x[1], y?.[1] ?? "", x[2] ?? "", y?.[2] ?? "", x[rule[first.rule]], y?.[rule[second.rule]] ?? ""] : [x[1], x[2] ?? "", x[3], x[4], x[5]];
    return h("tr", { class: number === firstDifference ? "first-difference" : "" }, h("th", {}, number + 1),
      h("td", {}, h("button", { class: "link", title: `Show ${first.input} at ${x[0].join(", ")}`, onclick: () => showValue(x[0], first.input) }, x[0].join(", "))),
      ...cells.map((text) => h("td", {}, text)));
  };
  const add = (from, to) => {
    for (let number = from; number < to; number++) body.append(row(number));
  };
  add(0, Math.min(count, FIRST_STEPS));
  const note = firstDifference !== null && firstDifference >= FIRST_STEPS ? [h("p", { class: "bad" }, `step ${firstDifference + 1}, the first that differs, is further down`)] : [];
  const table = h("table", { class: "steps" }, h("thead", {}, h("tr", {}, ...head.map((title) => h("th", {}, title)))), body);
  if (first.bias !== null) table.append(h("tfoot", {}, biasRow(first, second)));
  const more = count > FIRST_STEPS ? h("button", { id: "all-steps", onclick: () => {
    add(FIRST_STEPS, count);
    more.remove();
    body.querySelector(".first-difference")?.scrollIntoView({ block: "center" });
  } }, `show all ${count} steps`) : null;
  return h("div", { class: "steps-holder" }, ...note, table, more);
}

function biasRow(first, second) {
  const cells = second ? ["", "+ bias", "", "", first.bias, second.bias, first.results[first.rule], second.results[second.rule]] : ["", "+ bias", "", first.bias, first.results.fma, first.results.mul_add, first.results.double];
  return h("tr", {}, ...cells.map((text) => h("td", {}, text)));
}
