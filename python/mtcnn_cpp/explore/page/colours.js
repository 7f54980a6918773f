// Colours of values, differences and verdicts.

let styles = null;

/** The value of a CSS variable in the present colour scheme. */
export function colour(name) {
  styles ??= getComputedStyle(document.documentElement);
  return styles.getPropertyValue(name).trim();
}

/** Call when the colour scheme has changed. */
export const forget = () => (styles = null);

const hex = (word) => [1, 3, 5].map((at) => parseInt(word.slice(at, at + 2), 16));

/** 256 colours through the stops, as R G B bytes. */
function ramp(stops) {
  const table = new Uint8Array(256 * 3);
  const points = stops.map(hex);
  for (let index = 0; index < 256; index++) {
    const place = (index / 255) * (points.length - 1);
    const low = Math.min(Math.floor(place), points.length - 2);
    for (let part = 0; part < 3; part++) {
      table[3 * index + part] = Math.round(points[low][part] + (place - low) * (points[low + 1][part] - points[low][part]));
    }
  }
  return table;
}

export const SEQUENTIAL = ramp(["#10131f", "#233a6b", "#1f6f8b", "#2fa583", "#a6cf4c", "#fbf0a0"]);
const SIGNED_LIGHT = ramp(["#0b3c7d", "#3f86c9", "#b9d8ee", "#f7f5f0", "#f6c3a2", "#d9603a", "#7a1410"]);
const SIGNED_DARK = ramp(["#8fd0ff", "#3f86d0", "#1f456e", "#16181d", "#6e3220", "#dd6a3a", "#ffc79a"]);
export const NOT_A_NUMBER = [255, 0, 200]; // NaN
export const INFINITE = [0, 230, 230]; // plus and minus infinity

export const dark = () => matchMedia("(prefers-color-scheme: dark)").matches;
const APART_LIGHT = ramp(["#eceef1", "#f7c98b", "#e06a30", "#9c1022"]);
const APART_DARK = ramp(["#262b33", "#7a4a1c", "#e0702c", "#ffd9a0"]);
export const apartRamp = () => (dark() ? APART_DARK : APART_LIGHT);
export const signedRamp = () => (dark() ? SIGNED_DARK : SIGNED_LIGHT);

// Least distance of each class, its words.
export const ULP_CLASSES = [
  [0, "0", null],
  [1, "1", "#3f9a5f"],
  [2, "2–3", "#9bb52a"],
  [4, "4–15", "#d8b21c"],
  [16, "16–255", "#ea8a16"],
  [256, "256–65535", "#dd4a24"],
  [65536, "more", "#a5145c"],
];
const ULP_COLOURS = ULP_CLASSES.map(([, , word]) => (word ? hex(word) : null));

export function ulpColour(distance) {
  let found = 0;
  for (let index = 1; index < ULP_CLASSES.length && distance >= ULP_CLASSES[index][0]; index++) found = index;
  return found ? ULP_COLOURS[found] : dark() ? [38, 42, 50] : [232, 234, 237];
}

/** The scale for values between two limits: signed where there are both signs, so that 0 is neutral. */
export function scaleOf(low, high, kind) {
  if (kind === "ulp" || kind === "apart") return { kind, low: 0, high };
  const signed = kind === "difference" || low < 0;
  const reach = Math.max(Math.abs(low), Math.abs(high));
  return signed ? { kind: "signed", low: -reach, high: reach } : { kind: "rising", low, high };
}

/** A function from a value to R G B. */
export function painter(scale) {
  if (scale.kind === "ulp") return (value) => (Number.isNaN(value) ? NOT_A_NUMBER : ulpColour(value));
  const table = scale.kind === "signed" ? signedRamp() : scale.kind === "apart" ? apartRamp() : SEQUENTIAL;
  const spread = scale.high - scale.low;
  const out = [0, 0, 0];
  return (value) => {
    if (value !== value) return NOT_A_NUMBER;
    if (value === Infinity || value === -Infinity) return INFINITE;
    const share = spread > 0 ? (value - scale.low) / spread : scale.kind === "signed" ? 0.5 : 0;
    const at = 3 * Math.max(0, Math.min(255, Math.round(share * 255)));
    out[0] = table[at];
    out[1] = table[at + 1];
    out[2] = table[at + 2];
    return out;
  };
}

const VERDICTS = ["identical", "equal", "close", "similar", "different", "missing", "extra", "unchecked"];

/** The colour of a verdict's words, or of what a hash says before anything is measured. */
export function verdictColour(words) {
  if (VERDICTS.includes(words)) return colour(`--${words}`);
  if (words.startsWith("ulp")) return colour("--ulp");
  return colour({ same: "--same", differs: "--differs" }[words] ?? "--unchecked");
}

export const networkColour = (name) => colour(`--${name.split("/")[0]}`) || colour("--unchecked");
