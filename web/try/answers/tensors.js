// Values of one tensor for the explorer, as in mtcnn_cpp/explore/tensors.py: a window of a map, and thumbnails.

import { RequestError } from "./request_error.js";

/** @typedef {import("../../mtcnn_cpp.js").Tensor} Tensor */
/** @typedef {{kind: string, channels: number, height: number, width: number}} MapShape */
/** @typedef {{channel: number, top: number, left: number, height: number, width: number, step: number}} Window */
/** @typedef {{shape: number[], dtype: string, data: ArrayBuffer, low?: number, high?: number}} ArrayAnswer */

export const SHOW_LIMIT = 512 * 2 ** 20; // size of the largest tensor that is shown, in bytes
const WINDOW_LIMIT = 2 ** 22; // maximum number of values in one answer
const NOT_A_NUMBER = 255, THUMB_LEVELS = 254; // thumbnail bytes for NaN and infinities, and for the greatest value

/** @param {number[]} sizes */
const product = (sizes) => sizes.reduce((all, size) => all * size, 1);

/**
 * The shape of a tensor's maps.
 * @param {Tensor} tensor
 * @returns {MapShape}
 */
export function mapShape({ shape, layout }) {
  if (shape.length <= 1) return { kind: "vector", channels: 1, height: 1, width: product(shape) };
  if (layout.startsWith("box")) return { kind: "table", channels: 1, height: shape[0], width: product(shape.slice(1)) };
  const kind = { 2: "map", 3: "maps" }[shape.length] ?? "stack", [height, width] = shape.slice(-2);
  return { kind, channels: product(shape.slice(0, -2)), height, width };
}

/**
 * The values of one window: float32, or float64 for integers, for which float32 is not exact.
 * @param {Tensor} tensor
 * @param {Window} part
 * @returns {ArrayAnswer}
 */
export function windowOf(tensor, part) {
  const maps = mapShape(tensor), { channel, top, left, height, width, step } = part;
  if (channel >= maps.channels || top + height > maps.height || left + width > maps.width || Math.min(height, width, step) < 1) {
    throw new RequestError(422, `${tensor.name} has ${maps.channels} maps of ${maps.height} x ${maps.width}; the window must lie inside one map, and its height, width and step must be 1 or more`);
  }
  const rows = Math.ceil(height / step), columns = Math.ceil(width / step);
  if (rows * columns > WINDOW_LIMIT) throw new RequestError(422, `one request can return at most ${WINDOW_LIMIT} values; request a smaller part or a larger step`);
  const single = tensor.dtype === "float32", data = new (single ? Float32Array : Float64Array)(rows * columns);
  for (let row = 0; row < rows; row++) {
    const start = (channel * maps.height + top + row * step) * maps.width + left;
    for (let column = 0; column < columns; column++) data[row * columns + column] = tensor.values[start + column * step];
  }
  return { shape: [rows, columns], dtype: single ? "float32" : "float64", data: data.buffer };
}

/**
 * Thumbnails of all channels, at most `side` pixels high and wide, and the values that the bytes 0 and 254 stand for.
 * @param {Tensor} tensor
 * @param {number} side
 * @returns {ArrayAnswer}
 */
export function thumbnailsOf(tensor, side) {
  const maps = mapShape(tensor), step = Math.max(1, Math.ceil(Math.max(maps.height, maps.width) / side));
  const rows = Math.ceil(maps.height / step), columns = Math.ceil(maps.width / step), small = new Float64Array(maps.channels * rows * columns);
  for (let channel = 0; channel < maps.channels; channel++) reduceBlocks(tensor, maps, channel, step, small.subarray(channel * rows * columns, (channel + 1) * rows * columns));
  let low = Infinity, high = -Infinity;
  for (const value of small) {
    if (!Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high) low = high = 0;
  const spread = high - low, codes = new Uint8Array(small.length);
  small.forEach((value, index) => {
    const scaled = spread ? (value - low) * (THUMB_LEVELS / spread) : 0;
    codes[index] = Number.isFinite(value) ? roundEven(Math.max(0, Math.min(scaled, NOT_A_NUMBER))) : NOT_A_NUMBER;
  });
  return { shape: [maps.channels, rows, columns], dtype: "uint8", data: codes.buffer, low, high };
}

/**
 * Write the mean of each block of step x step values: first the sums of columns, then their sum.
 * @param {Tensor} tensor
 * @param {MapShape} maps
 * @param {number} channel
 * @param {number} step
 * @param {Float64Array} small
 */
function reduceBlocks({ values }, { height, width }, channel, step, small) {
  const start = channel * height * width, columns = Math.ceil(width / step), sums = new Float64Array(width);
  for (let top = 0, row = 0; top < height; top += step, row++) {
    const down = Math.min(step, height - top);
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (let y = 0; y < down; y++) sum += values[start + (top + y) * width + x];
      sums[x] = sum;
    }
    for (let left = 0, column = 0; left < width; left += step, column++) {
      const across = Math.min(step, width - left);
      let sum = 0;
      for (let x = 0; x < across; x++) sum += sums[left + x];
      small[row * columns + column] = sum / (down * across);
    }
  }
}

/** @param {number} value 0 or more */
function roundEven(value) {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 ? rounded - 1 : rounded;
}
