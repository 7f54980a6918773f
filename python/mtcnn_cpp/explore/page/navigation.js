// The state of the page: which tensor, value, view and boxes it shows. The address contains the state, so that links and the browser's history work.
//
//   #rnet/crop005/conv2?at=3,4,5&view=difference&level=2&show=onet,final&box=onet:5

export const VIEWS = ["a", "b", "difference", "ulp"];
export const STAGES = ["proposals", "nms", "rnet", "onet", "final"];
const DEFAULTS = { name: "", channel: 0, at: null, view: "a", level: 0, every: false, heat: false, show: ["onet", "final"], box: "" };
const listeners = [];
let current = { ...DEFAULTS };

/** A function that completes a state, for example with the channel of the chosen value. `setNormalizer` sets it. */
let normalize = (state) => state;
export const setNormalizer = (normalizer) => (normalize = normalizer);

const isNumber = (text) => /^\d{1,9}$/.test(text ?? "");

function parse(hash) {
  const [path, query = ""] = hash.replace(/^#/, "").split("?");
  const given = new URLSearchParams(query);
  const found = { ...DEFAULTS };
  try {
    found.name = path.split("/").map(decodeURIComponent).join("/");
  } catch {
    found.name = "";
  }
  if (isNumber(given.get("channel"))) found.channel = Number(given.get("channel"));
  if (/^\d{1,9}(,\d{1,9}){0,7}$/.test(given.get("at") ?? "")) found.at = given.get("at").split(",").map(Number);
  if (VIEWS.includes(given.get("view"))) found.view = given.get("view");
  if (isNumber(given.get("level"))) found.level = Number(given.get("level"));
  if (given.has("show")) found.show = given.get("show").split(",").filter((stage) => STAGES.includes(stage));
  found.every = given.get("every") === "1";
  found.heat = given.get("heat") === "1";
  if (/^[ab]:[a-z]+:\d{1,9}(:\d{1,9})?$/.test(given.get("box") ?? "")) found.box = given.get("box");
  return normalize(found);
}

function format(state) {
  const query = new URLSearchParams();
  if (state.channel && !state.at) query.set("channel", state.channel);
  if (state.at) query.set("at", state.at.join(","));
  if (state.view !== DEFAULTS.view) query.set("view", state.view);
  if (state.level) query.set("level", state.level);
  if (state.every) query.set("every", "1");
  if (state.heat) query.set("heat", "1");
  if (state.show.join() !== DEFAULTS.show.join()) query.set("show", state.show.join(","));
  if (state.box) query.set("box", state.box);
  const path = state.name.split("/").map(encodeURIComponent).join("/");
  const rest = query.toString().replaceAll("%2C", ",").replaceAll("%3A", ":");
  return `#${path}${rest ? `?${rest}` : ""}`;
}

export const currentState = () => current;

/** Change parts of the state. A new tensor begins at its first channel. `replace`: replace the current entry of
 * the browser's history instead of adding one. */
export function navigate(changes, replace = false) {
  const fresh = changes.name !== undefined && changes.name !== current.name ? { channel: 0, at: null } : {};
  const next = normalize({ ...current, ...fresh, ...changes });
  const hash = format(next);
  if (hash === format(current) && hash === location.hash) return;
  history[replace ? "replaceState" : "pushState"](null, "", hash);
  update();
}

function update() {
  const previous = current;
  current = parse(location.hash);
  for (const listener of listeners) listener(current, previous);
}

/** Register a function that is called with the new and the previous state after each change. */
export const onNavigate = (listener) => listeners.push(listener);

/** Read the state from the address. */
export function startNavigation() {
  current = parse(location.hash);
  window.addEventListener("popstate", update);
  window.addEventListener("hashchange", () => format(current) === location.hash || update());
}
