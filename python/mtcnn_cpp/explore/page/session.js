// The opened traces: their tensors and, for two traces, the verdicts of the comparison.

import { fetchJson } from "./requests.js";

export const session = {
  about: null,
  two: false,
  tensors: [], // {name, shape, dtype, kind, shapeDiffers, verdict, ok, ulp, share, measured}
  index: new Map(), // name -> position in `tensors`
  layers: new Set(), // names of the outputs of layers
  done: true,
  headline: "",
  notes: [],
  noise: null,
  ok: null,
  error: "",
};

const listeners = [];
/** Register a function that is called when new verdicts arrive. */
export const onVerdicts = (listener) => listeners.push(listener);

export async function openSession() {
  const about = await fetchJson("about");
  session.about = about;
  session.two = Boolean(about.sides.b);
  session.tensors = about.tensors.map(([name, shape, dtype, kind, shapeDiffers = 0], position) => {
    const verdict = about.states[position] ?? "";
    return { name, shape, dtype, kind, shapeDiffers: Boolean(shapeDiffers), verdict, ok: verdict !== "differs", ulp: null, share: null, measured: false };
  });
  session.tensors.forEach(({ name }, position) => session.index.set(name, position));
  session.layers = new Set(about.layers.map((position) => about.tensors[position][0]));
  if (session.two) {
    session.done = false;
    pollVerdicts();
  }
}

/** Fetch the results of the comparison until it is complete. */
async function pollVerdicts() {
  let received = 0;
  while (!session.done) {
    let found;
    try {
      found = await fetchJson("verdicts", { from: received });
    } catch (error) {
      session.error = error.message;
      break;
    }
    received += found.rows.length;
    for (const [name, verdict, ok, ulp, share] of found.rows) {
      Object.assign(session.tensors[session.index.get(name)], { verdict, ok, ulp, share, measured: true });
    }
    if (found.done) {
      session.done = true;
      // a tensor that was not compared (--only, --fail-fast) is not a divergence
      for (const tensor of session.tensors) if (!tensor.measured && !found.error) Object.assign(tensor, { verdict: "unchecked", ok: true });
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

/** The positions of the tensors that failed according to the results that have arrived. */
export const divergentPositions = () => session.tensors.flatMap(({ ok }, position) => (ok ? [] : [position]));

/** The group of a tensor: its level or crop, e.g. rnet/crop005, or its stage. */
export const groupOf = (name) => name.slice(0, Math.max(name.lastIndexOf("/"), 0));

/** All tensors of a group, in order. */
export function tensorsInGroup(group) {
  return session.tensors.filter(({ name }) => groupOf(name) === group);
}

/** Complete a state with the channel of its value. */
export function withChannel(state) {
  const { shape = [], kind } = session.tensors[session.index.get(state.name)] ?? {};
  if (!state.at || state.at.length !== shape.length || (kind !== "maps" && kind !== "stack")) return state;
  const channel = state.at.slice(0, -2).reduce((flat, value, axis) => flat * shape[axis] + value, 0);
  return { ...state, channel };
}

/** The maps of a tensor: {kind, channels, height, width}, as in `tensors.py`. */
export function mapShape({ kind, shape }) {
  const product = (sizes) => sizes.reduce((all, size) => all * size, 1);
  if (kind === "vector") return { kind, channels: 1, height: 1, width: product(shape) };
  if (kind === "table") return { kind, channels: 1, height: shape[0], width: product(shape.slice(1)) };
  return { kind, channels: product(shape.slice(0, -2)), height: shape.at(-2), width: shape.at(-1) };
}

/** The size, in bytes, of a tensor's values. */
export const byteSize = ({ shape, dtype }) => shape.reduce((all, size) => all * size, Number(dtype.match(/\d+/)?.[0] ?? 8) / 8);

/** The reason why a view of a tensor cannot be shown; empty if it can. */
export function missingReason(tensor, view) {
  const { verdict, shape, shapeDiffers } = tensor;
  if (shape.includes(0)) return "empty";
  if (byteSize(tensor) > session.about.limit) return "too large to show";
  const sides = { a: "a", b: "b", difference: "ab", ulp: "ab" }[session.two ? view : "a"];
  if (verdict === "missing" && sides.includes("b")) return "not in B";
  if (verdict === "extra" && sides.includes("a")) return "not in A";
  if (shapeDiffers && sides === "ab") return "other shape or dtype in B";
  return [...sides].some((side) => session.about.sides[side].capture !== "full") ? "no values" : "";
}

export const hasTensor = (name) => session.index.has(name);
export const getTensor = (name) => session.tensors[session.index.get(name)];
