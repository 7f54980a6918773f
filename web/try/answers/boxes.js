// The boxes of a detection at each stage, and for each box its origin: a box of the previous stage. As in mtcnn_cpp/explore/boxes.py.

import { pyramid } from "./pyramid.js";
import { squaresInside } from "./squares.js";

/** @typedef {import("../../mtcnn_cpp.js").Tensor} Tensor */
/** @typedef {import("../options.js").Options} Options */
/** @typedef {{boxes: number[][], scores: number[], total: number, origin: number[] | null, crop: number[] | null}} BoxList */

const MAX_BOXES = 4000; // maximum number of boxes of one list that the explorer receives

/**
 * The last axis of a tensor as lists of numbers.
 * @param {Tensor} tensor
 */
function rowsOf({ shape, values }) {
  const size = shape.at(-1) ?? 1;
  return Array.from({ length: values.length / size }, (_, row) => [...values.subarray(row * size, (row + 1) * size)]);
}

export class StageBoxes {
  /**
   * @param {Map<string, Tensor>} tensors
   * @param {{width: number, height: number}} image
   * @param {Options} options
   */
  constructor(tensors, image, options) {
    this.tensors = tensors;
    this.image = image;
    this.options = options;
  }

  /** @param {string} name */
  #indices(name) {
    return [...(this.tensors.get(name)?.values ?? [])];
  }

  /**
   * @param {string} boxes
   * @param {string} scores
   * @param {number[] | null} origin
   * @param {number[] | null} crop
   * @returns {BoxList | null}
   */
  #list(boxes, scores, origin = null, crop = null) {
    const found = this.tensors.get(boxes), first = (/** @type {any[] | null} */ list) => list && list.slice(0, MAX_BOXES);
    if (!found) return null;
    const total = found.shape[0];
    return {
      boxes: rowsOf(found).slice(0, MAX_BOXES), scores: this.#indices(scores).slice(0, MAX_BOXES), total,
      origin: first(origin?.length === total ? origin : null), crop: first(crop?.length === total ? crop : null),
    };
  }

  /**
   * The numbers of the crops that a network's suppression keeps.
   * @param {string} network
   */
  #keptCrops(network) {
    const keep = this.#indices(`${network}/keep`);
    return this.#indices(`${network}/nms_keep`).map((index) => keep[index]);
  }

  /**
   * For each square that enters the next network, its index in `boxes`.
   * @param {string} boxes
   * @param {string} offsets
   * @param {number[]} kept
   */
  #squareOrigins(boxes, offsets, kept) {
    const before = this.tensors.get(boxes), correction = this.tensors.get(offsets);
    if (!before || !correction) return null;
    const [squares, moves] = [rowsOf(before), rowsOf(correction)];
    return kept.filter((index) => squaresInside(squares[index], moves[index], this.image));
  }

  #levels() {
    const planned = pyramid(this.image, this.options), threshold = Math.fround(this.options.thresholds[0]), levels = [];
    for (const [number, { scale, height, width }] of planned.entries()) {
      const name = `pnet/level${String(number).padStart(2, "0")}`;
      if (![...this.tensors.keys()].some((key) => key.startsWith(`${name}/`))) continue;
      const list = this.#list(`${name}/boxes`, `${name}/scores`), heatMap = this.tensors.get(`${name}/heat_map`);
      const cells = list && heatMap ? cellsAbove(heatMap, threshold) : null;
      levels.push({
        name, number, scale, height, width, boxes: list?.boxes ?? [], scores: list?.scores ?? [], kept: this.#indices(`${name}/nms_keep`),
        cells: cells && cells.length === list?.total ? cells.slice(0, MAX_BOXES) : null, total: list?.total ?? 0,
      });
    }
    return levels;
  }

  /** The answer to the request `boxes`. */
  answer() {
    const levels = this.#levels(), kept = levels.flatMap((level, position) => level.kept.map((index) => [index, position]));
    const afterNms = this.#indices("pnet/nms_keep"), faces = this.#keptCrops("onet"), landmarks = this.tensors.get("final/landmarks");
    return {
      levels,
      joined: this.#list("pnet/boxes", "pnet/scores", kept.map(([index]) => index), kept.map(([, position]) => position)),
      after_nms: afterNms.slice(0, MAX_BOXES),
      rnet: this.#list("rnet/boxes_in", "rnet/scores", this.#squareOrigins("pnet/boxes", "pnet/offsets", afterNms)),
      onet: this.#list("onet/boxes_in", "onet/scores", this.#squareOrigins("rnet/boxes_in", "rnet/offsets", this.#keptCrops("rnet"))),
      onet_out: this.#list("onet/boxes_out", "final/scores", faces),
      final: this.#list("final/boxes", "final/scores", faces),
      landmarks: landmarks ? chunks(rowsOf(landmarks), 5).slice(0, MAX_BOXES) : [],
    };
  }

  /** The number of each face's crop in ONet. */
  cropsOfFaces() {
    return this.#keptCrops("onet");
  }
}

/**
 * Row and column of each cell of a heat map that is a proposal, column by column.
 * @param {Tensor} heatMap
 * @param {number} threshold
 */
function cellsAbove({ shape: [height, width], values }, threshold) {
  const cells = [];
  for (let x = 0; x < width; x++) for (let y = 0; y < height; y++) if (values[y * width + x] >= threshold) cells.push([y, x]);
  return cells;
}

/**
 * @param {number[][]} list
 * @param {number} size
 */
const chunks = (list, size) => Array.from({ length: list.length / size }, (_, index) => list.slice(index * size, (index + 1) * size));
