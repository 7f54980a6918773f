// Keeps the files of the page, so that it works without a connection. `files.js` is written with the site: it sets
// FILES, the addresses of all files, and VERSION, a hash of their contents.

importScripts("files.js");

/** @type {any} */
const scope = self;
const PREFIX = "mtcnn_cpp try ", NAME = PREFIX + scope.VERSION;

scope.addEventListener("install", (/** @type {any} */ event) => event.waitUntil(fill()));
scope.addEventListener("activate", (/** @type {any} */ event) => event.waitUntil(takeOver()));
scope.addEventListener("fetch", (/** @type {any} */ event) => event.respondWith(answer(event.request)));

async function fill() {
  const cache = await caches.open(NAME);
  await cache.addAll(scope.FILES.map((/** @type {string} */ file) => new Request(file, { cache: "no-cache" })));
}

async function takeOver() {
  for (const name of await caches.keys()) if (name.startsWith(PREFIX) && name !== NAME) await caches.delete(name);
  await scope.clients.claim();
}

/** @param {Request} request */
async function answer(request) {
  const cache = await caches.open(NAME);
  const kept = await cache.match(request, { ignoreSearch: true });
  if (!kept) return fetch(request);
  // the whole content, because a browser that stops this worker would lose what has not been read
  return new Response(await kept.blob(), { headers: kept.headers });
}
