// Sends requests to the server. The documentation site has another module of this name, which asks a worker.

/** The map that the user clicked has priority over thumbnails, because a browser sends only six requests at a time. */
const priority = (path) => (path === "thumbnails" ? "low" : path === "values" ? "high" : "auto");

/** Send a request. Return its response, whose status may be an error. */
export async function sendRequest(path, query) {
  try {
    return await fetch(`api/${path}${query ? `?${query}` : ""}`, { priority: priority(path) });
  } catch {
    throw new Error("no answer from the server; check that mtcnn-cpp explore still runs");
  }
}
