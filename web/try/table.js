// The table of faces as CSV, with the columns and number formats of `mtcnn-cpp detect --format csv`.

import { shortestText } from "./number_text.js";

/** @typedef {import("../mtcnn_cpp.js").Face} Face */

const LANDMARKS = ["left_eye", "right_eye", "nose", "left_mouth_corner", "right_mouth_corner"];
const COLUMNS = [
  "source", "frame", "face_id", "timestamp", "confidence", "success", "x", "y", "width", "height",
  ...LANDMARKS.flatMap((name) => [`${name}_x`, `${name}_y`]), "image_width", "image_height", "error",
];

/**
 * The table of the faces of one image. An image without a face has one row.
 * @param {string} source file name of the image
 * @param {{width: number, height: number}} size
 * @param {readonly Face[]} faces
 */
export function csvTable(source, size, faces) {
  const row = (/** @type {string[]} */ id, /** @type {string} */ score, /** @type {number} */ success, /** @type {string[]} */ numbers) => [
    quoted(source), "1", ...id, "0.0", score, success, ...numbers, size.width, size.height, "",
  ].join(",");
  const rows = faces.map(({ x, y, width, height, score, landmarks }, index) => {
    const numbers = [x, y, width, height, ...landmarks.flatMap((point) => [point.x, point.y])];
    return row([String(index)], shortestText(score), 1, numbers.map(shortestText));
  });
  if (!rows.length) rows.push(row([""], "", 0, Array(14).fill("")));
  return [COLUMNS.join(","), ...rows, ""].join("\n");
}

/** @param {string} text */
function quoted(text) {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
