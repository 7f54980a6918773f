// Runs cases of a JSON file on the module: node run.mjs MODULE_FOLDER WEIGHTS_FOLDER JOB.json
// Writes the results to standard output, as JSON, and the values of tensors to the files that a case names.
import { readFileSync, writeFileSync } from "node:fs";

import { load } from "../../web/mtcnn_cpp.js";

const [folder, weights, job] = process.argv.slice(2);
const read = (path) => readFileSync(path);
const files = { pnet: "PNet.dat", rnet: "RNet.dat", onet: "ONet.dat" };
const networks = Object.fromEntries(Object.entries(files).map(([key, name]) => [key, read(`${weights}/${name}`)]));
const { cases, load: changes = {} } = JSON.parse(read(job));
for (const [key, text] of Object.entries(changes)) networks[key] = Buffer.from(text, "base64");

const results = [];
const attempt = async (work) => {
  try {
    return await work();
  } catch (error) {
    return { error: { name: error.name, code: error.code, message: error.message } };
  }
};
const wasm = read(`${folder}/mtcnn_cpp.wasm`);
const detector = await attempt(() => load({ wasm, weights: networks }));
if (detector.error) {
  results.push(detector);
} else {
  for (const { image, length, width, height, options, tensors, repeat = 1 } of cases) {
    let data = image ? new Uint8ClampedArray(read(image)) : new Uint8ClampedArray(length ?? 0);
    const run = () => {
      if (!tensors) return { faces: detector.detect({ data, width, height }, options) };
      const trace = detector.trace({ data, width, height }, options);
      writeFileSync(tensors, Buffer.concat(trace.tensors.map(({ values: v }) => Buffer.from(v.buffer, v.byteOffset, v.byteLength))));
      return { faces: trace.faces, tensors: trace.tensors.map(({ values, ...rest }) => rest) };
    };
    let result;
    for (let i = 0; i < repeat; i++) result = await attempt(run);
    results.push({ ...result, memory: detector.memoryBytes });
  }
  detector.close();
  results.push(await attempt(() => detector.detect({ data: new Uint8ClampedArray(4), width: 1, height: 1 })));
}
console.log(JSON.stringify(results));
