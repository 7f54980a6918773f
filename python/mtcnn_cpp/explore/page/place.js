// The place: what is looked at. The address holds it, so that it can be sent, kept and gone back to.
//
//   #rnet/crop005/conv2?at=3,4,5&view=difference&level=2&show=onet,final&box=onet:5

export const VIEWS = ["a", "b", "difference", "ulp"];
export const STAGES = ["proposals", "nms", "rnet", "onet", "final"];
const START = { name: "", channel: 0, at: null, view: "a", level: 0, every: false, heat: false, show: ["onet", "final"], box: "" };
const listeners = [];
let now = { ...START };

/** What a place needs so that it makes sense, such as the channel of its value; set by who knows the tensors. */
let settled = (place) => place;
export const settle = (made) => (settled = made);

const whole = (word) => /^\d{1,9}$/.test(word ?? "");

function read(hash) {
  const [path, words = ""] = hash.replace(/^#/, "").split("?");
  const given = new URLSearchParams(words);
  const found = { ...START };
  try {
    found.name = path.split("/").map(decodeURIComponent).join("/");
  } catch {
    found.name = "";
  }
  if (whole(given.get("channel"))) found.channel = Number(given.get("channel"));
  if (/^\d{1,9}(,\d{1,9}){0,7}$/.test(given.get("at") ?? "")) found.at = given.get("at").split(",").map(Number);
  if (VIEWS.includes(given.get("view"))) found.view = given.get("view");
  if (whole(given.get("level"))) found.level = Number(given.get("level"));
  if (given.has("show")) found.show = given.get("show").split(",").filter((word) => STAGES.includes(word));
  found.every = given.get("every") === "1";
  found.heat = given.get("heat") === "1";
  if (/^[ab]:[a-z]+:\d{1,9}(:\d{1,9})?$/.test(given.get("box") ?? "")) found.box = given.get("box");
  return settled(found);
}

function written(place) {
  const words = new URLSearchParams();
  if (place.channel && !place.at) words.set("channel", place.channel);
  if (place.at) words.set("at", place.at.join(","));
  if (place.view !== START.view) words.set("view", place.view);
  if (place.level) words.set("level", place.level);
  if (place.every) words.set("every", "1");
  if (place.heat) words.set("heat", "1");
  if (place.show.join() !== START.show.join()) words.set("show", place.show.join(","));
  if (place.box) words.set("box", place.box);
  const path = place.name.split("/").map(encodeURIComponent).join("/");
  const rest = words.toString().replaceAll("%2C", ",").replaceAll("%3A", ":");
  return `#${path}${rest ? `?${rest}` : ""}`;
}

export const here = () => now;

/** Go to a place: what is not said stays, but a new tensor begins at its first channel. `instead`: in the place
 * of this one in the browser's history. */
export function go(changes, instead = false) {
  const fresh = changes.name !== undefined && changes.name !== now.name ? { channel: 0, at: null } : {};
  const next = settled({ ...now, ...fresh, ...changes });
  const hash = written(next);
  if (hash === written(now) && hash === location.hash) return;
  history[instead ? "replaceState" : "pushState"](null, "", hash);
  moved();
}

function moved() {
  const before = now;
  now = read(location.hash);
  for (const listener of listeners) listener(now, before);
}

/** Called with the place and the one before, whenever it changes. */
export const onMove = (listener) => listeners.push(listener);

/** Begin where the address says. */
export function begin() {
  now = read(location.hash);
  window.addEventListener("popstate", moved);
  window.addEventListener("hashchange", () => written(now) === location.hash || moved());
}
