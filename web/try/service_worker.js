// Keeps the files of the page, so that it works without a connection. `files.js` is written with the site: it sets
// FILES, the addresses of all files, and VERSION, a hash of their contents.

importScripts("files.js");

const PREFIX = "mtcnn_cpp try ", NAME = PREFIX + self.VERSION;

self.addEventListener("install", (event) => event.waitUntil((async () => {
  const cache = await caches.open(NAME);
  await cache.addAll(self.FILES.map((file) => new Request(file, { cache: "no-cache" })));
})()));

self.addEventListener("activate", (event) => event.waitUntil((async () => {
  for (const name of await caches.keys()) if (name.startsWith(PREFIX) && name !== NAME) await caches.delete(name);
  await self.clients.claim();
})()));

self.addEventListener("fetch", (event) => event.respondWith((async () => {
  const cache = await caches.open(NAME);
  return (await cache.match(event.request, { ignoreSearch: true })) ?? fetch(event.request);
})()));
