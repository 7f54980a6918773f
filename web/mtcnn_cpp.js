// OpenFace's MTCNN face detector in WebAssembly. mtcnn_cpp.d.ts describes the interface; docs/embedding.md shows its use.

/** Every error of this module. */
export class MtcnnError extends Error {
  constructor(code, message, options) {
    super(message, options);
    this.name = "MtcnnError";
    this.code = code;
  }
}

const FACE_NUMBERS = 15; // x, y, width, height, score, five landmarks
const LARGEST_IMAGE = 1 << 28; // pixels: 1 GiB
const DEFAULTS = { minFace: 60, thresholds: [0.6, 0.7, 0.7], scaleFactor: 0.709, memoryLimit: 0 };
const CODES = ["", "option", "memory", "internal"]; // by the status of a function of the core

// A module with one SIMD operation (i8x16.splat), and one with an exception tag and a try block.
const SIMD = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 8, 1, 6, 0, 65, 0, 253, 15, 11];
const EXCEPTIONS = [0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 10, 8, 1, 6, 0, 6, 64, 25, 11, 11];

export function isSupported() {
  return [SIMD, EXCEPTIONS].every((bytes) => WebAssembly.validate(new Uint8Array(bytes)));
}

// Names of the axes of the tensors that are not maps or vectors, with their number of dimensions.
const BOXES = [2, "box, (x y width height)"];
const INDICES = [1, "pick"];
const LAYOUTS = {
  heat_map: [2, "y, x"],
  boxes: BOXES,
  boxes_in: BOXES,
  boxes_out: BOXES,
  offsets: [2, "box, (dx1 dy1 dx2 dy2)"],
  scores: [1, "box"],
  landmarks: [3, "box, point, (x y)"],
  keep: INDICES,
  nms_keep: INDICES,
};

function layoutOf(name, dimensions) {
  const known = LAYOUTS[name.slice(name.lastIndexOf("/") + 1)];
  if (known) return known[0] === dimensions ? known[1] : "?";
  return { 3: "channel, y, x", 1: "channel" }[dimensions] ?? "?";
}

function fail(code, message, cause) {
  throw new MtcnnError(code, message, cause === undefined ? undefined : { cause });
}

// A short description of a value, for messages.
function described(value) {
  if (value === null || value === undefined) return String(value);
  if (typeof value === "object") return value.constructor?.name ?? "an object";
  return typeof value === "string" ? JSON.stringify(value.slice(0, 80)) : String(value);
}

async function readBytes(source, what) {
  if (source instanceof ArrayBuffer) return new Uint8Array(source);
  if (ArrayBuffer.isView(source)) return new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
  const isAddress = typeof source === "string" || source instanceof URL;
  try {
    const response = await (isAddress ? fetch(source) : source);
    if (typeof response?.arrayBuffer === "function") {
      if (!response.ok) throw new Error(`the server answered ${response.status}`);
      return new Uint8Array(await response.arrayBuffer());
    }
  } catch (error) {
    fail("load", `${what}: expected ${isAddress ? source : "a response"} to be loaded: ${error.message}`, error);
  }
  return fail("load", `${what}: expected an address, a response or bytes, found ${described(source)}`);
}

function weightFiles(weights) {
  if (typeof weights === "string" || weights instanceof URL) {
    const file = (name) => new URL(name, new URL(weights, import.meta.url));
    return [file("PNet.dat"), file("RNet.dat"), file("ONet.dat")];
  }
  if (weights === null || typeof weights !== "object") {
    fail("load", `weights: expected the address of a folder, or {pnet, rnet, onet}, found ${described(weights)}`);
  }
  return [weights.pnet, weights.rnet, weights.onet];
}

async function compile(bytes) {
  try {
    return await WebAssembly.compile(bytes);
  } catch (error) {
    return fail("load", `wasm: expected mtcnn_cpp.wasm: ${error.message}`, error);
  }
}

export async function load({ wasm = new URL("mtcnn_cpp.wasm", import.meta.url), weights = "weights/" } = {}) {
  if (!isSupported()) {
    fail(
      "unsupported",
      "expected WebAssembly with SIMD and exceptions: Chrome 95, Firefox 100, Safari 16.4, Node 17 or later",
    );
  }
  const names = ["PNet.dat", "RNet.dat", "ONet.dat"];
  const [code, ...networks] = await Promise.all([
    readBytes(wasm, "wasm"),
    ...weightFiles(weights).map((file, i) => readBytes(file, names[i])),
  ]);
  const core = new Core();
  await core.start(await compile(code));
  return new Detector(core, core.create(networks));
}

// The instance of the WebAssembly module and its memory.
class Core {
  #exports;
  #tensors = [];
  #select = () => true;
  #selectError = null;

  async start(module) {
    const text = (at, length) => new TextDecoder().decode(this.#bytes(at, length));
    const imports = {
      mtcnn_cpp: {
        wants_tensor: (name, length) => this.#wants(text(name, length)),
        add_tensor: (name, length, values, integers, shape, dimensions) =>
          this.#add(text(name, length), values, integers, shape, dimensions),
      },
      env: { emscripten_notify_memory_growth: () => {} },
      wasi_snapshot_preview1: {
        clock_time_get: (_clock, _precision, result) => {
          const now = BigInt(Math.round(performance.now() * 1e6));
          new DataView(this.#exports.memory.buffer).setBigUint64(result, now, true);
          return 0;
        },
        proc_exit: (status) => fail("internal", `the core ended with status ${status}`),
      },
    };
    try {
      this.#exports = (await WebAssembly.instantiate(module, imports)).exports;
      this.#exports._initialize();
    } catch (error) {
      fail("load", `wasm: expected mtcnn_cpp.wasm of the same version as this module: ${error.message}`, error);
    }
  }

  #bytes(at, length) {
    return new Uint8Array(this.#exports.memory.buffer, at, length);
  }

  // Calls use(address) with memory that is freed afterwards.
  #withMemory(bytes, use) {
    const at = this.#exports.allocate(bytes) >>> 0;
    if (at === 0) fail("memory", `expected ${bytes} more bytes of memory, which WebAssembly does not have`);
    try {
      return use(at);
    } finally {
      this.#exports.release(at);
    }
  }

  #check(status, code = CODES[status] ?? "internal") {
    if (status === 0) return;
    const from = this.#exports.message() >>> 0;
    const memory = new Uint8Array(this.#exports.memory.buffer);
    fail(code, new TextDecoder().decode(memory.slice(from, memory.indexOf(0, from))));
  }

  create(networks) {
    const total = networks.reduce((sum, network) => sum + network.length, 0);
    return this.#withMemory(total + 4, (result) => {
      let at = result + 4;
      const places = networks.flatMap((network) => {
        this.#bytes(at, network.length).set(network);
        at += network.length;
        return [at - network.length, network.length];
      });
      const status = this.#exports.create(...places, result);
      this.#check(status, status === 1 ? "load" : undefined);
      return new DataView(this.#exports.memory.buffer).getUint32(result, true);
    });
  }

  memoryBytes() {
    return this.#exports.memory.buffer.byteLength;
  }

  destroy(detector) {
    this.#exports.destroy(detector);
  }

  detect(detector, image, numbers, trace) {
    const size = image.width * image.height * 4;
    return this.#withMemory(8 * numbers.length + size, (at) => {
      const { buffer } = this.#exports.memory;
      new Float64Array(buffer, at, numbers.length).set(numbers);
      const pixels = at + 8 * numbers.length;
      this.#bytes(pixels, size).set(image.data);
      this.#check(this.#exports.detect(detector, pixels, image.width, image.height, at, trace));
      return this.#faces();
    });
  }

  #faces() {
    const from = this.#exports.faces() >>> 0;
    const count = this.#exports.face_count();
    const numbers = new Float32Array(this.#exports.memory.buffer, from, count * FACE_NUMBERS);
    return Array.from({ length: count }, (_, i) => {
      const [x, y, width, height, score, ...points] = numbers.subarray(i * FACE_NUMBERS, (i + 1) * FACE_NUMBERS);
      const landmarks = Array.from({ length: 5 }, (_point, k) => ({ x: points[2 * k], y: points[2 * k + 1] }));
      return { x, y, width, height, score, landmarks };
    });
  }

  trace(detector, image, numbers, select) {
    this.#tensors = [];
    this.#select = select;
    this.#selectError = null;
    try {
      const faces = this.detect(detector, image, numbers, true);
      if (this.#selectError) throw this.#selectError.error;
      return { faces, tensors: this.#tensors };
    } finally {
      this.#tensors = [];
    }
  }

  // An exception must not pass through the frames of the core.
  #wants(name) {
    try {
      return this.#selectError === null && this.#select(name);
    } catch (error) {
      this.#selectError = { error };
      return false;
    }
  }

  #add(name, values, integers, shape, dimensions) {
    const { buffer } = this.#exports.memory;
    const sizes = [...new Int32Array(buffer, shape, dimensions)];
    const count = sizes.reduce((product, size) => product * size, 1);
    const Values = integers ? Int32Array : Float32Array;
    this.#tensors.push({
      name,
      shape: sizes,
      dtype: integers ? "int32" : "float32",
      layout: layoutOf(name, dimensions),
      values: new Values(buffer, values >>> 0, count).slice(),
    });
  }
}

function checkImage(image) {
  const { data, width, height } = image ?? {};
  if (!(data instanceof Uint8ClampedArray || data instanceof Uint8Array)) {
    fail("image", `expected an image {data, width, height} with bytes as data, found ${described(image)}`);
  }
  if (!Number.isInteger(width) || !Number.isInteger(height) || width < 1 || height < 1) {
    fail("image", `expected a width and a height of 1 or more, found ${described(width)} and ${described(height)}`);
  }
  const expected = width * height * 4;
  if (data.length !== expected) {
    const found = data.length === width * height * 3 ? `${data.length}: RGB without alpha` : data.length;
    fail("image", `expected ${width} x ${height} x 4 = ${expected} bytes (red, green, blue, alpha), found ${found}`);
  }
  if (width * height > LARGEST_IMAGE) {
    fail("memory", `expected at most ${LARGEST_IMAGE} pixels, found ${width} x ${height}: reduce the image`);
  }
}

function checkedNumbers(options) {
  const { minFace, thresholds, scaleFactor, memoryLimit } = { ...DEFAULTS, ...options };
  const check = (valid, name, expected, found) => {
    if (!valid) fail("option", `${name}: expected ${expected}, found ${described(found)}`);
  };
  check(Number.isFinite(minFace) && minFace >= 1, "minFace", "a number of pixels of 1 or more", minFace);
  const three = thresholds?.length === 3 && Array.from(thresholds).every((value) => value >= 0 && value <= 1);
  check(three, "thresholds", "three numbers from 0 to 1", thresholds);
  check(scaleFactor > 0 && scaleFactor < 1, "scaleFactor", "a number between 0 and 1", scaleFactor);
  check(Number.isSafeInteger(memoryLimit) && memoryLimit >= 0, "memoryLimit", "a number of bytes, or 0", memoryLimit);
  return [minFace, ...thresholds, scaleFactor, memoryLimit];
}

export class Detector {
  #core;
  #address;

  constructor(core, address) {
    this.#core = core;
    this.#address = address;
  }

  detect(image, options = {}) {
    return this.#checkedCore(image).detect(this.#address, image, checkedNumbers(options), false);
  }

  trace(image, { select = () => true, ...options } = {}) {
    return this.#checkedCore(image).trace(this.#address, image, checkedNumbers(options), select);
  }

  get memoryBytes() {
    return this.#core === null ? 0 : this.#core.memoryBytes();
  }

  close() {
    if (this.#core !== null) this.#core.destroy(this.#address);
    this.#core = null;
  }

  #checkedCore(image) {
    if (this.#core === null) fail("closed", "expected an open detector, found one that was closed");
    checkImage(image);
    return this.#core;
  }
}
