// The levels of the image pyramid, as in mtcnn_cpp/reference/plan.py.

const CELL = 12; // side of PNet's receptive field in pixels
const TRACE_BYTES = 205; // size of all tensors of a level, per pixel of the level
const TRACE_LIMIT = 700e6; // bytes of the tensors that the page keeps

/** @typedef {import("../options.js").Options} Options */
/** @typedef {{scale: number, height: number, width: number}} Level */

/**
 * @param {{width: number, height: number}} image
 * @param {Options} options
 * @returns {Level[]}
 */
export function pyramid({ width, height }, { minFace, scaleFactor }) {
  const smaller = Math.min(width, height);
  if (smaller < minFace) return [];
  const [least, leastScale] = asRatio(minFace / smaller), [numerator, denominator] = asRatio(scaleFactor);
  const levels = [];
  for (let above = 1n, below = 1n; above * leastScale >= least * below; above *= numerator, below *= denominator) {
    const scale = (CELL / minFace) * quotient(above, below);
    levels.push({ scale, height: Math.ceil(height * scale), width: Math.ceil(width * scale) });
  }
  return levels;
}

/**
 * The numerator and the denominator of a positive number.
 * @param {number} value
 */
function asRatio(value) {
  let denominator = 1n;
  for (; !Number.isInteger(value); value *= 2) denominator *= 2n;
  return [BigInt(value), denominator];
}

/**
 * The quotient of two positive integers, rounded once.
 * @param {bigint} above
 * @param {bigint} below
 */
function quotient(above, below) {
  const shift = below.toString(2).length - above.toString(2).length + 64;
  const shifted = above << BigInt(shift), whole = shifted / below;
  return Number(whole * below === shifted ? whole : whole | 1n) / 2 ** shift;
}

/**
 * The size of PNet's tensors in bytes; most tensors of a detection are PNet's.
 * @param {{width: number, height: number}} image
 * @param {Options} options
 */
export function traceBytes(image, options) {
  return pyramid(image, options).reduce((sum, level) => sum + TRACE_BYTES * level.height * level.width, 0);
}

/**
 * Raise an Error if the tensors of a detection would need too much memory.
 * @param {{width: number, height: number}} image
 * @param {Options} options
 */
export function requireSmallTrace(image, options) {
  const bytes = traceBytes(image, options);
  if (bytes <= TRACE_LIMIT) return;
  throw new Error(`The layers of this detection take ${Math.round(bytes / 1e6)} MB; this page shows up to ${TRACE_LIMIT / 1e6} MB. Increase the smallest face, or use the command mtcnn-cpp explore of the installed package.`);
}
