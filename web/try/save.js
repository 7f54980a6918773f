// Saves the faces as a table or as an annotated image.

import { drawFaces } from "./drawing.js";
import { download } from "./page.js";
import { csvTable } from "./table.js";

/** @typedef {import("./view.js").Result} Result */

// The chunk "tEXt" of the package's annotated images (mtcnn_cpp/media/markers.py): commands do not read them as inputs.
const CONTENT = "tEXtSoftware\0mtcnn_cpp drawing", CHECKSUM = 0xafb3a447;
const AFTER_HEADER = 33; // position of the first chunk after the header of a PNG file

/** @param {string} name */
const stem = (name) => name.replace(/\.[^.]*$/, "") || "image";

/** @param {Result} result */
export function saveTable({ name, size, faces }) {
  download(new Blob([csvTable(name, size, faces)], { type: "text/csv" }), `${stem(name)}_faces.csv`);
}

/** @param {Result} result */
export async function saveImage({ name, size, faces, bitmap }) {
  const canvas = new OffscreenCanvas(size.width, size.height), drawing = canvas.getContext("2d");
  if (!drawing) throw new Error("there is not enough memory for the annotated image");
  drawing.drawImage(bitmap, 0, 0);
  drawFaces(drawing, faces, 1, Math.max(1, Math.max(size.width, size.height) / 700));
  const file = await canvas.convertToBlob({ type: "image/png" });
  download(new Blob([file.slice(0, AFTER_HEADER), markerChunk(), file.slice(AFTER_HEADER)], { type: "image/png" }), `${stem(name)}_faces.png`);
}

function markerChunk() {
  const bytes = new TextEncoder().encode(CONTENT), chunk = new DataView(new ArrayBuffer(bytes.length + 8));
  chunk.setUint32(0, bytes.length - 4);
  new Uint8Array(chunk.buffer).set(bytes, 4);
  chunk.setUint32(bytes.length + 4, CHECKSUM);
  return chunk.buffer;
}
