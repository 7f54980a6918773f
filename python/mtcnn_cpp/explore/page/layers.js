// The layers of one level or crop as cards with thumbnails of all channels.

import { $, prepareCanvas, setChildren, h, showTooltip } from "./dom.js";
import { fetchArray } from "./requests.js";
import { INFINITE, NOT_A_NUMBER, colour, isDark, colourMap, colourScale, ulpColour, verdictColour } from "./colours.js";
import { formatCount, formatShape } from "./format.js";
import { VIEWS, navigate, currentState } from "./navigation.js";
import { groupOf, missingReason, tensorsInGroup, session } from "./session.js";
import { verdictText } from "./timeline.js";

const TITLES = { a: "A", b: "B", difference: "difference", ulp: "ULP" };
const CARD_WIDTH = 156, CARD_HEIGHT = 128, GAP = 2; // sizes of the area for thumbnails, in CSS pixels
let shownKey = ""; // identifies the cards that are shown
let field = null; // Map: name -> region of the receptive field of the chosen value
const cards = new Map(); // name -> {card, canvas, tiles}

/** Show the buttons for A, B, difference and ULP. */
function showViewButtons() {
  if (!session.two) return setChildren($("views"), []);
  return setChildren($("views"), VIEWS.map((view) => h("button", { "aria-pressed": currentState().view === view, "data-view": view, title: `Show ${TITLES[view]} (${view[0]})`, onclick: () => navigate({ view }) }, TITLES[view])));
}

export function update(state) {
  showViewButtons();
  const group = groupOf(state.name);
  const key = `${group} ${state.view} ${isDark()}`;
  if (key !== shownKey) {
    shownKey = key;
    buildCards(group);
  }
  for (const [name, { card }] of cards) {
    const isCurrent = name === state.name;
    card.setAttribute("aria-current", isCurrent);
    if (isCurrent) card.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
  for (const name of cards.keys()) drawCard(name);
}

function buildCards(group) {
  cards.clear();
  const list = tensorsInGroup(group);
  const number = group.match(/^(\w+)\/(level|crop)(\d+)$/);
  const title = number ? `${number[1].replace("net", "Net").replace(/^./, (letter) => letter.toUpperCase())} ${number[2]} ${Number(number[3])}` : `${group || "tensors"}: lists`;
  $("layers-title").textContent = title;
  setChildren($("layer-cards"), list.slice(0, 200).map(makeCard));
  if (list.length > 200) $("layer-cards").append(h("p", { class: "note" }, `${list.length - 200} more tensors are in the list of tensors`));
  const key = shownKey;
  Promise.all(list.slice(0, 200).map(({ name }) => load(name))).then(() => {
    if (shownKey === key) $("layer-cards").dataset.shown = group;
  });
}

function makeCard(tensor) {
  const canvas = h("canvas", { class: "tiles" });
  const element = h("button", { class: "card", "data-name": tensor.name, colour: session.two ? verdictColour(tensor.verdict) : "transparent", title: verdictText(tensor.verdict) },
    h("span", { class: "dot" }), h("b", {}, tensor.name.slice(tensor.name.lastIndexOf("/") + 1)), h("small", {}, formatShape(tensor.shape)), canvas, h("em", {}));
  canvas.addEventListener("mousemove", (event) => {
    const channel = channelAt(tensor.name, event);
    showTooltip(event, channel === null ? "" : `${tensor.name}, channel ${channel}`);
  });
  canvas.addEventListener("mouseleave", (event) => showTooltip(event, ""));
  element.addEventListener("click", (event) => {
    const channel = event.target === canvas ? channelAt(tensor.name, event) : null;
    const isShown = tensor.name === currentState().name;
    navigate({ name: tensor.name, channel: channel ?? (isShown ? currentState().channel : 0), at: null });
  });
  cards.set(tensor.name, { card: element, canvas, tiles: null });
  return element;
}

/** The channel of the thumbnail under the pointer; null if there is none. */
function channelAt(name, event) {
  const { tiles } = cards.get(name) ?? {};
  if (!tiles || tiles.channels < 2) return tiles ? 0 : null;
  const column = Math.floor(event.offsetX / tiles.stepX), row = Math.floor(event.offsetY / tiles.stepY);
  const tile = row * tiles.columns + column;
  return column < tiles.columns && tile >= 0 && tile < tiles.channels ? Math.max(tile - tiles.extra, 0) : null;
}

/** Arrange the thumbnails so that they are as large as possible. */
function arrangeTiles(channels, height, width) {
  let best = null;
  for (let columns = 1; columns <= channels; columns++) {
    const rows = Math.ceil(channels / columns);
    const scale = Math.min((CARD_WIDTH - GAP * (columns - 1)) / columns / width, (CARD_HEIGHT - GAP * (rows - 1)) / rows / height);
    if (!best || scale > best.scale) best = { columns, rows, scale };
  }
  const { columns, scale } = best;
  return { channels, height, width, columns, rows: best.rows, scale, stepX: width * scale + GAP, stepY: height * scale + GAP };
}

/** The grid of one thumbnail. A vector is wrapped into a square. */
function thumbnailGrid({ shape }, dimensions) {
  const [channels, height, width] = shape;
  if (dimensions > 1 || width <= 16) return { channels, height, width, count: height * width };
  const across = Math.ceil(Math.sqrt(width));
  return { channels, height: Math.ceil(width / across), width: across, count: width };
}

async function load(name) {
  const entry = cards.get(name), tensor = session.tensors[session.index.get(name)], key = shownKey;
  const note = entry.card.querySelector("em");
  note.textContent = missingReason(tensor, currentState().view);
  if (note.textContent) return;
  try {
    const found = await fetchArray("thumbnails", { name, view: currentState().view, size: tensor.shape.length > 1 ? 64 : 512 });
    if (shownKey !== key) return;
    const grid = thumbnailGrid(found, tensor.shape.length);
    const extra = name.endsWith("/input") && grid.channels === 3 && "ab".includes(currentState().view) ? 1 : 0;
    entry.tiles = { ...arrangeTiles(grid.channels + extra, grid.height, grid.width), extra };
    entry.image = stackChannels(found, grid);
    entry.colours = extra ? await createImageBitmap(inputAsImage(found)) : null;
    if (shownKey === key) drawCard(name);
  } catch (error) {
    if (shownKey === key) note.textContent = error.message;
  }
}

/** Convert a network's input to a colour image. This undoes the normalisation (v - 127.5) / 128. The argument contains thumbnails of the three channels. */
export function inputAsImage({ shape: [, height, width], data, low, high }) {
  const image = new ImageData(width, height), size = height * width;
  for (let index = 0; index < size; index++) {
    for (let channel = 0; channel < 3; channel++) {
      const value = low + (data[channel * size + index] / 254) * (high - low);
      image.data[4 * index + channel] = Math.round(value * 128 + 127.5);
    }
    image.data[4 * index + 3] = 255;
  }
  return image;
}

/** All channels of a tensor in one image, one below the other. */
function stackChannels(found, { channels, height, width, count }) {
  const canvas = new OffscreenCanvas(width, height * channels), drawing = canvas.getContext("2d");
  const image = drawing.createImageData(width, height * channels);
  const { view } = currentState(), toColour = colourMap(colourScale(found.low, found.high, view === "difference" ? "magnitude" : view));
  const size = found.data.length / Math.max(channels, 1);
  const table = [];
  for (let code = 0; code < 255; code++) {
    const value = found.low + (code / 254) * (found.high - found.low);
    table.push([...(view === "ulp" ? ulpColour(Math.round(value)) : toColour(value))]);
  }
  table.push(view === "ulp" ? INFINITE : NOT_A_NUMBER);
  for (let channel = 0; channel < channels; channel++) {
    for (let index = 0; index < count; index++) {
      const [red, green, blue] = table[found.data[channel * size + index]];
      const target = 4 * (channel * height * width + index);
      image.data[target] = red;
      image.data[target + 1] = green;
      image.data[target + 2] = blue;
      image.data[target + 3] = 255;
    }
  }
  drawing.putImageData(image, 0, 0);
  return canvas;
}

function drawCard(name) {
  const { canvas, tiles, image, colours } = cards.get(name);
  if (!tiles) return;
  const { extra, columns, rows, stepX, stepY, height, width, scale } = tiles;
  const [across, down] = [columns * stepX - GAP, rows * stepY - GAP];
  canvas.style.width = `${across}px`;
  canvas.style.height = `${down}px`;
  const drawing = prepareCanvas(canvas, across, down);
  drawing.clearRect(0, 0, across, down);
  drawing.imageSmoothingEnabled = scale < 1;
  for (let channel = 0; channel < tiles.channels; channel++) {
    const [x, y] = [(channel % columns) * stepX, Math.floor(channel / columns) * stepY];
    if (channel < extra) drawing.drawImage(colours, x, y, width * scale, height * scale);
    else drawing.drawImage(image, 0, (channel - extra) * height, width, height, x, y, width * scale, height * scale);
  }
  const state = currentState();
  if (state.name === name && tiles.channels > 1) {
    const tile = state.channel + extra;
    const [x, y] = [(tile % columns) * stepX, Math.floor(tile / columns) * stepY];
    drawing.strokeStyle = colour("--accent");
    drawing.lineWidth = 2;
    drawing.strokeRect(x, y, width * scale, height * scale);
  }
  drawReceptiveField(drawing, name, tiles);
}

/** Draw the receptive field in each channel that it covers. */
function drawReceptiveField(drawing, name, tiles) {
  const region = field?.get(name), { shape } = session.tensors[session.index.get(name)];
  if (!region || shape.length !== 3) return;
  const [across, down] = [(tiles.width * tiles.scale) / shape[2], (tiles.height * tiles.scale) / shape[1]];
  drawing.strokeStyle = colour("--field");
  drawing.lineWidth = 1.4;
  const stop = Math.min(region.channels[1] + tiles.extra, tiles.channels);
  for (let channel = region.channels[0] && region.channels[0] + tiles.extra; channel < stop; channel++) {
    const [x, y] = [(channel % tiles.columns) * tiles.stepX, Math.floor(channel / tiles.columns) * tiles.stepY];
    const [width, height] = [Math.max((region.columns[1] - region.columns[0]) * across, 2), Math.max((region.rows[1] - region.rows[0]) * down, 2)];
    drawing.strokeRect(x + region.columns[0] * across, y + region.rows[0] * down, width, height);
  }
}

/** Show the receptive field of a value; null hides it. */
export function showReceptiveField(regions) {
  field = regions && new Map(regions.map((region) => [region.name, region]));
  for (const name of cards.keys()) drawCard(name);
}

/** Update the verdicts of the cards. */
export function refresh() {
  for (const [name, { card }] of cards) {
    const tensor = session.tensors[session.index.get(name)];
    card.style.setProperty("--colour", verdictColour(tensor.verdict));
    card.title = `${verdictText(tensor.verdict)}${tensor.ulp ? `, at most ${formatCount(tensor.ulp, "ULP", "ULP")}` : ""}`;
  }
}
