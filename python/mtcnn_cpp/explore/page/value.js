// One value: what it was computed from, in the input and in the picture, and its sum step by step.

import { $, context, fill, h } from "./dom.js";
import { askOnce, numbers } from "./ask.js";
import { colour } from "./colours.js";
import { goTo, locate } from "./maps.js";
import { brief, counted } from "./numbers.js";
import { go } from "./place.js";
import * as picture from "./picture.js";
import { has, lacking, session, tensor } from "./session.js";
import * as way from "./way.js";

const RULES = { fma: "float32, fused", mul_add: "float32, mul + add", double: "float64" };
const FIRST = 150; // steps that are listed at once
let stamp = "", asked = 0;

export async function moved(place) {
  const sides = sidesOf(place);
  const key = `${place.name} ${place.at} ${sides}`;
  if (key === stamp) return;
  stamp = key;
  const mine = ++asked;
  const panel = $("value");
  if (!place.at || !has(place.name)) {
    panel.dataset.empty = "";
    fill($("value-title"), ["One value"]);
    fill($("field"), [h("p", { class: "quiet" }, "Click a value in the map: what it was computed from, and its sum step by step.")]);
    fill($("sum"), []);
    picture.mark(null);
    way.mark(null);
    return;
  }
  delete panel.dataset.empty;
  fill($("value-title"), [h("span", {}, `${place.name.slice(place.name.lastIndexOf("/") + 1)} [${place.at.join(", ")}]`), h("button", { class: "link", title: "No value (Esc)", onclick: () => go({ at: null }) }, "×")]);
  if (locate(place.name, place.at) === null) {
    fill($("field"), [h("p", { class: "note" }, `the index ${place.at.join(", ")} is not in ${place.name}`)]);
    fill($("sum"), []);
    picture.mark(null);
    way.mark(null);
    return;
  }
  const question = { name: place.name, at: place.at.join(",") };
  await Promise.all([
    told($("field"), mine, askOnce("field", { ...question, side: sides === "b" ? "b" : "a" }), (found) => showField(found, sides), () => {
      picture.mark(null);
      way.mark(null);
    }),
    told($("sum"), mine, askOnce("sum", { ...question, side: sides }), showSum),
  ]);
  if (mine === asked) panel.dataset.shown = `${place.name} ${place.at}`;
}

/** Whose sum: both where both hold the tensor. */
function sidesOf(place) {
  if (!session.two || !has(place.name)) return "a";
  const words = tensor(place.name).words;
  return words === "missing" ? "a" : words === "extra" ? "b" : "both";
}

async function told(element, mine, answer, show, otherwise = () => {}) {
  try {
    const found = await answer;
    if (mine !== asked) return;
    if (found.none) throw new Error(found.none);
    show(found);
  } catch (error) {
    if (mine !== asked) return;
    otherwise();
    fill(element, [h("p", { class: "note" }, error.message)]);
  }
}

function showField({ parts, picture: place }, sides) {
  way.mark(parts);
  picture.mark(place);
  const last = parts.at(-1);
  const words = (part) => {
    const size = `${part.rows[1] - part.rows[0]} × ${part.columns[1] - part.columns[0]}`;
    return `${part.channels[1] - part.channels[0]} × ${size}`;
  };
  const canvas = h("canvas", { id: "field-input", "aria-label": "The receptive field in the network's input" });
  const where = place ? `in the picture: rows ${place[0]}–${place[1] - 1}, columns ${place[2]}–${place[3] - 1} (${place[3] - place[2]} × ${place[1] - place[0]} pixels)` : "outside of the picture, or its place is not known";
  fill($("field"), [
    h("h3", {}, "Computed from"),
    h("div", { class: "field" }, canvas, h("div", {},
      h("p", { id: "field-picture" }, where),
      h("ol", { class: "chain" }, ...parts.slice(1).map((part) => h("li", {}, h("button", { class: "link", onclick: () => go({ name: part.name, channel: part.channels[0] }) }, part.name.slice(part.name.lastIndexOf("/") + 1)), ` ${words(part)}`))))),
  ]);
  drawInput(canvas, last, sides === "b" ? "b" : "a");
}

/** The network's input as a small picture, with the field in it. */
async function drawInput(canvas, part, side) {
  if (!has(part.name) || lacking(tensor(part.name), side)) return;
  const found = await numbers("thumbnails", { name: part.name, what: side, size: 192 }).catch(() => null);
  if (!found || found.shape[0] !== 3 || !canvas.isConnected) return;
  const [, height, width] = found.shape;
  const bitmap = await createImageBitmap(way.inColours(found));
  const scale = Math.min(150 / width, 150 / height);
  canvas.style.width = `${width * scale}px`;
  canvas.style.height = `${height * scale}px`;
  const drawing = context(canvas, width * scale, height * scale);
  drawing.imageSmoothingEnabled = false;
  drawing.drawImage(bitmap, 0, 0, width * scale, height * scale);
  const [, rows, columns] = tensor(part.name).shape;
  drawing.strokeStyle = colour("--field");
  drawing.lineWidth = 2;
  const [x, y] = [(part.columns[0] / columns) * width * scale, (part.rows[0] / rows) * height * scale];
  drawing.strokeRect(x, y, ((part.columns[1] - part.columns[0]) / columns) * width * scale, ((part.rows[1] - part.rows[0]) / rows) * height * scale);
}

function showSum({ sums, parting = null, why = "", notes }) {
  const [first] = sums, bad = sums.some((one) => !one.ok) || parting !== null;
  fill($("sum"), [
    h("h3", {}, `${first.layer} of ${first.input.slice(first.input.lastIndexOf("/") + 1)}: ${counted(first.steps.length, "step")}`),
    why ? h("p", { id: "why", class: parting === null && !bad ? "good" : "bad" }, why) : null,
    ...notes.map((note) => h("p", { class: "quiet" }, note)),
    ...sums.map((one) => result(one, sums.length > 1)),
    spark(sums, parting),
    steps(sums, parting),
  ]);
}

function result(one, two) {
  const lines = Object.entries(RULES).map(([rule, words]) => h("tr", { class: rule === one.rule ? (one.ok ? "good rule" : "bad rule") : "", title: rule === one.rule ? "the arithmetic of the specification" : "" },
    h("th", {}, words), h("td", {}, h("code", {}, one.results[rule])), h("td", {}, `${brief(one.apart[rule], 6)} ULP`)));
  const hex = one.hex.replace(/\.?0*p/, "p");
  return h("table", { class: "result", "data-side": one.side }, h("tbody", {}, h("tr", {}, h("th", {}, two ? `recorded in ${one.side.toUpperCase()}` : "recorded"), h("td", {}, h("code", {}, one.recorded)), h("td")), ...lines, h("tr", {}, h("th", {}, "in base 16"), h("td", { colspan: 2 }, h("code", {}, hex)))));
}

/** The sum as it grows, a line for each side. */
function spark(sums, parting) {
  if (sums[0].steps.length < 3) return null;
  const canvas = h("canvas", { class: "spark", "aria-label": "The sum as it grows" });
  const [width, height] = [340, 54];
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const drawing = context(canvas, width, height);
  const lines = sums.map((one) => [0, ...one.steps.map((step) => Number(step[5]))]);
  const all = lines.flat().filter(Number.isFinite), low = Math.min(...all), spread = Math.max(...all) - low || 1;
  const count = lines[0].length - 1;
  lines.forEach((line, index) => {
    drawing.strokeStyle = colour(index ? "--side-b" : "--side-a");
    drawing.lineWidth = 1.5;
    drawing.beginPath();
    line.forEach((value, step) => drawing[step ? "lineTo" : "moveTo"]((step / count) * (width - 2) + 1, height - 4 - ((value - low) / spread) * (height - 8)));
    drawing.stroke();
  });
  if (parting !== null) {
    drawing.fillStyle = colour("--different");
    drawing.fillRect(((parting + 1) / count) * (width - 2), 0, 1.5, height);
  }
  return canvas;
}

function steps(sums, parting) {
  const [first, second] = sums, count = first.steps.length;
  const rule = { fma: 3, mul_add: 4, double: 5 };
  const head = second ? ["step", "input at", "input A", "input B", "weight A", "weight B", "sum A", "sum B"] : ["step", "input at", "input", "weight", ...Object.values(RULES)];
  const body = h("tbody");
  const row = (number) => {
    const x = first.steps[number], y = second?.steps[number];
    const cells = second ? [x[1], y?.[1] ?? "", x[2] ?? "", y?.[2] ?? "", x[rule[first.rule]], y?.[rule[second.rule]] ?? ""] : [x[1], x[2] ?? "", x[3], x[4], x[5]];
    return h("tr", { class: number === parting ? "parting" : "" }, h("th", {}, number + 1),
      h("td", {}, h("button", { class: "link", title: `Go to ${first.input} at ${x[0].join(", ")}`, onclick: () => goTo(x[0], first.input) }, x[0].join(", "))),
      ...cells.map((words) => h("td", {}, words)));
  };
  const add = (from, to) => {
    for (let number = from; number < to; number++) body.append(row(number));
  };
  add(0, Math.min(count, FIRST));
  const about = parting !== null && parting >= FIRST ? [h("p", { class: "bad" }, `step ${parting + 1}, where they part, is below`)] : [];
  const table = h("table", { class: "steps" }, h("thead", {}, h("tr", {}, ...head.map((words) => h("th", {}, words)))), body);
  if (first.bias !== null) table.append(h("tfoot", {}, bias(first, second)));
  const more = count > FIRST ? h("button", { id: "all-steps", onclick: () => {
    add(FIRST, count);
    more.remove();
    body.querySelector(".parting")?.scrollIntoView({ block: "center" });
  } }, `all ${count} steps`) : null;
  return h("div", { class: "steps-holder" }, ...about, table, more);
}

function bias(first, second) {
  const words = second ? ["", "+ bias", "", "", first.bias, second.bias, first.results[first.rule], second.results[second.rule]] : ["", "+ bias", "", first.bias, first.results.fma, first.results.mul_add, first.results.double];
  return h("tr", {}, ...words.map((word) => h("td", {}, word)));
}
