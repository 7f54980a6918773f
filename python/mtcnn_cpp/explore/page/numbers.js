// Numbers as text.

/** The shortest text that gives the same float32 (or, if it is none, the same double). */
export function shortest(value) {
  if (!Number.isFinite(value) || Number.isInteger(value)) return Object.is(value, -0) ? "-0" : text(value);
  if (Math.fround(value) !== value) return String(value);
  for (let digits = 1; digits <= 9; digits++) {
    const words = value.toPrecision(digits);
    if (Math.fround(Number(words)) === value) return tidy(words);
  }
  return String(value);
}

const text = (value) => (Number.isNaN(value) ? "NaN" : value === Infinity ? "inf" : value === -Infinity ? "-inf" : String(value));

const tidy = (words) => String(Number(words)).length < words.length ? String(Number(words)) : words;

/** A few digits, for narrow places. */
export function brief(value, digits = 3) {
  if (typeof value === "string") return value; // nan, inf from JSON
  if (value === null || value === undefined) return "";
  if (!Number.isFinite(value) || (Number.isInteger(value) && Math.abs(value) < 1e6)) return text(value);
  return tidy(value.toPrecision(digits));
}

export const counted = (count, word, plural = `${word}s`) => `${count.toLocaleString("en")} ${count === 1 ? word : plural}`;
export const sizes = (shape) => (shape.length ? shape.join(" × ") : "one number");
