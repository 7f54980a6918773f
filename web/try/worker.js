// The worker of the page: decodes images, detects faces, and records the layers that the explorer shows.

import { load } from "../mtcnn_cpp.js";
import { decode } from "./decode.js";
import { describeError } from "./errors.js";
import { Explorer, sha256 } from "./answers/explorer.js";
import { requireSmallTrace } from "./answers/pyramid.js";

/**
 * A request of the page. `source` identifies the image; the worker keeps the pixels of the last one.
 * @typedef {{id: number, kind: "detect" | "trace", source: number, file: Blob, name: string, options: import("./options.js").Options, withImage: boolean}} DetectionRequest
 * @typedef {{kind: "load"} & import("./core_files.js").CoreFiles} LoadRequest
 * @typedef {{kind: "connect", port: MessagePort} | {kind: "forget"}} ExplorerRequest
 */

/** @type {Promise<import("../mtcnn_cpp.js").Detector>} */
let detector;
/** @type {import("./core_files.js").CoreFiles["weights"]} */
let weights;
/** @type {{source: number, image: ImageData} | null} */
let decoded = null;
/** @type {Explorer | null} */
let explorer = null;

/** @param {DetectionRequest} request */
async function pixelsOf({ source, file }) {
  if (decoded?.source !== source) {
    decoded = null; // free the memory before the next image needs it
    decoded = { source, image: await decode(file) };
  }
  return decoded.image;
}

/** @param {DetectionRequest} request */
async function detect(request) {
  const image = await pixelsOf(request), core = await detector, { width, height } = image;
  const start = performance.now(), faces = core.detect(image, request.options), milliseconds = performance.now() - start;
  const bitmap = request.withImage ? await createImageBitmap(opaque(image)) : null;
  return { size: { width, height }, faces, milliseconds, bitmap };
}

/** @param {DetectionRequest} request */
async function trace(request) {
  explorer = null;
  const image = await pixelsOf(request), core = await detector;
  requireSmallTrace(image, request.options);
  const { faces, tensors } = core.trace(image, request.options);
  const model = Object.fromEntries(await Promise.all(Object.entries(weights).map(async ([network, file]) => [network, await sha256(file)])));
  explorer = new Explorer(image, request.options, tensors, request.name, model);
  return { faces, crops: explorer.cropsOfFaces() };
}

/**
 * The image without its transparency, as the detector sees it.
 * @param {ImageData} image
 */
function opaque(image) {
  for (let index = 3; index < image.data.length; index += 4) image.data[index] = 255;
  return image;
}

/** @param {DetectionRequest} request */
async function answer(request) {
  try {
    const result = await (request.kind === "trace" ? trace(request) : detect(request));
    const transfer = "bitmap" in result && result.bitmap ? [result.bitmap] : [];
    postMessage({ id: request.id, result }, { transfer });
  } catch (error) {
    postMessage({ id: request.id, error: describeError(error) });
  }
}

const CLOSED = { status: 410, json: { error: "the detection was closed; go back to the faces" } };

/**
 * @param {MessagePort} port
 * @param {{id: number, path: string, query: string}} request
 */
async function answerExplorer(port, { id, path, query }) {
  const found = explorer ? await explorer.answer(path, query) : CLOSED;
  port.postMessage({ id, ...found }, "array" in found && found.array ? [found.array.data] : []);
}

addEventListener("message", ({ data }) => {
  const request = /** @type {DetectionRequest | LoadRequest | ExplorerRequest} */ (data);
  if (request.kind === "load") {
    weights = request.weights;
    detector = load({ wasm: request.wasm, weights });
    detector.catch((error) => postMessage({ failed: describeError(error) }));
  } else if (request.kind === "connect") {
    request.port.onmessage = ({ data: asked }) => answerExplorer(request.port, asked);
  } else if (request.kind === "forget") {
    explorer = null;
  } else answer(request);
});
