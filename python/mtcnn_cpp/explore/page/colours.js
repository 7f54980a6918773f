// Colours of values, differences and verdicts, and the legend of the maps.

import { $, h, setChildren } from "./dom.js";
import { formatShort } from "./format.js";
import { session } from "./session.js";

let styles = null;

/** The value of a CSS variable in the current colour scheme. */
export function colour(name) {
  styles ??= getComputedStyle(document.documentElement);
  return styles.getPropertyValue(name).trim();
}

/** Forget the values of the CSS variables. Call this function when the colour scheme changes. */
export const resetColours = () => (styles = null);

const hex = (text) => [1, 3, 5].map((start) => parseInt(text.slice(start, start + 2), 16));

/** 256 interpolated colours as R, G, B bytes. */
function ramp(stops) {
  const table = new Uint8Array(256 * 3);
  const points = stops.map(hex);
  for (let index = 0; index < 256; index++) {
    const position = (index / 255) * (points.length - 1);
    const low = Math.min(Math.floor(position), points.length - 2);
    for (let channel = 0; channel < 3; channel++) {
      table[3 * index + channel] = Math.round(points[low][channel] + (position - low) * (points[low + 1][channel] - points[low][channel]));
    }
  }
  return table;
}

export const SEQUENTIAL = ramp(["#10131f", "#233a6b", "#1f6f8b", "#2fa583", "#a6cf4c", "#fbf0a0"]);
const SIGNED_LIGHT = ramp(["#0b3c7d", "#3f86c9", "#b9d8ee", "#f7f5f0", "#f6c3a2", "#d9603a", "#7a1410"]);
const SIGNED_DARK = ramp(["#8fd0ff", "#3f86d0", "#1f456e", "#16181d", "#6e3220", "#dd6a3a", "#ffc79a"]);
export const NOT_A_NUMBER = [255, 0, 200]; // NaN
export const INFINITE = [0, 230, 230]; // positive and negative infinity

export const isDark = () => matchMedia("(prefers-color-scheme: dark)").matches;
const MAGNITUDE_LIGHT = ramp(["#eceef1", "#f7c98b", "#e06a30", "#9c1022"]);
const MAGNITUDE_DARK = ramp(["#262b33", "#7a4a1c", "#e0702c", "#ffd9a0"]);
export const magnitudeRamp = () => (isDark() ? MAGNITUDE_DARK : MAGNITUDE_LIGHT);
export const signedRamp = () => (isDark() ? SIGNED_DARK : SIGNED_LIGHT);

// For each class of ULP distances: lower bound, label, colour.
export const ULP_CLASSES = [
  [0, "0", null],
  [1, "1", "#3f9a5f"],
  [2, "2–3", "#9bb52a"],
  [4, "4–15", "#d8b21c"],
  [16, "16–255", "#ea8a16"],
  [256, "256–65535", "#dd4a24"],
  [65536, "more", "#a5145c"],
];
const ULP_COLOURS = ULP_CLASSES.map(([, , code]) => (code ? hex(code) : null));

export function ulpColour(distance) {
  let last = 0;
  for (let index = 1; index < ULP_CLASSES.length && distance >= ULP_CLASSES[index][0]; index++) last = index;
  return last ? ULP_COLOURS[last] : isDark() ? [38, 42, 50] : [232, 234, 237];
}

/** The colour scale for values from `low` to `high`. It is symmetric around 0 for differences, and if `low` is negative. */
export function colourScale(low, high, kind) {
  if (kind === "ulp" || kind === "magnitude") return { kind, low: 0, high };
  const signed = kind === "difference" || low < 0;
  const reach = Math.max(Math.abs(low), Math.abs(high));
  return signed ? { kind: "signed", low: -reach, high: reach } : { kind: "sequential", low, high };
}

/** A function that maps a value to [R, G, B]. */
export function colourMap(scale) {
  if (scale.kind === "ulp") return (value) => (Number.isNaN(value) ? NOT_A_NUMBER : ulpColour(value));
  const table = scale.kind === "signed" ? signedRamp() : scale.kind === "magnitude" ? magnitudeRamp() : SEQUENTIAL;
  const spread = scale.high - scale.low;
  const rgb = [0, 0, 0];
  return (value) => {
    if (value !== value) return NOT_A_NUMBER;
    if (value === Infinity || value === -Infinity) return INFINITE;
    const share = spread > 0 ? (value - scale.low) / spread : scale.kind === "signed" ? 0.5 : 0;
    const start = 3 * Math.max(0, Math.min(255, Math.round(share * 255)));
    rgb[0] = table[start];
    rgb[1] = table[start + 1];
    rgb[2] = table[start + 2];
    return rgb;
  };
}

const VERDICTS = ["identical", "equal", "close", "similar", "different", "missing", "extra", "unchecked"];

/** The colour of a verdict, or of the result of comparing hashes. */
export function verdictColour(verdict) {
  if (VERDICTS.includes(verdict)) return colour(`--${verdict}`);
  if (verdict.startsWith("ulp")) return colour("--ulp");
  return colour({ same: "--same", differs: "--differs" }[verdict] ?? "--unchecked");
}

export const networkColour = (name) => colour(`--${name.split("/")[0]}`) || colour("--unchecked");

/** Draw the legend of the maps. Each scale has a colour bar with its limits. */
export function drawLegend(panels) {
  const special = [["NaN", NOT_A_NUMBER], ["infinite", INFINITE]].map(([label, rgb]) => h("span", { class: "key", colour: `rgb(${rgb.join(" ")})` }, label));
  setChildren($("scale"), [...panels.filter((_, index) => index !== 1 || !session.two).map(({ view, map }) => {
    if (view === "ulp") {
      return h("span", { class: "scale" }, "ULP ", ...ULP_CLASSES.map(([least, label]) => h("span", { class: "key", colour: `rgb(${ulpColour(least).join(" ")})` }, label)));
    }
    const { low, high } = map.scale, toColour = colourMap(map.scale);
    const canvas = h("canvas", { width: 128, height: 8 }), drawing = canvas.getContext("2d");
    for (let x = 0; x < 128; x++) {
      drawing.fillStyle = `rgb(${toColour(low + (x / 127) * (high - low)).join(" ")})`;
      drawing.fillRect(x, 0, 1, 8);
    }
    return h("span", { class: "scale" }, view === "difference" ? "B − A " : session.two ? "A, B " : "", formatShort(low, 4), canvas, formatShort(high, 4));
  }), ...special]);
}
