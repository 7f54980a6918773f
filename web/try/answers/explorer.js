// The answers to the requests of the explorer, as in mtcnn_cpp/explore/api.py, from the tensors of one detection.

import { StageBoxes } from "./boxes.js";
import { RequestError } from "./request_error.js";
import { statisticsOf } from "./statistics.js";
import { SHOW_LIMIT, mapShape, thumbnailsOf, windowOf } from "./tensors.js";

/** @typedef {import("../../mtcnn_cpp.js").Tensor} Tensor */
/** @typedef {import("../options.js").Options} Options */
/** @typedef {{status: number, json?: unknown, array?: import("./tensors.js").ArrayAnswer}} Answer */

const UNAVAILABLE = "This page does not compute sums and receptive fields; the installed package does: mtcnn-cpp explore";
const NOT_LAYERS = ["heat_map", "boxes", "scores", "offsets", "nms_keep"]; // tensors of a level or crop that are not outputs of layers

export class Explorer {
  /**
   * @param {ImageData} image
   * @param {Options} options
   * @param {Tensor[]} tensors in execution order
   * @param {string} label name of the image
   * @param {Record<string, string>} model SHA-256 of each network
   */
  constructor(image, options, tensors, label, model) {
    this.image = image;
    this.options = options;
    this.label = label;
    this.model = model;
    this.tensors = new Map(tensors.map((tensor) => [tensor.name, tensor]));
    this.boxes = new StageBoxes(this.tensors, image, options);
  }

  /** The number of each face's crop in ONet. */
  cropsOfFaces() {
    return this.boxes.cropsOfFaces();
  }

  /**
   * Answer one request.
   * @param {string} path
   * @param {string} query
   * @returns {Promise<Answer>}
   */
  async answer(path, query) {
    try {
      return { status: 200, ...(await this.#answer(path, new URLSearchParams(query))) };
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      return { status: error instanceof RequestError ? error.status : error instanceof RangeError ? 507 : 500, json: { error: error.message } };
    }
  }

  /**
   * @param {string} path
   * @param {URLSearchParams} query
   */
  async #answer(path, query) {
    switch (path) {
      case "about": return { json: await this.#about() };
      case "boxes": return { json: this.boxes.answer() };
      case "faces": return { json: this.#faces() };
      case "tensor": return { json: await this.#describe(this.#tensor(query)) };
      case "verdicts": return { json: null };
      case "sum":
      case "receptive_field": return { json: { unavailable: UNAVAILABLE } };
      case "image": return { array: this.#pixels(Math.max(numberOf(query, "step", 1), 1)) };
      case "thumbnails": return { array: thumbnailsOf(this.#tensor(query), thumbnailSide(query)) };
      case "values": {
        const [channel, top, left, height, width] = ["channel", "top", "left", "height", "width"].map((key) => numberOf(query, key));
        return { array: windowOf(this.#tensor(query), { channel, top, left, height, width, step: numberOf(query, "step", 1) }) };
      }
      default: throw new RequestError(404, `unknown request ${path}`);
    }
  }

  /** @param {URLSearchParams} query */
  #tensor(query) {
    const name = query.get("name") ?? "", tensor = this.tensors.get(name);
    if (!tensor) throw new RequestError(404, `${this.label} has no tensor '${name}'`);
    return tensor;
  }

  async #about() {
    const tensors = [...this.tensors.values()], { width, height } = this.image, { minFace, thresholds, scaleFactor } = this.options;
    const layers = layerOutputs([...this.tensors.keys()]);
    return {
      sides: {
        a: {
          label: this.label, tensors: tensors.length, capture: "full", only: [],
          picture: { shape: [height, width, 3], dtype: "uint8", sha256: await sha256(this.#bgr()), color: "bgr" },
          options: { min_face: minFace, thresholds, scale_factor: scaleFactor }, model: this.model, made_by: { package: "mtcnn_cpp, compiled to WebAssembly" },
        },
      },
      tensors: tensors.map((tensor) => [tensor.name, tensor.shape, tensor.dtype, mapShape(tensor).kind]),
      limit: SHOW_LIMIT,
      layers: tensors.flatMap(({ name }, index) => (layers.has(name) ? [index] : [])),
      states: [],
      image: { side: "a", height, width },
    };
  }

  #faces() {
    const { boxes, scores } = this.boxes.answer().final ?? { boxes: [], scores: [] };
    return { a: { boxes, scores }, b: null, pairs: [] };
  }

  /** @param {Tensor} tensor */
  async #describe(tensor) {
    const { name, shape, dtype, layout, values } = tensor;
    return { name, map_shape: mapShape(tensor), sides: { a: { shape, dtype, layout, sha256: await sha256(values), statistics: statisticsOf(values) } } };
  }

  #bgr() {
    const { data } = this.image, bgr = new Uint8Array((data.length / 4) * 3);
    for (let source = 0, target = 0; source < data.length; source += 4, target += 3) {
      bgr[target] = data[source + 2];
      bgr[target + 1] = data[source + 1];
      bgr[target + 2] = data[source];
    }
    return bgr;
  }

  /**
   * Every `step`-th pixel of the image: (H, W, 3) RGB.
   * @param {number} step
   */
  #pixels(step) {
    const { data, width, height } = this.image, rows = Math.ceil(height / step), columns = Math.ceil(width / step);
    const rgb = new Uint8Array(rows * columns * 3);
    for (let row = 0, target = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++, target += 3) {
        const source = 4 * (row * step * width + column * step);
        rgb.set(data.subarray(source, source + 3), target);
      }
    }
    return { shape: [rows, columns, 3], dtype: "uint8", data: rgb.buffer };
  }
}

/**
 * The names of the outputs of layers.
 * @param {string[]} names all names of a detection, in execution order
 */
function layerOutputs(names) {
  const found = new Set();
  let before = "";
  for (const name of names) {
    const place = name.slice(0, name.lastIndexOf("/")), tensor = name.slice(name.lastIndexOf("/") + 1);
    if (!place.includes("/") || NOT_LAYERS.includes(tensor)) continue;
    if (tensor !== "input" && place === before) found.add(name);
    before = place;
  }
  return found;
}

/**
 * @param {URLSearchParams} query
 * @param {string} key
 * @param {number} [fallback]
 */
function numberOf(query, key, fallback) {
  const text = query.get(key) ?? String(fallback);
  if (!/^[0-9]{1,9}$/.test(text)) throw new RequestError(400, `${key} must be a whole number of at most nine digits, got '${text}'`);
  return Number(text);
}

/** @param {URLSearchParams} query */
function thumbnailSide(query) {
  const side = numberOf(query, "size", 48);
  if (side < 4 || side > 512) throw new RequestError(400, `size must be from 4 to 512, got ${side}`);
  return side;
}

/**
 * SHA-256 in hexadecimal digits.
 * @param {ArrayBuffer | ArrayBufferView} data
 */
export async function sha256(data) {
  if (!crypto.subtle) return ""; // without https
  const digest = await crypto.subtle.digest("SHA-256", /** @type {BufferSource} */ (data));
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
