// The bar of all tensors in execution order, and above it the error over the layers.

import { $, context, fill, h, hint, soon } from "./dom.js";
import { colour, networkColour, verdictColour } from "./colours.js";
import { brief } from "./numbers.js";
import { go, here } from "./place.js";
import { session } from "./session.js";

const BAR = 20, LABELS = 15, PLOT = 54;
const LOW = -8, HIGH = 1; // decades of the plot
let canvas = null, chosen = null, width = 0;

export const redraw = soon(draw);

const plotHeight = () => (session.two ? PLOT : 0);
const shown = () => chosen ?? session.tensors;

/** Show these tensors only, over the whole width; null for all. */
export function choose(tensors) {
  chosen = tensors;
  redraw();
}

export function start() {
  canvas = $("bar");
  canvas.style.height = `${plotHeight() + BAR + LABELS}px`;
  const at = (event) => {
    const list = shown();
    return list[Math.min(Math.floor((event.offsetX / width) * list.length), list.length - 1)];
  };
  const near = (event) => {
    // a thin failure is drawn wider than its place: the pointer on it means it
    const list = shown(), place = Math.floor((event.offsetX / width) * list.length);
    const reach = Math.ceil((2 / width) * list.length);
    for (let away = 0; away <= reach; away++) {
      for (const index of [place - away, place + away]) {
        if (list[index] && !list[index].ok) return list[index];
      }
    }
    return at(event);
  };
  canvas.addEventListener("mousemove", (event) => {
    const one = near(event);
    if (!one) return;
    const figures = one.ulp === null ? "" : `, at most ${brief(one.ulp)} ULP, ${brief(one.share)} of the greatest value`;
    hint(event, `${one.name}${one.words ? `: ${words(one)}${figures}` : ""}`);
  });
  canvas.addEventListener("mouseleave", (event) => hint(event, ""));
  canvas.addEventListener("click", (event) => {
    const one = near(event);
    if (one) go({ name: one.name });
  });
  new ResizeObserver(redraw).observe(canvas);
  legend();
}

/** The verdict; before anything is measured, what the hashes say. */
export const words = (one) => ({ same: "equal by its hash", differs: "differs by its hash" })[one.words] ?? one.words;

export function legend() {
  const found = session.two
    ? [...new Set(session.tensors.map((one) => one.words))].filter(Boolean).map((word) => [words({ words: word }), verdictColour(word)])
    : [...new Set(session.tensors.map((one) => one.name.split("/")[0]))].map((word) => [word, networkColour(word)]);
  const title = session.two ? "error over the layers: greatest difference as a share of the tensor's greatest value" : "";
  fill($("legend"), [...found.map(([word, shade]) => h("span", { class: "key", colour: shade }, word)), h("i", {}, title)]);
}

function draw() {
  const box = canvas.getBoundingClientRect();
  width = box.width;
  const drawing = context(canvas, width, box.height);
  drawing.clearRect(0, 0, width, box.height);
  const list = shown(), one = width / Math.max(list.length, 1), top = plotHeight();
  if (session.two) axes(drawing, top);
  const passes = [[], []];
  list.forEach((tensor, index) => passes[tensor.ok ? 0 : 1].push(index));
  for (const [failed, indices] of passes.entries()) {
    for (const index of indices) {
      const tensor = list[index];
      drawing.fillStyle = session.two ? verdictColour(tensor.words) : networkColour(tensor.name);
      drawing.globalAlpha = session.two || session.layers.has(tensor.name) || /\/input$/.test(tensor.name) ? 1 : 0.55;
      drawing.fillRect(index * one, top, failed ? Math.max(one, 2) : one + 0.3, BAR);
      if (session.two && tensor.share !== null && tensor.share !== 0) {
        const decade = Math.log10(Number(tensor.share));
        const share = Number.isNaN(decade) ? 1 : Math.max(0, Math.min(1, (decade - LOW) / (HIGH - LOW)));
        drawing.fillRect(index * one, (1 - share) * (top - 6) + 1, Math.max(one - 0.5, 2), 2.5);
      }
    }
  }
  drawing.globalAlpha = 1;
  networks(drawing, list, one, top);
  const at = list.findIndex((tensor) => tensor.name === here().name);
  if (at >= 0) marker(drawing, at * one + one / 2, top);
}

function axes(drawing, height) {
  drawing.font = "10px system-ui, sans-serif";
  drawing.textAlign = "right";
  for (let decade = LOW + 2; decade <= HIGH; decade += 3) {
    const y = Math.round((1 - (decade - LOW) / (HIGH - LOW)) * (height - 6)) + 2.5;
    drawing.strokeStyle = colour("--line");
    drawing.beginPath();
    drawing.moveTo(0, y);
    drawing.lineTo(width, y);
    drawing.stroke();
    drawing.fillStyle = colour("--quiet");
    drawing.fillText(`1e${decade}`, width - 3, y + 9);
  }
}

function networks(drawing, list, one, top) {
  drawing.font = "11px system-ui, sans-serif";
  drawing.textAlign = "left";
  let before = "", free = -1;
  list.forEach((tensor, index) => {
    const network = tensor.name.split("/")[0];
    if (network === before) return;
    before = network;
    const x = index * one;
    drawing.fillStyle = colour("--ink");
    drawing.fillRect(x, top, 1, BAR + 4);
    if (x < free) return;
    drawing.fillText(network, x + 4, top + BAR + 12);
    free = x + 8 + drawing.measureText(network).width;
  });
}

function marker(drawing, x, top) {
  drawing.fillStyle = colour("--accent");
  drawing.strokeStyle = colour("--paper");
  drawing.lineWidth = 1.5;
  drawing.beginPath();
  drawing.moveTo(x, top + BAR - 6);
  drawing.lineTo(x + 6, top + BAR + 5);
  drawing.lineTo(x - 6, top + BAR + 5);
  drawing.closePath();
  drawing.stroke();
  drawing.fill();
  drawing.fillRect(x - 0.75, 0, 1.5, top + BAR);
  drawing.lineWidth = 1;
}
