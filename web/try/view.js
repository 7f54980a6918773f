// Shows an image with its faces, and the list of the faces.

import { drawFaces } from "./drawing.js";
import { $, element } from "./page.js";

/** @typedef {import("../mtcnn_cpp.js").Face} Face */
/** @typedef {{name: string, size: {width: number, height: number}, faces: Face[], bitmap: ImageBitmap, milliseconds: number}} Result */

const LONGEST = 1600, SHORTEST = 640; // limits of the longer side of the canvas

/**
 * @param {Result} result
 * @param {(face: number, button: HTMLElement) => void} lookInside called when the user chooses a face
 */
export function showResult({ name, size, faces, bitmap }, lookInside) {
  const longer = Math.max(size.width, size.height), scale = Math.max(SHORTEST, Math.min(longer, LONGEST)) / longer;
  const canvas = /** @type {HTMLCanvasElement} */ ($("view"));
  canvas.width = Math.max(1, Math.round(size.width * scale));
  canvas.height = Math.max(1, Math.round(size.height * scale));
  const drawing = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  drawing.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  drawFaces(drawing, faces, scale, Math.max(canvas.width, canvas.height) / Math.min(700, document.documentElement.clientWidth));
  canvas.setAttribute("aria-label", `${name}, ${size.width} × ${size.height} pixels, with ${countOf(faces)}`);
  $("stage").hidden = false;
  $("placeholder").hidden = true;
  $("face-buttons").replaceChildren(...faces.map((face, index) => faceButton(face, index, size, lookInside)));
  showTable(faces, lookInside);
}

/** @param {Face[]} faces */
export const countOf = (faces) => `${faces.length || "no"} face${faces.length === 1 ? "" : "s"}`;

/**
 * A transparent button on the box of a face.
 * @param {Face} face
 * @param {number} index
 * @param {{width: number, height: number}} size
 * @param {(face: number, button: HTMLElement) => void} lookInside
 */
function faceButton({ x, y, width, height, score }, index, size, lookInside) {
  const text = `Look inside face ${index}, score ${score.toFixed(5)}`, button = element("button", { type: "button", className: "face", title: text });
  button.setAttribute("aria-label", text);
  const percent = (/** @type {number} */ part, /** @type {number} */ whole) => `${(100 * part) / whole}%`;
  Object.assign(button.style, {
    left: percent(x, size.width), top: percent(y, size.height), width: percent(width, size.width), height: percent(height, size.height),
    zIndex: String(Math.round(1e4 * (1 - Math.min(1, (width * height) / (size.width * size.height))))), // small faces in front
  });
  button.addEventListener("click", () => lookInside(index, button));
  return button;
}

/**
 * @param {Face[]} faces
 * @param {(face: number, button: HTMLElement) => void} lookInside
 */
function showTable(faces, lookInside) {
  $("faces").hidden = false;
  $("hint").hidden = !faces.length;
  $("faces-title").textContent = faces.length ? `Faces: ${faces.length}` : "No faces";
  $("face-rows").replaceChildren(...faces.map((face, index) => {
    const button = element("button", { type: "button", title: "Look inside" }, String(index));
    button.setAttribute("aria-label", `Look inside face ${index}`);
    button.addEventListener("click", () => lookInside(index, button));
    const numbers = [face.x, face.y, face.width, face.height].map((value) => element("td", {}, value.toFixed(1)));
    return element("tr", {}, element("th", { scope: "row" }, button), element("td", {}, face.score.toFixed(5)), ...numbers);
  }));
}
