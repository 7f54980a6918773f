// Questions to the server. Answers that do not change are kept, the latest ones.

const KEPT = 160 << 20; // bytes of answers
const kept = new Map();
let bytesKept = 0;

/** Thumbnails wait for the map that was clicked: a browser asks six questions at a time. */
const priority = (path) => (path === "thumbnails" ? "low" : path === "values" ? "high" : "auto");

async function fetched(path, question) {
  const words = new URLSearchParams(question).toString();
  let response;
  try {
    response = await fetch(`api/${path}${words ? `?${words}` : ""}`, { priority: priority(path) });
  } catch {
    throw new Error("no answer: has mtcnn-cpp explore ended?");
  }
  if (!response.ok) {
    const text = await response.text();
    let told = text;
    try {
      told = JSON.parse(text).error;
    } catch {
      // plain text
    }
    throw new Error(told || `the server says ${response.status}`);
  }
  return response;
}

/** JSON. */
export async function ask(path, question = {}) {
  return (await fetched(path, question)).json();
}

function remember(key, make) {
  if (kept.has(key)) {
    const held = kept.get(key);
    kept.delete(key);
    kept.set(key, held);
    return held.answer;
  }
  const held = { answer: make(), size: 0 };
  kept.set(key, held);
  held.answer.then(
    (found) => {
      held.size = found.data ? found.data.byteLength : 1024;
      bytesKept += held.size;
      for (const [old, entry] of kept) {
        if (bytesKept <= KEPT || old === key) break;
        bytesKept -= entry.size;
        kept.delete(old);
      }
    },
    () => kept.delete(key),
  );
  return held.answer;
}

/** JSON that stays as it is. */
export function askOnce(path, question = {}) {
  return remember(path + JSON.stringify(question), () => ask(path, question));
}

const ARRAYS = { float32: Float32Array, float64: Float64Array, uint8: Uint8Array };

/** An array of numbers: {shape, data, low, high}. */
export function numbers(path, question) {
  return remember(path + JSON.stringify(question), async () => {
    const response = await fetched(path, question);
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
