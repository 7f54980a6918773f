// Requests for data. Answers that cannot change are cached. If the cache is full, the oldest answers are removed.

import { sendRequest } from "./transport.js";

const CACHE_BYTES = 160 << 20;
const cache = new Map();
let cachedBytes = 0;

async function send(path, parameters) {
  const response = await sendRequest(path, new URLSearchParams(parameters).toString());
  if (!response.ok) {
    const text = await response.text();
    let message = text;
    try {
      message = JSON.parse(text).error;
    } catch {
      // the answer is plain text, not JSON
    }
    throw new Error(message || `the server answered with status ${response.status}`);
  }
  return response;
}

/** Fetch a JSON answer. */
export async function fetchJson(path, parameters = {}) {
  return (await send(path, parameters)).json();
}

function remember(key, make) {
  if (cache.has(key)) {
    const entry = cache.get(key);
    cache.delete(key);
    cache.set(key, entry);
    return entry.answer;
  }
  const entry = { answer: make(), size: 0 };
  cache.set(key, entry);
  entry.answer.then(
    (found) => {
      entry.size = found.data ? found.data.byteLength : 1024;
      cachedBytes += entry.size;
      for (const [old, oldEntry] of cache) {
        if (cachedBytes <= CACHE_BYTES || old === key) break;
        cachedBytes -= oldEntry.size;
        cache.delete(old);
      }
    },
    () => cache.delete(key),
  );
  return entry.answer;
}

/** Fetch a JSON answer that cannot change; later calls use the cache. */
export function fetchJsonCached(path, parameters = {}) {
  return remember(path + JSON.stringify(parameters), () => fetchJson(path, parameters));
}

const ARRAYS = { float32: Float32Array, float64: Float64Array, uint8: Uint8Array };

/** Fetch an array, with a cache: {shape, data, low, high}. */
export function fetchArray(path, parameters) {
  return remember(path + JSON.stringify(parameters), async () => {
    const response = await send(path, parameters);
    const { headers } = response;
    const kind = ARRAYS[headers.get("x-dtype")];
    return {
      shape: headers.get("x-shape").split(",").map(Number),
      data: new kind(await response.arrayBuffer()),
      low: Number(headers.get("x-low")),
      high: Number(headers.get("x-high")),
    };
  });
}
