// The compiled core and the networks. The page loads them once and hands them to each worker, which loads nothing.

/** @typedef {{wasm: ArrayBuffer, weights: {pnet: ArrayBuffer, rnet: ArrayBuffer, onet: ArrayBuffer}}} CoreFiles */

/** @param {string} name */
async function bytesOf(name) {
  const response = await fetch(new URL(`../${name}`, import.meta.url)).catch(() => null);
  if (!response) throw new Error(`${name} cannot be loaded. Check the connection, and load the page again.`);
  if (!response.ok) throw new Error(`${name} cannot be loaded: the server answered with status ${response.status}.`);
  return response.arrayBuffer();
}

/** @returns {Promise<CoreFiles>} */
export async function loadCoreFiles() {
  const [wasm, pnet, rnet, onet] = await Promise.all(["mtcnn_cpp.wasm", "weights/PNet.dat", "weights/RNet.dat", "weights/ONet.dat"].map(bytesOf));
  return { wasm, weights: { pnet, rnet, onet } };
}
