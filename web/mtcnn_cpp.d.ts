/**
 * OpenFace's MTCNN face detector in WebAssembly. The results have the same bits as those of the Python package.
 * See docs/embedding.md, "A web page".
 */

/** A source of bytes: an address, a response of fetch(), or the bytes themselves. */
export type Bytes = string | URL | Response | Promise<Response> | ArrayBuffer | ArrayBufferView;

/** The three network files of the folder `third_party/weights`: PNet.dat, RNet.dat, ONet.dat. */
export interface Weights {
  pnet: Bytes;
  rnet: Bytes;
  onet: Bytes;
}

export interface LoadOptions {
  /** The compiled core. Default: `mtcnn_cpp.wasm` in the folder of the module. */
  wasm?: Bytes;
  /** Address of the folder of the network files (it ends with "/"), or the files. Default: `weights/` in the folder of the module. */
  weights?: string | URL | Weights;
}

/** An image of a canvas: `ImageData`, or an object with the same three properties. Alpha is ignored. */
export interface RgbaImage {
  /** width * height * 4 bytes: red, green, blue, alpha. */
  readonly data: Uint8ClampedArray | Uint8Array;
  readonly width: number;
  readonly height: number;
}

export interface DetectOptions {
  /** Side of the smallest face in pixels. Default: 60. */
  minFace?: number;
  /** Thresholds of the scores of PNet, RNet and ONet. Default: [0.6, 0.7, 0.7]. */
  thresholds?: readonly [number, number, number];
  /** Ratio of the sizes of two levels of the image pyramid, between 0 and 1. Default: 0.709. */
  scaleFactor?: number;
  /** Maximum number of bytes that a detection may use. Default: 0, limited by the memory of WebAssembly (2 GiB). */
  memoryLimit?: number;
}

export interface Point {
  x: number;
  y: number;
}

/** A face. Coordinates are in pixels of the image; all numbers are float32. */
export interface Face {
  /** Left edge; may be outside the image. */
  x: number;
  /** Upper edge. */
  y: number;
  width: number;
  height: number;
  /** Probability that the box contains a face, 0 to 1. */
  score: number;
  /** Left eye, right eye, nose, left corner of the mouth, right corner of the mouth, as seen in the image. */
  landmarks: [Point, Point, Point, Point, Point];
}

/** One intermediate result, with the name and values of `mtcnn-cpp dump` (HACKING.md, "Names of tensors"). */
export interface Tensor {
  /** For example "pnet/level00/conv1" or "onet/crop000/fc2". */
  name: string;
  shape: number[];
  dtype: "float32" | "int32";
  /** Names of the axes, for example "channel, y, x", "box" or "box, coordinate". */
  layout: string;
  /** The values in row order: the last axis is contiguous. */
  values: Float32Array | Int32Array;
}

export interface TraceOptions extends DetectOptions {
  /** Returns whether to keep a tensor. Default: all of them (about 50 MB for 512x512 pixels). */
  select?: (name: string) => boolean;
}

export interface Trace {
  faces: Face[];
  /** In the order of their computation. */
  tensors: Tensor[];
}

export type MtcnnErrorCode =
  | "unsupported" // the browser lacks WebAssembly SIMD or exceptions
  | "load" // a file cannot be loaded, or it is not what was expected
  | "image" // the argument is not an image, or its length does not match its size
  | "option" // an option is out of range
  | "memory" // the detection needs more memory than its limit, or than can be had
  | "closed" // the detector was closed
  | "internal"; // a fault of this module: please report it

/** Every error of this module. `message` states what was found and what was expected. */
export class MtcnnError extends Error {
  readonly code: MtcnnErrorCode;
  constructor(code: MtcnnErrorCode, message: string, options?: { cause?: unknown });
}

export class Detector {
  private constructor(core: unknown, address: number);
  /**
   * Detect faces, sorted by descending score. The call blocks until the result is there: use a worker in a page.
   * After an error the detector remains usable.
   */
  detect(image: RgbaImage, options?: DetectOptions): Face[];
  /** Detect faces and record the intermediate results. All values are exact; it is slower than detect(). */
  trace(image: RgbaImage, options?: TraceOptions): Trace;
  /** Size of the memory of the core in bytes. It grows with the largest image and never shrinks. */
  readonly memoryBytes: number;
  /** Free the memory. Later calls raise MtcnnError "closed". */
  close(): void;
}

/** Load the core and the networks (2.2 MB). */
export function load(options?: LoadOptions): Promise<Detector>;

/** Whether this browser or runtime can run the detector: Chrome 95, Firefox 100, Safari 16.4, Node 17 or later. */
export function isSupported(): boolean;
