// The image with the boxes of each stage, the heat map of a level, and the receptive field.

import { $, prepareCanvas, setChildren, h, showTooltip, oncePerFrame } from "./dom.js";
import { fetchArray } from "./requests.js";
import { boxesOf, showBoxPath } from "./boxes.js";
import { colour } from "./colours.js";
import { formatScore, formatShort, formatCount } from "./format.js";
import { STAGES, navigate, currentState } from "./navigation.js";
import { heatmapOf } from "./heatmap.js";
import { session } from "./session.js";

const TITLES = { proposals: "proposals", nms: "after NMS", rnet: "RNet", onet: "ONet", final: "final" };
const MAX_PIXELS = 6e6; // maximum number of pixels that the server sends; a larger image is reduced
let canvas, bitmap = null, heatmap = null, size = { width: 1, height: 1 };
let sides = []; // the boxes of a and of b
let field = null; // receptive field: [first row, stop row, first column, stop column]
let camera = null; // {scale, x, y}: position of the image on the canvas; null: the whole image
let lastClick = null; // a second click on the same boxes selects the next one of them

export const redraw = oncePerFrame(draw);

export async function start() {
  canvas = $("image");
  showControls();
  listen();
  new ResizeObserver(redraw).observe(canvas.parentElement);
  const about = session.about.image;
  if (about) {
    size = about;
    const step = Math.max(1, Math.ceil(Math.sqrt((about.width * about.height) / MAX_PIXELS)));
    await Promise.all([load(about.side, step), loadBoxes()]);
  } else {
    setChildren($("image-holder"), [canvas, h("p", { class: "note" }, "no image: the trace has no image, or no values")]);
    await loadBoxes();
  }
  showControls();
  redraw();
}

async function load(side, step) {
  const { shape, data } = await fetchArray("image", { side, step });
  const pixels = new ImageData(shape[1], shape[0]);
  for (let source = 0, target = 0; source < data.length; source += 3, target += 4) {
    pixels.data[target] = data[source];
    pixels.data[target + 1] = data[source + 1];
    pixels.data[target + 2] = data[source + 2];
    pixels.data[target + 3] = 255;
  }
  bitmap = await createImageBitmap(pixels);
  redraw();
}

async function loadBoxes() {
  sides = await Promise.all(Object.keys(session.about.sides).map(boxesOf));
}

const levels = () => sides[0]?.found.levels ?? [];
const level = () => levels()[Math.min(currentState().level, levels().length - 1)];

function showControls() {
  const state = currentState();
  setChildren($("stages"), STAGES.map((stage, index) => {
    const count = sides[0] ? visibleBoxes(sides[0], stage, true).length : 0;
    const on = state.show.includes(stage);
    return h("button", {
      class: "toggle", "aria-pressed": on, "data-stage": stage, colour: `var(--box-${stage})`, title: `Show or hide the boxes: ${TITLES[stage]} (${index + 1})`,
      onclick: () => toggleStage(stage),
    }, TITLES[stage], h("small", {}, sides[0] ? ` ${count}` : ""));
  }));
  showLevelControls(state);
}

/** Only the first call creates the controls, so that the slider can be dragged; later calls change only their state. */
function showLevelControls(state) {
  const shownLevel = level();
  if (!shownLevel) return;
  if (!$("level")) {
    const slider = h("input", { type: "range", id: "level", min: 0, max: levels().length - 1, "aria-label": "Level of the pyramid", title: "Level of the pyramid ([ and ])" });
    slider.addEventListener("input", () => navigate({ level: Number(slider.value) }, true));
    setChildren($("levels"), [
      h("button", { class: "toggle", id: "heat", title: "Show the heat map of the level (h)", onclick: () => navigate({ heat: !currentState().heat }) }, "heat map"),
      slider,
      h("button", { class: "link", id: "level-name", title: "Show the layers of this level", onclick: () => navigate({ name: `${level().name}/heat_map`, box: "" }) }),
      h("span", { class: "quiet", id: "level-text" }),
      h("button", { class: "toggle", id: "all-levels", title: "Show the proposals of all levels", onclick: () => navigate({ every: !currentState().every }) }, "all levels"),
    ]);
  }
  $("level").value = state.level;
  $("heat").setAttribute("aria-pressed", state.heat);
  $("all-levels").setAttribute("aria-pressed", state.every);
  $("level-name").textContent = `level ${shownLevel.number}`;
  $("level-text").textContent = `${shownLevel.height} × ${shownLevel.width}, scale ${formatShort(shownLevel.scale)}, ${formatCount(shownLevel.total, "proposal")}`;
}

export function toggleStage(stage) {
  const { show } = currentState();
  navigate({ show: STAGES.filter((other) => show.includes(other) !== (other === stage)) });
}

export const stepLevel = (by) => navigate({ level: Math.max(0, Math.min(levels().length - 1, currentState().level + by)) }, true);

/** The boxes of a stage that are drawn. If `hidden` is true, the boxes are returned even if the stage is hidden. */
function visibleBoxes(side, stage, hidden = false) {
  const state = currentState();
  if (!hidden && !state.show.includes(stage)) return [];
  const list = side.drawn[stage];
  return stage === "proposals" && !state.every ? list.filter((box) => box.level === state.level) : list;
}

const drawnSides = () => {
  const { view } = currentState();
  return sides.filter(({ side }) => !session.two || view === side || view === "difference" || view === "ulp");
};

function wholeImage() {
  const box = canvas.getBoundingClientRect();
  const scale = Math.min(box.width / size.width, box.height / size.height);
  return { scale, x: (box.width - size.width * scale) / 2, y: (box.height - size.height * scale) / 2 };
}

const getCamera = () => camera ?? wholeImage();

function draw() {
  const box = canvas.getBoundingClientRect();
  const drawing = prepareCanvas(canvas, box.width, box.height);
  drawing.clearRect(0, 0, box.width, box.height);
  const { scale, x, y } = getCamera();
  if (bitmap) {
    drawing.imageSmoothingEnabled = scale < 3;
    drawing.drawImage(bitmap, x, y, size.width * scale, size.height * scale);
  }
  if (currentState().heat && heatmap) {
    drawing.imageSmoothingEnabled = false;
    drawing.drawImage(heatmap.image, x + heatmap.left * scale, y + heatmap.top * scale, heatmap.width * scale, heatmap.height * scale);
  }
  for (const side of drawnSides()) {
    for (const stage of STAGES) drawBoxes(drawing, side, stage, { scale, x, y });
  }
  drawLandmarks(drawing, { scale, x, y });
  const chosen = currentState().box && sides.map((side) => side.get(currentState().box)).find(Boolean);
  if (chosen) {
    outline(drawing, chosen.box, { scale, x, y }, colour("--paper"), 5);
    outline(drawing, chosen.box, { scale, x, y }, colour("--accent"), 3);
  }
  if (field) {
    const [top, bottom, left, right] = field;
    const shape = [left, top, right - left, bottom - top];
    drawing.fillStyle = colour("--field-fill");
    drawing.fillRect(x + left * scale, y + top * scale, shape[2] * scale, shape[3] * scale);
    outline(drawing, shape, { scale, x, y }, colour("--field"), 2);
  }
}

/** Draw a rectangle, clipped near the canvas: a faulty port can make boxes of any size. */
function outline(drawing, [left, top, width, height], { scale, x, y }, style, lineWidth) {
  const clip = (value, size) => Math.max(-50, Math.min(value, size + 50));
  const [x0, x1] = [left, left + width].map((value) => clip(x + value * scale, canvas.clientWidth));
  const [y0, y1] = [top, top + height].map((value) => clip(y + value * scale, canvas.clientHeight));
  drawing.strokeStyle = style;
  drawing.lineWidth = lineWidth;
  drawing.strokeRect(x0, y0, Math.max(x1 - x0, 1), Math.max(y1 - y0, 1));
}

function drawBoxes(drawing, side, stage, at) {
  const style = colour(`--box-${stage}`);
  drawing.setLineDash(side.side === "b" ? [6, 4] : []);
  for (const { box } of visibleBoxes(side, stage)) outline(drawing, box, at, style, stage === "final" ? 2 : 1.3);
  drawing.setLineDash([]);
}

function drawLandmarks(drawing, { scale, x, y }) {
  if (!currentState().show.includes("final")) return;
  drawing.fillStyle = colour("--box-final");
  for (const side of drawnSides()) {
    for (const point of side.found.landmarks.flat()) {
      if (!point.every((value) => Number.isFinite(value))) continue;
      drawing.beginPath();
      drawing.arc(x + point[0] * scale, y + point[1] * scale, 2, 0, 7);
      drawing.fill();
    }
  }
}

/** The boxes at a point of the image, sorted by area. */
function boxesAt(left, top) {
  const margin = 3 / getCamera().scale;
  const found = drawnSides().flatMap((side) => STAGES.flatMap((stage) => visibleBoxes(side, stage))).filter(({ box: [x, y, width, height] }) =>
    left >= x - margin && left <= x + width + margin && top >= y - margin && top <= y + height + margin);
  return found.sort((first, second) => first.box[2] * first.box[3] - second.box[2] * second.box[3] || STAGES.indexOf(second.stage) - STAGES.indexOf(first.stage));
}

const imagePoint = (event) => {
  const { scale, x, y } = getCamera();
  return [(event.offsetX - x) / scale, (event.offsetY - y) / scale];
};

function listen() {
  let drag = null;
  canvas.addEventListener("pointerdown", (event) => {
    drag = { x: event.clientX, y: event.clientY, camera: getCamera(), moved: false };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (drag) {
      const [across, down] = [event.clientX - drag.x, event.clientY - drag.y];
      if (Math.abs(across) + Math.abs(down) > 4) drag.moved = true;
      if (drag.moved) {
        camera = { ...drag.camera, x: drag.camera.x + across, y: drag.camera.y + down };
        redraw();
      }
      return;
    }
    const found = boxesAt(...imagePoint(event));
    canvas.style.cursor = found.length ? "pointer" : "default";
    showTooltip(event, found.length ? tooltipText(found) : "");
  });
  canvas.addEventListener("pointerleave", (event) => showTooltip(event, ""));
  canvas.addEventListener("pointerup", (event) => {
    const moved = drag?.moved;
    drag = null;
    if (!moved) click(event);
  });
  canvas.addEventListener("pointercancel", () => (drag = null));
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(event.offsetX, event.offsetY, Math.exp(-event.deltaY / 400));
  }, { passive: false });
  canvas.addEventListener("dblclick", () => {
    camera = null;
    redraw();
  });
}

function tooltipText(found) {
  const lines = found.slice(0, 4).map(({ id, stage, score }) => `${id[0].toUpperCase()} ${TITLES[stage]}${score === null ? "" : ` ${formatScore(score, 5)}`}`);
  return (session.two ? lines : lines.map((line) => line.slice(2))).join("\n") + (found.length > 4 ? `\nand ${found.length - 4} more; click again to select the next box` : "");
}

function click(event) {
  const found = boxesAt(...imagePoint(event));
  if (!found.length) {
    if (currentState().box) navigate({ box: "" });
    lastClick = null;
    return;
  }
  const ids = found.map(({ id }) => id).join();
  const index = lastClick?.ids === ids ? (lastClick.index + 1) % found.length : 0;
  lastClick = { ids, index };
  selectBox(found[index].id);
}

/** Select a box and show its crop or its cell in the heat map. */
export function selectBox(id) {
  const side = sides.find(({ side }) => side === id[0]);
  const step = side?.target(id);
  if (!step) return navigate({ box: id });
  const changes = { box: id, name: step.name, at: step.at };
  if (step.level !== undefined) changes.level = step.level;
  return navigate(changes);
}

function zoom(x, y, factor) {
  const before = getCamera();
  const scale = Math.min(Math.max(before.scale * factor, wholeImage().scale * 0.8), 64);
  camera = { scale, x: x - ((x - before.x) * scale) / before.scale, y: y - ((y - before.y) * scale) / before.scale };
  redraw();
}

/** Zoom to a box. */
export function zoomToBox([left, top, width, height]) {
  const box = canvas.getBoundingClientRect();
  const scale = Math.min(box.width, box.height) / (Math.max(width, height, 8) * 2);
  camera = { scale, x: box.width / 2 - (left + width / 2) * scale, y: box.height / 2 - (top + height / 2) * scale };
  redraw();
}

/** Show the receptive field; null hides it. */
export function showReceptiveField(region) {
  field = region;
  redraw();
}

async function updateHeatmap() {
  const shownLevel = level(), state = currentState();
  const found = state.heat && shownLevel ? await heatmapOf(shownLevel, session.two && state.view === "b" ? "b" : "a").catch(() => null) : null;
  if (state.heat !== currentState().heat || shownLevel !== level()) return;
  heatmap = found;
  redraw();
}

/** Show the new state of the page. */
export function update(state, previous) {
  if (state.level !== previous.level || state.heat !== previous.heat || state.view !== previous.view || (state.heat && !heatmap)) updateHeatmap();
  showControls();
  showBoxPath(sides);
  redraw();
}
