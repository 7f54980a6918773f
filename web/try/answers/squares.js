// The squares that the cascade makes of corrected boxes, as in mtcnn_cpp/reference/boxes.py: `apply_offsets`, `make_square`, `are_inside`.

const LIMIT = 2 ** 30, f = Math.fround;

/** @param {number[]} box */
const isUsable = (box) => box.every((value) => Math.abs(value) < LIMIT);

/**
 * Round to the nearest integer, ties to even.
 * @param {number} value
 */
function roundEven(value) {
  const down = Math.floor(value), rest = value - down;
  return rest < 0.5 || (rest === 0.5 && down % 2 === 0) ? down : down + 1;
}

/**
 * Whether the square of a box that was moved by its offsets is cut from the image for the next network.
 * @param {number[]} box
 * @param {number[]} offsets
 * @param {{width: number, height: number}} image
 */
export function squaresInside(box, offsets, image) {
  if (!isUsable(box)) return false;
  const [x, y, width, height] = box.map((value) => f(roundEven(value))), [dx1, dy1, dx2, dy2] = offsets;
  const left = f(x + f(dx1 * width)), top = f(y + f(dy1 * height));
  const right = f(f(x + width) + f(width * dx2)), bottom = f(f(y + height) + f(height * dy2));
  const moved = [left, top, f(right - left), f(bottom - top)];
  if (!isUsable(moved)) return false;
  const side = Math.max(moved[2], moved[3]);
  const start = (/** @type {number} */ at, /** @type {number} */ size) => Math.trunc(f(at + 0.5 * f(size - side)));
  const [column, row, whole] = [start(left, moved[2]), start(top, moved[3]), Math.trunc(side)];
  return whole > 0 && column <= image.width && row <= image.height && column + whole >= 1 && row + whole >= 1;
}
