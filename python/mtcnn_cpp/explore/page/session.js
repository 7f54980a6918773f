// What is open: the tensors of both traces and, of two, the verdicts as they come.

import { ask } from "./ask.js";

export const session = {
  about: null,
  two: false,
  tensors: [], // {name, shape, dtype, kind, unlike, words, ok, ulp, share, measured}
  index: new Map(), // name -> place in `tensors`
  layers: new Set(), // names of layers' outputs
  done: true,
  headline: "",
  notes: [],
  noise: null,
  ok: null,
  error: "",
};

const listeners = [];
/** Called when verdicts have come. */
export const onVerdicts = (listener) => listeners.push(listener);

export async function open() {
  const about = await ask("about");
  session.about = about;
  session.two = Boolean(about.sides.b);
  session.tensors = about.tensors.map(([name, shape, dtype, kind, unlike = 0], place) => {
    const words = about.states[place] ?? "";
    return { name, shape, dtype, kind, unlike: Boolean(unlike), words, ok: words !== "differs", ulp: null, share: null, measured: false };
  });
  session.tensors.forEach(({ name }, place) => session.index.set(name, place));
  session.layers = new Set(about.layers.map((place) => about.tensors[place][0]));
  if (session.two) {
    session.done = false;
    follow();
  }
}

/** Ask for the rows of the comparison until all are there. */
async function follow() {
  let seen = 0;
  while (!session.done) {
    let found;
    try {
      found = await ask("verdicts", { from: seen });
    } catch (error) {
      session.error = error.message;
      break;
    }
    seen += found.rows.length;
    for (const [name, words, ok, ulp, share] of found.rows) {
      Object.assign(session.tensors[session.index.get(name)], { words, ok, ulp, share, measured: true });
    }
    if (found.done) {
      session.done = true;
      // what was left out (--only, --fail-fast) is no divergence
      for (const one of session.tensors) if (!one.measured && !found.error) Object.assign(one, { words: "unchecked", ok: true });
      session.error = found.error ?? "";
      session.headline = found.headline ?? "";
      session.notes = found.notes ?? [];
      session.noise = found.noise ?? null;
      session.ok = found.ok ?? null;
      session.first = found.first ?? null;
    }
    for (const listener of listeners) listener();
    if (!session.done) await new Promise((ready) => setTimeout(ready, found.rows.length ? 120 : 250));
  }
  for (const listener of listeners) listener();
}

/** The places of the tensors that did not pass, as far as is known. */
export const divergences = () => session.tensors.flatMap(({ ok }, place) => (ok ? [] : [place]));

/** The level or crop of a tensor, e.g. rnet/crop005; its stage for the lists of a stage. */
export const home = (name) => name.slice(0, Math.max(name.lastIndexOf("/"), 0));

/** All tensors of one level, crop or stage, in order. */
export function members(place) {
  return session.tensors.filter(({ name }) => home(name) === place);
}

/** The place with the channel that its value is in. */
export function settled(place) {
  const { shape = [], kind } = session.tensors[session.index.get(place.name)] ?? {};
  if (!place.at || place.at.length !== shape.length || (kind !== "maps" && kind !== "stack")) return place;
  const channel = place.at.slice(0, -2).reduce((flat, value, axis) => flat * shape[axis] + value, 0);
  return { ...place, channel };
}

/** A tensor as maps: {kind, channels, height, width}, as the server cuts it. */
export function viewOf({ kind, shape }) {
  const product = (sizes) => sizes.reduce((all, size) => all * size, 1);
  if (kind === "vector") return { kind, channels: 1, height: 1, width: product(shape) };
  if (kind === "table") return { kind, channels: 1, height: shape[0], width: product(shape.slice(1)) };
  return { kind, channels: product(shape.slice(0, -2)), height: shape.at(-2), width: shape.at(-1) };
}

/** The size of its values. */
export const bytesOf = ({ shape, dtype }) => shape.reduce((all, size) => all * size, Number(dtype.match(/\d+/)?.[0] ?? 8) / 8);

/** Why a view of a tensor cannot be drawn; empty where it can. */
export function lacking(tensor, view) {
  const { words, shape, unlike } = tensor;
  if (shape.includes(0)) return "empty";
  if (bytesOf(tensor) > session.about.limit) return "too large to show";
  const sides = { a: "a", b: "b", difference: "ab", ulp: "ab" }[session.two ? view : "a"];
  if (words === "missing" && sides.includes("b")) return "not in B";
  if (words === "extra" && sides.includes("a")) return "not in A";
  if (unlike && sides === "ab") return "of another shape or dtype in B";
  return [...sides].some((side) => session.about.sides[side].capture !== "full") ? "no values" : "";
}

export const has = (name) => session.index.has(name);
export const tensor = (name) => session.tensors[session.index.get(name)];
