// Sends the explorer's requests to the worker of the page that shows the explorer. It replaces the module of the same
// name in mtcnn_cpp/explore/page, which sends them to a server.

/** @typedef {{id: number, status: number, json?: unknown, array?: import("./answers/tensors.js").ArrayAnswer}} PortAnswer */

/** @type {Map<number, (answer: PortAnswer) => void>} */
const waiting = new Map();
let count = 0;

/** @type {Promise<MessagePort>} */
const connected = new Promise((resolve, reject) => {
  if (parent === window) return reject(new Error("this page shows a detection of the page \"Try it\"; open that page"));
  addEventListener("message", ({ source, origin, ports }) => {
    if (source !== parent || origin !== location.origin || !ports[0]) return;
    ports[0].onmessage = ({ data }) => {
      waiting.get(data.id)?.(data);
      waiting.delete(data.id);
    };
    resolve(ports[0]);
  });
  return parent.postMessage("connect", location.origin);
});

/**
 * Send a request.
 * @param {string} path
 * @param {string} query
 * @returns {Promise<Response>}
 */
export async function sendRequest(path, query) {
  const port = await connected, id = ++count;
  const { status, json, array } = await new Promise((/** @type {(answer: PortAnswer) => void} */ resolve) => {
    waiting.set(id, resolve);
    port.postMessage({ id, path, query });
  });
  if (!array) return new Response(JSON.stringify(json), { status });
  const headers = new Headers({ "x-shape": array.shape.join(), "x-dtype": array.dtype });
  for (const key of /** @type {const} */ (["low", "high"])) if (array[key] !== undefined) headers.set(`x-${key}`, String(array[key]));
  return new Response(array.data, { status, headers });
}
