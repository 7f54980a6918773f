// The maps of the chosen channel: A, B and their difference side by side, with a common zoom.

import { $, setChildren, h } from "./dom.js";
import { fetchJson, fetchArray } from "./requests.js";
import { colourScale, drawLegend } from "./colours.js";
import { MapView, gridOf } from "./map_canvas.js";
import { formatShort, formatExact } from "./format.js";
import { navigate, currentState } from "./navigation.js";
import { showStatistics as showStatistics } from "./statistics.js";
import { byteSize, hasTensor, session, getTensor, mapShape } from "./session.js";

const WHOLE_SIZE = 1 << 20; // values of the largest map that is loaded completely
const MAX_CELL_WIDTH = 140;
const TITLES = { a: "A", b: "B", difference: "B − A", ulp: "ULP" };
const camera = { scale: 1, x: 0, y: 0 };
let panels = []; // {view, map, canvas, element}; map is a MapView
let shape = null; // shape of the maps of the current tensor, see `mapShape`
let grid = null, shownKey = "", userCamera = false; // userCamera: the user has moved the camera
let latestRequest = 0;

export async function update(state, previous, force = false) {
  const key = `${state.name} ${state.channel} ${state.view === "ulp"}`;
  if (force || key !== shownKey) {
    const isNew = !shownKey || state.name !== previous.name;
    shownKey = key;
    await show(state, isNew);
  } else markValue(state);
}

async function show(state, isNew) {
  const request = ++latestRequest;
  $("tensor-title").textContent = state.name;
  if (!hasTensor(state.name)) return clear(state.name ? `there is no tensor named ${state.name}` : "no tensor is selected");
  const tensor = getTensor(state.name);
  shape = mapShape(tensor);
  grid = gridOf(shape);
  showChannelControls(state);
  let note = reasonNotShown(tensor);
  showNote(note);
  layOut(note ? [] : panelViews(tensor));
  if (isNew || !userCamera) fitMap();
  setChildren($("cell-values"), []);
  if (isNew) setChildren($("statistics"), []);
  const [, found] = await Promise.all([note ? null : load(state, request), fetchJson("tensor", { name: state.name }).catch((error) => ({ error: error.message }))]);
  if (request !== latestRequest) return undefined;
  if (found.error) showNote((note ||= found.error));
  else showStatistics(found);
  return undefined;
}

/** Show a text instead of the maps; empty text hides it. */
function showNote(note) {
  $("tensor-note").hidden = !note;
  $("tensor-note").textContent = note;
}

function clear(text) {
  shape = null;
  layOut([]);
  for (const id of ["channels", "statistics", "scale", "cell-values"]) setChildren($(id), []);
  showNote(text);
}

/** The reason why a tensor cannot be shown; empty if it can. */
function reasonNotShown(tensor) {
  if (!grid.count || !shape.channels) return "empty: the tensor has no values";
  if (byteSize(tensor) > session.about.limit) return `too large to show: ${byteSize(tensor).toLocaleString("en")} bytes, the limit is ${session.about.limit.toLocaleString("en")}; its statistics are below`;
  const sides = sidesOf(tensor).map((letter) => session.about.sides[letter]);
  const valueless = sides.find(({ capture }) => capture !== "full");
  if (!valueless) return "";
  const { label, capture } = valueless;
  return `${label} was captured at level "${capture}": it has no values, only ${{ names: "names and shapes", hash: "hashes" }[capture] ?? "hashes and statistics"}`;
}

const sidesOf = ({ verdict }) => (!session.two ? ["a"] : verdict === "missing" ? ["a"] : verdict === "extra" ? ["b"] : ["a", "b"]);

/** The views that are shown side by side. */
function panelViews(tensor) {
  const sides = sidesOf(tensor);
  if (tensor.shapeDiffers) return ["a"];
  return sides.length === 2 ? ["a", "b", currentState().view === "ulp" ? "ulp" : "difference"] : sides;
}

function layOut(list) {
  if (panels.map((panel) => panel.view).join() === list.join()) return;
  panels = list.map((view) => {
    const canvas = h("canvas", { class: "map", "data-view": view, tabindex: 0, "aria-label": `Map of ${TITLES[view]}` });
    const element = h("figure", { "data-view": view }, h("figcaption", {}, session.two ? TITLES[view] : ""), canvas);
    return { view, map: null, canvas, element };
  });
  setChildren($("maps"), panels.map((panel) => panel.element));
  for (const panel of panels) {
    panel.map = new MapView(panel.canvas, camera, {
      hover,
      pick: (cell) => navigate({ at: indexOf(cell) }),
      camera: (changes) => moveTo(changes),
      zoom,
      fit: () => fitMap(),
      resized: () => (userCamera ? redraw() : fitMap()),
    });
  }
}

const redraw = () => panels.forEach(({ map }) => map.redraw());

function moveTo(changes, byUser = true) {
  Object.assign(camera, changes);
  userCamera = byUser;
  redraw();
  loadDetail();
}

/** Show the whole map. */
export function fitMap() {
  if (!grid || !panels.length) return;
  const box = panels[0].canvas.getBoundingClientRect();
  if (!box.width) return;
  const fitted = Math.min(box.width / grid.columns, box.height / grid.rows, 64);
  const scale = shape?.kind === "table" ? Math.max(fitted, 44) : fitted; // of a long table, only the first rows are visible
  moveTo({ scale, x: (box.width - grid.columns * scale) / 2, y: Math.max((box.height - grid.rows * scale) / 2, 0) }, false);
}

function zoom(x, y, factor) {
  const box = panels[0].canvas.getBoundingClientRect();
  const least = Math.min(box.width / grid.columns, box.height / grid.rows, 64) * 0.9;
  const scale = Math.max(least, Math.min(MAX_CELL_WIDTH, camera.scale * factor));
  moveTo({ scale, x: x - ((x - camera.x) * scale) / camera.scale, y: y - ((y - camera.y) * scale) / camera.scale });
}

/** Zoom around the chosen value, or around the centre. */
export function zoomBy(factor) {
  if (!panels.length || !grid) return;
  const box = panels[0].canvas.getBoundingClientRect(), cell = cellOf(currentState());
  const inside = cell && [camera.x + (cell[1] + 0.5) * camera.scale, camera.y + (cell[0] + 0.5) * camera.scale];
  zoom(...(inside ?? [box.width / 2, box.height / 2]), factor);
}

/** Load each map. A small map is loaded completely. A large map is first loaded coarsely, then its visible part in full resolution. */
async function load(state, request) {
  const { height, width } = shape;
  if (!panels.length) return setChildren($("scale"), []);
  const step = Math.max(1, Math.ceil(Math.sqrt((height * width) / WHOLE_SIZE)));
  const channel = Math.min(state.channel, shape.channels - 1);
  const parameters = { name: state.name, channel, top: 0, left: 0, height, width, step };
  let found;
  try {
    found = await Promise.all(panels.map(({ view }) => fetchArray("values", { ...parameters, view })));
  } catch (error) {
    if (request === latestRequest) {
      layOut([]);
      setChildren($("scale"), []);
      showNote(error.message);
    }
    return undefined;
  }
  if (request !== latestRequest) return undefined;
  const limits = found.map(({ data }) => finite(data));
  const both = session.two && panels.length > 1;
  panels.forEach(({ view, map }, index) => {
    const [low, high] = both && index < 2 ? [Math.min(limits[0][0], limits[1][0]), Math.max(limits[0][1], limits[1][1])] : limits[index];
    map.reset(grid, colourScale(low, high, view));
    map.add(makeTile(found[index], 0, 0, step));
  });
  drawLegend(panels);
  $("maps").dataset.shown = `${state.name} ${channel}`;
  markValue(currentState());
  return loadDetail();
}

function finite(values) {
  let low = Infinity, high = -Infinity;
  for (const value of values) {
    if (value < low && value !== -Infinity) low = value;
    if (value > high && value !== Infinity) high = value;
  }
  return low <= high ? [low, high] : [0, 0];
}

/** The loaded values as a part of the grid. A vector is wrapped into rows. */
function makeTile({ shape: [rows, columns], data }, top, left, step) {
  if (shape.kind !== "vector") return { values: data, top, left, rows, columns, step };
  const values = new data.constructor(grid.rows * grid.columns);
  values.set(data.subarray(0, grid.count));
  return { values: values.subarray(0, grid.count), top: 0, left: 0, rows: grid.rows, columns: grid.columns, step: 1 };
}

/** Load the visible part in full resolution if only a coarse map is loaded. */
let timer = null;
function loadDetail() {
  if (!shape || !panels.length || grid.count <= WHOLE_SIZE || shape.kind === "vector") return;
  clearTimeout(timer);
  timer = setTimeout(async () => {
    const request = latestRequest, { map, canvas } = panels[0] ?? {};
    if (!map?.grid) return;
    const [top, bottom, left, right] = map.visible(canvas.getBoundingClientRect());
    const [height, width] = [bottom - top + 1, right - left + 1];
    if (height * width > WHOLE_SIZE) return;
    const parameters = { name: currentState().name, channel: currentState().channel, top, left, height, width, step: 1 };
    const found = await Promise.all(panels.map(({ view }) => fetchArray("values", { ...parameters, view }))).catch(() => null);
    if (!found || request !== latestRequest) return;
    panels.forEach((panel, index) => panel.map.add(makeTile(found[index], top, left, 1)));
    showCellValues(cellOf(currentState()));
  }, 90);
}

/** The tensor index of the value in a cell of the grid. */
function indexOf([row, column]) {
  const dimensions = getTensor(currentState().name).shape, flat = row * grid.columns + column;
  if (dimensions.length <= 1) return [flat];
  if (shape.kind === "maps" || shape.kind === "stack") return unravel(currentState().channel * grid.count + flat, dimensions);
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

/** The flat position of an index; null if the index is outside the tensor. */
export function flatIndex(name, at) {
  const dimensions = hasTensor(name) ? getTensor(name).shape : [];
  if (!at || at.length !== dimensions.length || at.some((value, axis) => value >= dimensions[axis])) return null;
  return at.reduce((flat, value, axis) => flat * dimensions[axis] + value, 0);
}

function cellOf(state) {
  const flat = flatIndex(state.name, state.at);
  if (flat === null || !grid) return null;
  const inside = flat % Math.max(grid.count, 1);
  return [Math.floor(inside / grid.columns), inside % grid.columns];
}

function markValue(state) {
  const cell = cellOf(state);
  panels.forEach(({ map }) => (map.marked = cell));
  if (cell) ensureVisible(cell);
  redraw();
  showCellValues(cell);
}

/** Move and zoom to a cell if it is not visible or too small. */
function ensureVisible([row, column]) {
  const box = panels[0]?.canvas.getBoundingClientRect();
  if (!box?.width) return;
  const scale = Math.max(camera.scale, 18);
  const [x, y] = [camera.x + (column + 0.5) * camera.scale, camera.y + (row + 0.5) * camera.scale];
  if (scale === camera.scale && x > 0 && y > 0 && x < box.width && y < box.height) return;
  moveTo({ scale, x: box.width / 2 - (column + 0.5) * scale, y: box.height / 2 - (row + 0.5) * scale });
}

function hover(cell) {
  panels.forEach(({ map }) => (map.hovered = cell));
  redraw();
  showCellValues(cell ?? cellOf(currentState()));
}

/** Show the exact value of a cell in all maps. */
function showCellValues(cell) {
  if (!cell || !shape) return setChildren($("cell-values"), [h("span", { class: "quiet" }, "wheel: zoom · drag: move · click: show the sum behind a value")]);
  return setChildren($("cell-values"), [
    h("b", {}, `[${indexOf(cell).join(", ")}]`),
    ...panels.map(({ view, map }) => h("span", {}, session.two ? `${TITLES[view]} ` : "", h("code", {}, valueText(map.valueAt(...cell), view)))),
  ]);
}

const valueText = (value, view) => (value === undefined ? "…" : view === "difference" ? formatShort(value, 6) : formatExact(value));

function showChannelControls(state) {
  const count = shape.channels;
  if (count < 2) return setChildren($("channels"), []);
  const box = h("input", { type: "number", min: 0, max: count - 1, value: Math.min(state.channel, count - 1), "aria-label": "Channel", id: "channel" });
  box.addEventListener("change", () => navigate({ channel: Math.max(0, Math.min(count - 1, Number(box.value) || 0)), at: null }));
  return setChildren($("channels"), [
    h("button", { title: "Previous channel (←)", onclick: () => stepChannel(-1) }, "◀"),
    h("label", {}, "channel ", box, ` of ${count}`),
    h("button", { title: "Next channel (→)", onclick: () => stepChannel(1) }, "▶"),
  ]);
}

export function stepChannel(by) {
  if (!shape || shape.channels < 2) return;
  const count = shape.channels;
  navigate({ channel: (Math.min(currentState().channel, count - 1) + by + count) % count, at: null }, true);
}

/** Show one value of the current or of another tensor. */
export const showValue = (index, name = currentState().name) => navigate({ name, at: index });

/** Repaint after a change of the colour scheme. */
export const repaint = () => update(currentState(), currentState(), true);
