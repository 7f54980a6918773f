// The chosen channel: its map in a and b and their difference, beside each other and moved together.

import { $, fill, h } from "./dom.js";
import { ask, numbers } from "./ask.js";
import { scaleOf } from "./colours.js";
import { MapView, gridOf } from "./map.js";
import { brief, shortest } from "./numbers.js";
import { scales } from "./scales.js";
import { go, here } from "./place.js";
import { facts as showFacts } from "./facts.js";
import { bytesOf, has, session, tensor, viewOf } from "./session.js";

const WHOLE = 1 << 20; // values of a map up to which it is loaded whole
const MOST = 140; // of a cell's width
const TITLES = { a: "A", b: "B", difference: "B − A", ulp: "ULP" };
const camera = { scale: 1, x: 0, y: 0 };
let panels = []; // {what, view}
let shape = null; // what is shown, as maps: see `viewOf`
let grid = null, stamp = "", own = false; // own: the user has moved the camera
let asked = 0;

export async function moved(place, before, force = false) {
  const key = `${place.name} ${place.channel} ${place.view === "ulp"}`;
  if (force || key !== stamp) {
    const another = !stamp || place.name !== before.name;
    stamp = key;
    await show(place, another);
  } else mark(place);
}

async function show(place, another) {
  const mine = ++asked;
  $("tensor-title").textContent = place.name;
  if (!has(place.name)) return clear(place.name ? `there is no tensor of that name: ${place.name}` : "no tensor is chosen");
  const one = tensor(place.name);
  shape = viewOf(one);
  grid = gridOf(shape);
  channels(place);
  let note = unshown(one);
  say(note);
  lay(note ? [] : wanted(one));
  if (another || !own) fit();
  fill($("under"), []);
  if (another) fill($("facts"), []);
  const [, found] = await Promise.all([note ? null : load(place, mine), ask("tensor", { name: place.name }).catch((error) => ({ error: error.message }))]);
  if (mine !== asked) return undefined;
  if (found.error) say((note ||= found.error));
  else showFacts(found);
  return undefined;
}

/** A word in the place of the maps; none for empty text. */
function say(note) {
  $("tensor-note").hidden = !note;
  $("tensor-note").textContent = note;
}

function clear(words) {
  shape = null;
  lay([]);
  for (const id of ["channels", "facts", "scale", "under"]) fill($(id), []);
  say(words);
}

/** Why nothing is drawn, in words; empty where something is. */
function unshown(one) {
  if (!grid.count || !shape.channels) return "empty: there are no values";
  if (bytesOf(one) > session.about.limit) return `too large to show: ${bytesOf(one).toLocaleString("en")} bytes of values, at most ${session.about.limit.toLocaleString("en")} are drawn; its statistics are below`;
  const sides = sidesOf(one).map((letter) => session.about.sides[letter]);
  const without = sides.find(({ capture }) => capture !== "full");
  if (!without) return "";
  const { label, capture } = without;
  return `${label} was captured at level "${capture}": it holds no values, only ${{ names: "names and shapes", hash: "hashes" }[capture] ?? "hashes and statistics"}`;
}

const sidesOf = ({ words }) => (!session.two ? ["a"] : words === "missing" ? ["a"] : words === "extra" ? ["b"] : ["a", "b"]);

/** Which maps are beside each other. */
function wanted(one) {
  const sides = sidesOf(one);
  if (one.unlike) return ["a"];
  return sides.length === 2 ? ["a", "b", here().view === "ulp" ? "ulp" : "difference"] : sides;
}

function lay(list) {
  if (panels.map((panel) => panel.what).join() === list.join()) return;
  panels = list.map((what) => {
    const canvas = h("canvas", { class: "map", "data-what": what, tabindex: 0, "aria-label": `Map of ${TITLES[what]}` });
    const element = h("figure", { "data-what": what }, h("figcaption", {}, session.two ? TITLES[what] : ""), canvas);
    return { what, element, canvas, view: null };
  });
  fill($("maps"), panels.map((panel) => panel.element));
  for (const panel of panels) {
    panel.view = new MapView(panel.canvas, camera, {
      hover,
      pick: (cell) => go({ at: indexOf(cell) }),
      camera: (changes) => moveTo(changes),
      zoom,
      fit: () => fit(),
      resized: () => (own ? redraw() : fit()),
    });
  }
}

const redraw = () => panels.forEach(({ view }) => view.redraw());

function moveTo(changes, mine = true) {
  Object.assign(camera, changes);
  own = mine;
  redraw();
  detail();
}

/** The whole map in view. */
export function fit() {
  if (!grid || !panels.length) return;
  const box = panels[0].canvas.getBoundingClientRect();
  if (!box.width) return;
  const whole = Math.min(box.width / grid.columns, box.height / grid.rows, 64);
  const scale = shape?.kind === "table" ? Math.max(whole, 44) : whole; // a long table begins at its first rows
  moveTo({ scale, x: (box.width - grid.columns * scale) / 2, y: Math.max((box.height - grid.rows * scale) / 2, 0) }, false);
}

function zoom(x, y, by) {
  const box = panels[0].canvas.getBoundingClientRect();
  const least = Math.min(box.width / grid.columns, box.height / grid.rows, 64) * 0.9;
  const scale = Math.max(least, Math.min(MOST, camera.scale * by));
  moveTo({ scale, x: x - ((x - camera.x) * scale) / camera.scale, y: y - ((y - camera.y) * scale) / camera.scale });
}

/** Nearer or farther, about the chosen value or the middle. */
export function zoomBy(by) {
  if (!panels.length || !grid) return;
  const box = panels[0].canvas.getBoundingClientRect(), cell = cellOf(here());
  const inside = cell && [camera.x + (cell[1] + 0.5) * camera.scale, camera.y + (cell[0] + 0.5) * camera.scale];
  zoom(...(inside ?? [box.width / 2, box.height / 2]), by);
}

/** Load each map: whole, or coarse and then the part that is seen. */
async function load(place, mine) {
  const { height, width } = shape;
  if (!panels.length) return fill($("scale"), []);
  const step = Math.max(1, Math.ceil(Math.sqrt((height * width) / WHOLE)));
  const channel = Math.min(place.channel, shape.channels - 1);
  const question = { name: place.name, channel, top: 0, left: 0, height, width, step };
  let found;
  try {
    found = await Promise.all(panels.map(({ what }) => numbers("values", { ...question, what })));
  } catch (error) {
    if (mine === asked) {
      lay([]);
      fill($("scale"), []);
      say(error.message);
    }
    return undefined;
  }
  if (mine !== asked) return undefined;
  const limits = found.map(({ data }) => finite(data));
  const both = session.two && panels.length > 1;
  panels.forEach(({ what, view }, index) => {
    const [low, high] = both && index < 2 ? [Math.min(limits[0][0], limits[1][0]), Math.max(limits[0][1], limits[1][1])] : limits[index];
    view.begin(grid, scaleOf(low, high, what));
    view.add(piece(found[index], 0, 0, step));
  });
  scales(panels);
  $("maps").dataset.shown = `${place.name} ${channel}`;
  mark(here());
  return detail();
}

function finite(values) {
  let low = Infinity, high = -Infinity;
  for (const value of values) {
    if (value < low && value !== -Infinity) low = value;
    if (value > high && value !== Infinity) high = value;
  }
  return low <= high ? [low, high] : [0, 0];
}

/** The values as they lie in the grid: a vector in rows, the rest of the last one left open. */
function piece({ shape: [rows, columns], data }, top, left, step) {
  if (shape.kind !== "vector") return { values: data, top, left, rows, columns, step };
  const values = new data.constructor(grid.rows * grid.columns);
  values.set(data.subarray(0, grid.count));
  return { values: values.subarray(0, grid.count), top: 0, left: 0, rows: grid.rows, columns: grid.columns, step: 1 };
}

/** The part that is seen in full detail, where only a coarse map is loaded. */
let waiting = null;
function detail() {
  if (!shape || !panels.length || grid.count <= WHOLE || shape.kind === "vector") return;
  clearTimeout(waiting);
  waiting = setTimeout(async () => {
    const mine = asked, { view, canvas } = panels[0] ?? {};
    if (!view?.grid) return;
    const [top, bottom, left, right] = view.seen(canvas.getBoundingClientRect());
    const [height, width] = [bottom - top + 1, right - left + 1];
    if (height * width > WHOLE) return;
    const question = { name: here().name, channel: here().channel, top, left, height, width, step: 1 };
    const found = await Promise.all(panels.map(({ what }) => numbers("values", { ...question, what }))).catch(() => null);
    if (!found || mine !== asked) return;
    panels.forEach((panel, index) => panel.view.add(piece(found[index], top, left, 1)));
    under(cellOf(here()));
  }, 90);
}

/** The index in the tensor of a cell of the grid, and the other way. */
function indexOf([row, column]) {
  const dimensions = tensor(here().name).shape, flat = row * grid.columns + column;
  if (dimensions.length <= 1) return [flat];
  if (shape.kind === "maps" || shape.kind === "stack") return unravel(here().channel * grid.count + flat, dimensions);
  return unravel(flat, dimensions);
}

function unravel(flat, dimensions) {
  const index = [];
  for (const size of [...dimensions].reverse()) {
    index.unshift(flat % size);
    flat = Math.floor(flat / size);
  }
  return index;
}

/** Channel and cell of an index; null for one that is not in the tensor. */
export function locate(name, at) {
  const dimensions = has(name) ? tensor(name).shape : [];
  if (!at || at.length !== dimensions.length || at.some((value, axis) => value >= dimensions[axis])) return null;
  return at.reduce((flat, value, axis) => flat * dimensions[axis] + value, 0);
}

function cellOf(place) {
  const flat = locate(place.name, place.at);
  if (flat === null || !grid) return null;
  const inside = flat % Math.max(grid.count, 1);
  return [Math.floor(inside / grid.columns), inside % grid.columns];
}

function mark(place) {
  const cell = cellOf(place);
  panels.forEach(({ view }) => (view.marked = cell));
  if (cell) seenWell(cell);
  redraw();
  under(cell);
}

/** Bring a chosen cell near enough to be read, where it is out of sight or small. */
function seenWell([row, column]) {
  const box = panels[0]?.canvas.getBoundingClientRect();
  if (!box?.width) return;
  const scale = Math.max(camera.scale, 18);
  const [x, y] = [camera.x + (column + 0.5) * camera.scale, camera.y + (row + 0.5) * camera.scale];
  if (scale === camera.scale && x > 0 && y > 0 && x < box.width && y < box.height) return;
  moveTo({ scale, x: box.width / 2 - (column + 0.5) * scale, y: box.height / 2 - (row + 0.5) * scale });
}

function hover(cell) {
  panels.forEach(({ view }) => (view.hovered = cell));
  redraw();
  under(cell ?? cellOf(here()));
}

/** The value of a cell in all maps, in full. */
function under(cell) {
  if (!cell || !shape) return fill($("under"), [h("span", { class: "quiet" }, "wheel: zoom · drag: move · click: the sum behind a value")]);
  return fill($("under"), [
    h("b", {}, `[${indexOf(cell).join(", ")}]`),
    ...panels.map(({ what, view }) => h("span", {}, session.two ? `${TITLES[what]} ` : "", h("code", {}, valueText(view.at(...cell), what)))),
  ]);
}

const valueText = (value, what) => (value === undefined ? "…" : what === "difference" ? brief(value, 6) : shortest(value));

function channels(place) {
  const count = shape.channels;
  if (count < 2) return fill($("channels"), []);
  const box = h("input", { type: "number", min: 0, max: count - 1, value: Math.min(place.channel, count - 1), "aria-label": "Channel", id: "channel" });
  box.addEventListener("change", () => go({ channel: Math.max(0, Math.min(count - 1, Number(box.value) || 0)), at: null }));
  return fill($("channels"), [
    h("button", { title: "Channel before (←)", onclick: () => turnChannel(-1) }, "◀"),
    h("label", {}, "channel ", box, ` of ${count}`),
    h("button", { title: "Next channel (→)", onclick: () => turnChannel(1) }, "▶"),
  ]);
}

export function turnChannel(by) {
  if (!shape || shape.channels < 2) return;
  const count = shape.channels;
  go({ channel: (Math.min(here().channel, count - 1) + by + count) % count, at: null }, true);
}

/** Go to one value, of the tensor that is shown or of another. */
export const goTo = (index, name = here().name) => go({ name, at: index });

/** The colour scheme has changed. */
export const repaint = () => moved(here(), here(), true);
