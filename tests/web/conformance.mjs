// Takes the test of docs/conformance.md: node conformance.mjs MODULE_FOLDER WEIGHTS_FOLDER CASES RESULTS
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";

import { load } from "../../web/mtcnn_cpp.js";

const [folder, weights, cases, results] = process.argv.slice(2);
const network = (name) => readFileSync(`${weights}/${name}`);
const detector = await load({
  wasm: readFileSync(`${folder}/mtcnn_cpp.wasm`),
  weights: { pnet: network("PNet.dat"), rnet: network("RNet.dat"), onet: network("ONet.dat") },
});

function readPpm(path) {
  const bytes = readFileSync(path);
  const [head, width, height] = /^P6\s+(\d+)\s+(\d+)\s+255\s/.exec(bytes.toString("latin1", 0, 64));
  const data = new Uint8ClampedArray(width * height * 4).fill(255);
  for (let i = 0; i < width * height; i++) data.set(bytes.subarray(head.length + 3 * i, head.length + 3 * i + 3), 4 * i);
  return { data, width: Number(width), height: Number(height) };
}

for (const name of JSON.parse(readFileSync(`${cases}/conformance.json`)).cases) {
  const case_ = JSON.parse(readFileSync(`${cases}/${name}/case.json`));
  const { min_face: minFace, thresholds, scale_factor: scaleFactor } = case_;
  const trace = detector.trace(readPpm(`${cases}/${name}/picture.ppm`), { minFace, thresholds, scaleFactor });
  const hash = (values) => createHash("sha256").update(new Uint8Array(values.buffer)).digest("hex");
  const result = {
    version: case_.version,
    boxes: trace.faces.map(({ x, y, width, height }) => [x, y, width, height]),
    scores: trace.faces.map(({ score }) => score),
    landmarks: trace.faces.map(({ landmarks }) => landmarks.map(({ x, y }) => [x, y])),
    layers: Object.fromEntries(trace.tensors.map((tensor) => [tensor.name, hash(tensor.values)])),
  };
  writeFileSync(`${results}/${name}.json`, JSON.stringify(result));
}
