// The heat map of a level as an overlay of the image.

import { fetchArray } from "./requests.js";
import { NOT_A_NUMBER } from "./colours.js";
import { hasTensor, missingReason, getTensor } from "./session.js";

const MAX_PIXELS = 2e6;

/** {image, left, top, width, height} of a level's heat map in one trace; null if the trace has none. */
export async function heatmapOf(level, side) {
  const name = `${level.name}/heat_map`;
  if (!level.scale || !hasTensor(name) || getTensor(name).shape.length !== 2 || missingReason(getTensor(name), side)) return null;
  const [height, width] = getTensor(name).shape, step = Math.ceil(Math.sqrt((height * width) / MAX_PIXELS));
  const { shape, data } = await fetchArray("values", { name, view: side, channel: 0, top: 0, left: 0, height, width, step });
  // cell (y, x) depends on the 12 x 12 pixels of the level that begin at (2 y, 2 x); their centre is at (2 y + 6, 2 x + 6)
  const start = 5 / level.scale;
  return { image: await bitmapOf(shape, data), left: start, top: start, width: (2 * width) / level.scale, height: (2 * height) / level.scale };
}

function bitmapOf([height, width], data) {
  const pixels = new ImageData(width, height);
  for (let index = 0; index < data.length; index++) {
    const value = Math.max(0, Math.min(1, data[index]));
    const colour = Number.isNaN(data[index]) ? [...NOT_A_NUMBER, 255] : [255, Math.round(70 + 160 * value), Math.round(30 * (1 - value)), Math.round(225 * value ** 0.7)];
    pixels.data.set(colour, 4 * index);
  }
  return createImageBitmap(pixels);
}
