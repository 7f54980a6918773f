// The bar of all tensors in execution order. For two traces, a plot above the bar shows the largest differences.

import { $, prepareCanvas, setChildren, h, showTooltip, oncePerFrame } from "./dom.js";
import { colour, networkColour, verdictColour } from "./colours.js";
import { formatShort } from "./format.js";
import { navigate, currentState } from "./navigation.js";
import { session } from "./session.js";

const BAR_HEIGHT = 20, LABEL_HEIGHT = 15, PLOT_HEIGHT = 54; // CSS pixels
const LOW = -8, HIGH = 1; // limits of the plot, as powers of ten
let canvas = null, filtered = null, width = 0;

export const redraw = oncePerFrame(draw);

const plotHeight = () => (session.two ? PLOT_HEIGHT : 0);
const shown = () => filtered ?? session.tensors;

/** Show only these tensors; null: all. */
export function showOnly(tensors) {
  filtered = tensors;
  redraw();
}

export function start() {
  canvas = $("bar");
  canvas.style.height = `${plotHeight() + BAR_HEIGHT + LABEL_HEIGHT}px`;
  const tensorAt = (event) => {
    const list = shown();
    return list[Math.min(Math.floor((event.offsetX / width) * list.length), list.length - 1)];
  };
  const tensorNear = (event) => {
    // a failed tensor is drawn at least 2 pixels wide, so it may cover its neighbours
    const list = shown(), position = Math.floor((event.offsetX / width) * list.length);
    const reach = Math.ceil((2 / width) * list.length);
    for (let away = 0; away <= reach; away++) {
      for (const index of [position - away, position + away]) {
        if (list[index] && !list[index].ok) return list[index];
      }
    }
    return tensorAt(event);
  };
  canvas.addEventListener("mousemove", (event) => {
    const tensor = tensorNear(event);
    if (!tensor) return;
    const numbers = tensor.ulp === null ? "" : `, at most ${formatShort(tensor.ulp)} ULP, relative difference ${formatShort(tensor.share)}`;
    showTooltip(event, `${tensor.name}${tensor.verdict ? `: ${verdictText(tensor.verdict)}${numbers}` : ""}`);
  });
  canvas.addEventListener("mouseleave", (event) => showTooltip(event, ""));
  canvas.addEventListener("click", (event) => {
    const tensor = tensorNear(event);
    if (tensor) navigate({ name: tensor.name });
  });
  new ResizeObserver(redraw).observe(canvas);
  legend();
}

/** A verdict, or the result of comparing hashes, as text. */
export const verdictText = (verdict) => ({ same: "same hash", differs: "different hash" })[verdict] ?? verdict;

export function legend() {
  const found = session.two
    ? [...new Set(session.tensors.map(({ verdict }) => verdict))].filter(Boolean).map((verdict) => [verdictText(verdict), verdictColour(verdict)])
    : [...new Set(session.tensors.map(({ name }) => name.split("/")[0]))].map((network) => [network, networkColour(network)]);
  const title = session.two ? "plot: largest difference of each tensor, relative to its largest magnitude" : "";
  setChildren($("legend"), [...found.map(([label, shade]) => h("span", { class: "key", colour: shade }, label)), h("i", {}, title)]);
}

function draw() {
  const box = canvas.getBoundingClientRect();
  width = box.width;
  const drawing = prepareCanvas(canvas, width, box.height);
  drawing.clearRect(0, 0, width, box.height);
  const list = shown(), step = width / Math.max(list.length, 1), top = plotHeight();
  if (session.two) drawAxes(drawing, top);
  const passes = [[], []];
  list.forEach((tensor, index) => passes[tensor.ok ? 0 : 1].push(index));
  for (const [failed, indices] of passes.entries()) {
    for (const index of indices) {
      const tensor = list[index];
      drawing.fillStyle = session.two ? verdictColour(tensor.verdict) : networkColour(tensor.name);
      drawing.globalAlpha = session.two || session.layers.has(tensor.name) || /\/input$/.test(tensor.name) ? 1 : 0.55;
      drawing.fillRect(index * step, top, failed ? Math.max(step, 2) : step + 0.3, BAR_HEIGHT);
      if (session.two && tensor.share !== null && tensor.share !== 0) {
        const decade = Math.log10(Number(tensor.share));
        const share = Number.isNaN(decade) ? 1 : Math.max(0, Math.min(1, (decade - LOW) / (HIGH - LOW)));
        drawing.fillRect(index * step, (1 - share) * (top - 6) + 1, Math.max(step - 0.5, 2), 2.5);
      }
    }
  }
  drawing.globalAlpha = 1;
  drawNetworkNames(drawing, list, step, top);
  const position = list.findIndex((tensor) => tensor.name === currentState().name);
  if (position >= 0) drawMarker(drawing, (position + 0.5) * step, top);
}

function drawAxes(drawing, height) {
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

function drawNetworkNames(drawing, list, step, top) {
  drawing.font = "11px system-ui, sans-serif";
  drawing.textAlign = "left";
  let previous = "", free = -1;
  list.forEach((tensor, index) => {
    const network = tensor.name.split("/")[0];
    if (network === previous) return;
    previous = network;
    const x = index * step;
    drawing.fillStyle = colour("--ink");
    drawing.fillRect(x, top, 1, BAR_HEIGHT + 4);
    if (x < free) return;
    drawing.fillText(network, x + 4, top + BAR_HEIGHT + 12);
    free = x + 8 + drawing.measureText(network).width;
  });
}

function drawMarker(drawing, x, top) {
  drawing.fillStyle = colour("--accent");
  drawing.strokeStyle = colour("--paper");
  drawing.lineWidth = 1.5;
  drawing.beginPath();
  drawing.moveTo(x, top + BAR_HEIGHT - 6);
  drawing.lineTo(x + 6, top + BAR_HEIGHT + 5);
  drawing.lineTo(x - 6, top + BAR_HEIGHT + 5);
  drawing.closePath();
  drawing.stroke();
  drawing.fill();
  drawing.fillRect(x - 0.75, 0, 1.5, top + BAR_HEIGHT);
  drawing.lineWidth = 1;
}
