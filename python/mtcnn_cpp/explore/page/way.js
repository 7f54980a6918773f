// The way through the network: the layers of one level or crop as cards, each with its channels small.

import { $, context, fill, h, hint } from "./dom.js";
import { numbers } from "./ask.js";
import { INFINITE, NOT_A_NUMBER, colour, dark, painter, scaleOf, ulpColour, verdictColour } from "./colours.js";
import { counted, sizes } from "./numbers.js";
import { VIEWS, go, here } from "./place.js";
import { home, lacking, members, session } from "./session.js";
import { words } from "./timeline.js";

const TITLES = { a: "A", b: "B", difference: "difference", ulp: "ULP" };
const ACROSS = 156, DOWN = 128, GAP = 2; // of a card's canvas, in CSS pixels
let shown = ""; // which cards stand there
let field = null; // Map: name -> part of it that the chosen value was computed from
const cards = new Map(); // name -> {card, canvas, tiles}

/** Buttons for a, b, difference, ULP. */
function views() {
  if (!session.two) return fill($("views"), []);
  return fill($("views"), VIEWS.map((word) => h("button", { "aria-pressed": here().view === word, "data-view": word, title: `Show ${TITLES[word]} (${word[0]})`, onclick: () => go({ view: word }) }, TITLES[word])));
}

export function moved(place) {
  views();
  const where = home(place.name);
  const key = `${where} ${place.view} ${dark()}`;
  if (key !== shown) {
    shown = key;
    build(where);
  }
  for (const [name, { card }] of cards) {
    const chosen = name === place.name;
    card.setAttribute("aria-current", chosen);
    if (chosen) card.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
  for (const name of cards.keys()) paint(name);
}

function build(where) {
  cards.clear();
  const list = members(where);
  const number = where.match(/^(\w+)\/(level|crop)(\d+)$/);
  const title = number ? `${number[1].replace("net", "Net").replace(/^./, (letter) => letter.toUpperCase())} ${number[2]} ${Number(number[3])}` : `${where || "tensors"}: lists`;
  $("way-title").textContent = title;
  fill($("strip"), list.slice(0, 200).map((tensor, place) => card(tensor, place)));
  if (list.length > 200) $("strip").append(h("p", { class: "note" }, `and ${list.length - 200} more, in the list of tensors`));
  const stamp = shown;
  Promise.all(list.slice(0, 200).map(({ name }) => load(name))).then(() => {
    if (shown === stamp) $("strip").dataset.shown = where;
  });
}

function card(tensor, place) {
  const canvas = h("canvas", { class: "tiles" });
  const element = h("button", { class: "card", "data-name": tensor.name, colour: session.two ? verdictColour(tensor.words) : "transparent", title: tensor.words ? words(tensor) : "" },
    h("span", { class: "dot" }), h("b", {}, tensor.name.slice(tensor.name.lastIndexOf("/") + 1)), h("small", {}, sizes(tensor.shape)), canvas, h("em", {}));
  canvas.addEventListener("mousemove", (event) => {
    const channel = channelAt(tensor.name, event);
    hint(event, channel === null ? "" : `${tensor.name}, channel ${channel}`);
  });
  canvas.addEventListener("mouseleave", (event) => hint(event, ""));
  element.addEventListener("click", (event) => {
    const channel = event.target === canvas ? channelAt(tensor.name, event) : null;
    const same = tensor.name === here().name;
    go({ name: tensor.name, channel: channel ?? (same ? here().channel : 0), at: null });
  });
  cards.set(tensor.name, { card: element, canvas, tiles: null, place });
  return element;
}

/** Which channel's tile the pointer is on; null for none. */
function channelAt(name, event) {
  const { tiles } = cards.get(name) ?? {};
  if (!tiles || tiles.channels < 2) return tiles ? 0 : null;
  const column = Math.floor(event.offsetX / tiles.stepX), row = Math.floor(event.offsetY / tiles.stepY);
  const tile = row * tiles.columns + column;
  return column < tiles.columns && tile >= 0 && tile < tiles.channels ? Math.max(tile - tiles.ahead, 0) : null;
}

/** How many columns of tiles make them largest. */
function arranged(channels, height, width) {
  let best = null;
  for (let columns = 1; columns <= channels; columns++) {
    const rows = Math.ceil(channels / columns);
    const scale = Math.min((ACROSS - GAP * (columns - 1)) / columns / width, (DOWN - GAP * (rows - 1)) / rows / height);
    if (!best || scale > best.scale) best = { columns, rows, scale };
  }
  const { columns, scale } = best;
  return { channels, height, width, columns, rows: best.rows, scale, stepX: width * scale + GAP, stepY: height * scale + GAP };
}

/** A vector is drawn as rows of a square, a table as it is. */
function gridOf({ shape }, dimensions) {
  const [channels, height, width] = shape;
  if (dimensions > 1 || width <= 16) return { channels, height, width, count: height * width };
  const across = Math.ceil(Math.sqrt(width));
  return { channels, height: Math.ceil(width / across), width: across, count: width };
}

async function load(name) {
  const entry = cards.get(name), tensor = session.tensors[session.index.get(name)], stamp = shown;
  const note = entry.card.querySelector("em");
  note.textContent = lacking(tensor, here().view);
  if (note.textContent) return;
  try {
    const found = await numbers("thumbnails", { name, what: here().view, size: tensor.shape.length > 1 ? 64 : 512 });
    if (shown !== stamp) return;
    const grid = gridOf(found, tensor.shape.length);
    const ahead = name.endsWith("/input") && grid.channels === 3 && "ab".includes(here().view) ? 1 : 0;
    entry.tiles = { ...arranged(grid.channels + ahead, grid.height, grid.width), ahead };
    entry.image = sprite(found, grid);
    entry.colours = ahead ? await createImageBitmap(inColours(found)) : null;
    if (shown === stamp) paint(name);
  } catch (error) {
    if (shown === stamp) note.textContent = error.message;
  }
}

/** A network's input (v - 127.5) / 128 as the picture that it was; `found`: its three channels as thumbnails. */
export function inColours({ shape: [, height, width], data, low, high }) {
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

/** All channels below each other in one image. */
function sprite(found, { channels, height, width, count }) {
  const canvas = new OffscreenCanvas(width, height * channels), drawing = canvas.getContext("2d");
  const image = drawing.createImageData(width, height * channels);
  const { view } = here(), paint = painter(scaleOf(found.low, found.high, view === "difference" ? "apart" : view));
  const size = found.data.length / Math.max(channels, 1);
  const table = [];
  for (let code = 0; code < 255; code++) {
    const value = found.low + (code / 254) * (found.high - found.low);
    table.push([...(view === "ulp" ? ulpColour(Math.round(value)) : paint(value))]);
  }
  table.push(view === "ulp" ? INFINITE : NOT_A_NUMBER);
  for (let channel = 0; channel < channels; channel++) {
    for (let index = 0; index < count; index++) {
      const [red, green, blue] = table[found.data[channel * size + index]];
      const to = 4 * (channel * height * width + index);
      image.data[to] = red;
      image.data[to + 1] = green;
      image.data[to + 2] = blue;
      image.data[to + 3] = 255;
    }
  }
  drawing.putImageData(image, 0, 0);
  return canvas;
}

function paint(name) {
  const { canvas, tiles, image, colours } = cards.get(name);
  if (!tiles) return;
  const { ahead, columns, rows, stepX, stepY, height, width, scale } = tiles;
  const [across, down] = [columns * stepX - GAP, rows * stepY - GAP];
  canvas.style.width = `${across}px`;
  canvas.style.height = `${down}px`;
  const drawing = context(canvas, across, down);
  drawing.clearRect(0, 0, across, down);
  drawing.imageSmoothingEnabled = scale < 1;
  for (let channel = 0; channel < tiles.channels; channel++) {
    const [x, y] = [(channel % columns) * stepX, Math.floor(channel / columns) * stepY];
    if (channel < ahead) drawing.drawImage(colours, x, y, width * scale, height * scale);
    else drawing.drawImage(image, 0, (channel - ahead) * height, width, height, x, y, width * scale, height * scale);
  }
  const place = here();
  if (place.name === name && tiles.channels > 1) {
    const tile = place.channel + ahead;
    const [x, y] = [(tile % columns) * stepX, Math.floor(tile / columns) * stepY];
    drawing.strokeStyle = colour("--accent");
    drawing.lineWidth = 2;
    drawing.strokeRect(x, y, width * scale, height * scale);
  }
  outline(drawing, name, tiles);
}

/** The receptive field, in every channel it takes in. */
function outline(drawing, name, tiles) {
  const part = field?.get(name), { shape } = session.tensors[session.index.get(name)];
  if (!part || shape.length !== 3) return;
  const [across, down] = [(tiles.width * tiles.scale) / shape[2], (tiles.height * tiles.scale) / shape[1]];
  drawing.strokeStyle = colour("--field");
  drawing.lineWidth = 1.4;
  const after = Math.min(part.channels[1] + tiles.ahead, tiles.channels);
  for (let channel = part.channels[0] && part.channels[0] + tiles.ahead; channel < after; channel++) {
    const [x, y] = [(channel % tiles.columns) * tiles.stepX, Math.floor(channel / tiles.columns) * tiles.stepY];
    const [width, height] = [Math.max((part.columns[1] - part.columns[0]) * across, 2), Math.max((part.rows[1] - part.rows[0]) * down, 2)];
    drawing.strokeRect(x + part.columns[0] * across, y + part.rows[0] * down, width, height);
  }
}

/** Mark what a value was computed from; null for nothing. */
export function mark(parts) {
  field = parts && new Map(parts.map((part) => [part.name, part]));
  for (const name of cards.keys()) paint(name);
}

/** The verdicts have changed. */
export function refresh() {
  for (const [name, { card }] of cards) {
    const tensor = session.tensors[session.index.get(name)];
    card.style.setProperty("--colour", verdictColour(tensor.words));
    card.title = `${words(tensor)}${tensor.ulp ? `, at most ${counted(tensor.ulp, "ULP", "ULP")}` : ""}`;
  }
}
