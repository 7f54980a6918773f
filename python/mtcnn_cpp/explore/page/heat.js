// A level's heat map as an image with its place in the picture.

import { numbers } from "./ask.js";
import { NOT_A_NUMBER } from "./colours.js";
import { has, lacking, tensor } from "./session.js";

const MOST = 2e6; // pixels of the image

/** {image, left, top, width, height} of a level's heat map in one of the traces; null where it holds none. */
export async function heatOf(level, side) {
  const name = `${level.name}/heat_map`;
  if (!level.scale || !has(name) || tensor(name).shape.length !== 2 || lacking(tensor(name), side)) return null;
  const [height, width] = tensor(name).shape, step = Math.ceil(Math.sqrt((height * width) / MOST));
  const { shape, data } = await numbers("values", { name, what: side, channel: 0, top: 0, left: 0, height, width, step });
  // cell (y, x) looks at 12 x 12 pixels of the level from (2 y, 2 x): its middle is at 2 y + 6
  const from = 5 / level.scale;
  return { image: await imageOf(shape, data), left: from, top: from, width: (2 * width) / level.scale, height: (2 * height) / level.scale };
}

function imageOf([height, width], data) {
  const pixels = new ImageData(width, height);
  for (let index = 0; index < data.length; index++) {
    const value = Math.max(0, Math.min(1, data[index]));
    const colour = Number.isNaN(data[index]) ? [...NOT_A_NUMBER, 255] : [255, Math.round(70 + 160 * value), Math.round(30 * (1 - value)), Math.round(225 * value ** 0.7)];
    pixels.data.set(colour, 4 * index);
  }
  return createImageBitmap(pixels);
}
