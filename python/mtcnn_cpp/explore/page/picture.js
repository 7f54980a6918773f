// The picture with the boxes of each stage, the heat map of a level over it, and the receptive field.

import { $, context, fill, h, hint, soon } from "./dom.js";
import { numbers } from "./ask.js";
import { boxesOf } from "./boxes.js";
import { colour } from "./colours.js";
import { brief, counted } from "./numbers.js";
import { STAGES, go, here } from "./place.js";
import { heatOf } from "./heat.js";
import { journey } from "./journey.js";
import { session } from "./session.js";

const TITLES = { proposals: "proposals", nms: "after NMS", rnet: "RNet", onet: "ONet", final: "final" };
const PIXELS = 6e6; // of the picture that are sent at most
let canvas, image = null, heat = null, size = { width: 1, height: 1 };
let sides = []; // Boxes of a, of b
let field = null; // rows and columns of the receptive field
let view = null; // {scale, x, y}: the picture's place on the canvas; null: fitted
let last = null; // the last click, so that another one there takes the next box

export const redraw = soon(draw);

export async function start() {
  canvas = $("picture");
  controls();
  listen();
  new ResizeObserver(redraw).observe(canvas.parentElement);
  const about = session.about.picture;
  if (about) {
    size = about;
    const step = Math.max(1, Math.ceil(Math.sqrt((about.width * about.height) / PIXELS)));
    await Promise.all([load(about.side, step), boxes()]);
  } else {
    fill($("picture-holder"), [canvas, h("p", { class: "note" }, "no picture: the trace holds none, or no values")]);
    await boxes();
  }
  controls();
  redraw();
}

async function load(side, step) {
  const { shape, data } = await numbers("picture", { side, step });
  const pixels = new ImageData(shape[1], shape[0]);
  for (let from = 0, to = 0; from < data.length; from += 3, to += 4) {
    pixels.data[to] = data[from];
    pixels.data[to + 1] = data[from + 1];
    pixels.data[to + 2] = data[from + 2];
    pixels.data[to + 3] = 255;
  }
  image = await createImageBitmap(pixels);
  redraw();
}

async function boxes() {
  sides = await Promise.all(Object.keys(session.about.sides).map(boxesOf));
}

export const boxesLoaded = () => sides;
const levels = () => sides[0]?.found.levels ?? [];
const level = () => levels()[Math.min(here().level, levels().length - 1)];

function controls() {
  const place = here();
  fill($("stages"), STAGES.map((stage, index) => {
    const count = sides[0] ? visible(sides[0], stage, true).length : 0;
    const on = place.show.includes(stage);
    return h("button", {
      class: "toggle", "aria-pressed": on, "data-stage": stage, colour: `var(--box-${stage})`, title: `Boxes: ${TITLES[stage]} (${index + 1})`,
      onclick: () => toggle(stage),
    }, TITLES[stage], h("small", {}, sides[0] ? ` ${count}` : ""));
  }));
  levelControls(place);
}

/** Made once, so that the slider can be dragged; then only its words change. */
function levelControls(place) {
  const known = level();
  if (!known) return;
  if (!$("level")) {
    const slider = h("input", { type: "range", id: "level", min: 0, max: levels().length - 1, "aria-label": "Level of the pyramid", title: "Level of the pyramid ([ and ])" });
    slider.addEventListener("input", () => go({ level: Number(slider.value) }, true));
    fill($("levels"), [
      h("button", { class: "toggle", id: "heat", title: "The level's heat map over the picture (h)", onclick: () => go({ heat: !here().heat }) }, "heat map"),
      slider,
      h("button", { class: "link", id: "level-name", title: "Show the level's layers", onclick: () => go({ name: `${level().name}/heat_map`, box: "" }) }),
      h("span", { class: "quiet", id: "level-words" }),
      h("button", { class: "toggle", id: "every", title: "Proposals of all levels", onclick: () => go({ every: !here().every }) }, "all levels"),
    ]);
  }
  $("level").value = place.level;
  $("heat").setAttribute("aria-pressed", place.heat);
  $("every").setAttribute("aria-pressed", place.every);
  $("level-name").textContent = `level ${known.number}`;
  $("level-words").textContent = `${known.height} × ${known.width}, scale ${brief(known.scale)}, ${counted(known.total, "proposal")}`;
}

export function toggle(stage) {
  const { show } = here();
  go({ show: STAGES.filter((one) => show.includes(one) !== (one === stage)) });
}

export const turnLevel = (by) => go({ level: Math.max(0, Math.min(levels().length - 1, here().level + by)) }, true);

/** The boxes of a stage that are to be drawn; `off`: also where the stage is switched off. */
function visible(side, stage, off = false) {
  const place = here();
  if (!off && !place.show.includes(stage)) return [];
  const list = side.drawn[stage];
  return stage === "proposals" && !place.every ? list.filter((one) => one.level === place.level) : list;
}

const drawnSides = () => {
  const { view: word } = here();
  return sides.filter((one) => !session.two || word === one.side || word === "difference" || word === "ulp");
};

function fitted() {
  const box = canvas.getBoundingClientRect();
  const scale = Math.min(box.width / size.width, box.height / size.height);
  return { scale, x: (box.width - size.width * scale) / 2, y: (box.height - size.height * scale) / 2 };
}

const placed = () => view ?? fitted();

function draw() {
  const box = canvas.getBoundingClientRect();
  const drawing = context(canvas, box.width, box.height);
  drawing.clearRect(0, 0, box.width, box.height);
  const { scale, x, y } = placed();
  if (image) {
    drawing.imageSmoothingEnabled = scale < 3;
    drawing.drawImage(image, x, y, size.width * scale, size.height * scale);
  }
  if (here().heat && heat) {
    drawing.imageSmoothingEnabled = false;
    drawing.drawImage(heat.image, x + heat.left * scale, y + heat.top * scale, heat.width * scale, heat.height * scale);
  }
  for (const side of drawnSides()) {
    for (const stage of STAGES) stroke(drawing, side, stage, { scale, x, y });
  }
  landmarks(drawing, { scale, x, y });
  const chosen = here().box && sides.map((side) => side.get(here().box)).find(Boolean);
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

/** A rectangle; of one that reaches far beyond the canvas (a fault can make any) only what is near is drawn. */
function outline(drawing, [left, top, width, height], { scale, x, y }, style, thick) {
  const clip = (value, most) => Math.max(-50, Math.min(value, most + 50));
  const [x0, x1] = [left, left + width].map((value) => clip(x + value * scale, canvas.clientWidth));
  const [y0, y1] = [top, top + height].map((value) => clip(y + value * scale, canvas.clientHeight));
  drawing.strokeStyle = style;
  drawing.lineWidth = thick;
  drawing.strokeRect(x0, y0, Math.max(x1 - x0, 1), Math.max(y1 - y0, 1));
}

function stroke(drawing, side, stage, at) {
  const style = colour(`--box-${stage}`);
  drawing.setLineDash(side.side === "b" ? [6, 4] : []);
  for (const { box } of visible(side, stage)) outline(drawing, box, at, style, stage === "final" ? 2 : 1.3);
  drawing.setLineDash([]);
}

function landmarks(drawing, { scale, x, y }) {
  if (!here().show.includes("final")) return;
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

/** The boxes under a point of the picture, the smallest first. */
function under(left, top) {
  const near = 3 / placed().scale;
  const found = drawnSides().flatMap((side) => STAGES.flatMap((stage) => visible(side, stage))).filter(({ box: [x, y, width, height] }) =>
    left >= x - near && left <= x + width + near && top >= y - near && top <= y + height + near);
  return found.sort((one, other) => one.box[2] * one.box[3] - other.box[2] * other.box[3] || STAGES.indexOf(other.stage) - STAGES.indexOf(one.stage));
}

const inPicture = (event) => {
  const { scale, x, y } = placed();
  return [(event.offsetX - x) / scale, (event.offsetY - y) / scale];
};

function listen() {
  let drag = null;
  canvas.addEventListener("pointerdown", (event) => {
    drag = { x: event.clientX, y: event.clientY, view: placed(), moved: false };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (drag) {
      const [across, down] = [event.clientX - drag.x, event.clientY - drag.y];
      if (Math.abs(across) + Math.abs(down) > 4) drag.moved = true;
      if (drag.moved) {
        view = { ...drag.view, x: drag.view.x + across, y: drag.view.y + down };
        redraw();
      }
      return;
    }
    const found = under(...inPicture(event));
    canvas.style.cursor = found.length ? "pointer" : "default";
    hint(event, found.length ? told(found) : "");
  });
  canvas.addEventListener("pointerleave", (event) => hint(event, ""));
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
    view = null;
    redraw();
  });
}

function told(found) {
  const lines = found.slice(0, 4).map((one) => `${one.id[0].toUpperCase()} ${TITLES[one.stage]}${one.score === null ? "" : ` ${brief(one.score, 5)}`}`);
  return (session.two ? lines : lines.map((line) => line.slice(2))).join("\n") + (found.length > 4 ? `\nand ${found.length - 4} more; click again for the next` : "");
}

function click(event) {
  const found = under(...inPicture(event));
  if (!found.length) {
    if (here().box) go({ box: "" });
    last = null;
    return;
  }
  const ids = found.map((one) => one.id).join();
  const index = last && last.ids === ids ? (last.index + 1) % found.length : 0;
  last = { ids, index };
  select(found[index].id);
}

/** Show a box: mark it, and go to its crop or cell. */
export function select(id) {
  const side = sides.find((one) => one.side === id[0]);
  const step = side?.target(id);
  if (!step) return go({ box: id });
  const changes = { box: id, name: step.name, at: step.at };
  if (step.level !== undefined) changes.level = step.level;
  return go(changes);
}

function zoom(x, y, by) {
  const before = placed();
  const scale = Math.min(Math.max(before.scale * by, fitted().scale * 0.8), 64);
  view = { scale, x: x - ((x - before.x) * scale) / before.scale, y: y - ((y - before.y) * scale) / before.scale };
  redraw();
}

/** Bring a box into view, enlarged. */
export function frame([left, top, width, height]) {
  const box = canvas.getBoundingClientRect();
  const scale = Math.min(box.width, box.height) / (Math.max(width, height, 8) * 2);
  view = { scale, x: box.width / 2 - (left + width / 2) * scale, y: box.height / 2 - (top + height / 2) * scale };
  redraw();
}

/** Mark the receptive field: first and last rows and columns; null for none. */
export function mark(found) {
  field = found;
  redraw();
}

async function showHeat() {
  const known = level(), place = here();
  const found = place.heat && known ? await heatOf(known, session.two && place.view === "b" ? "b" : "a").catch(() => null) : null;
  if (place.heat !== here().heat || known !== level()) return;
  heat = found;
  redraw();
}

/** What the address says has changed. */
export function moved(place, before) {
  if (place.level !== before.level || place.heat !== before.heat || place.view !== before.view || (place.heat && !heat)) showHeat();
  controls();
  journey(sides);
  redraw();
}
