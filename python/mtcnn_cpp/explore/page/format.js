// Formats numbers as text.

/** The shortest text that reads back to the same float32. If the value is not a float32, the text reads back to the same double. */
export function formatExact(value) {
  if (!Number.isFinite(value) || Number.isInteger(value)) return Object.is(value, -0) ? "-0" : plain(value);
  if (Math.fround(value) !== value) return String(value);
  for (let digits = 1; digits <= 9; digits++) {
    const text = value.toPrecision(digits);
    if (Math.fround(Number(text)) === value) return shorten(text);
  }
  return String(value);
}

const plain = (value) => (Number.isNaN(value) ? "NaN" : value === Infinity ? "inf" : value === -Infinity ? "-inf" : String(value));

const shorten = (text) => String(Number(text)).length < text.length ? String(Number(text)) : text;

/** A rounded number for narrow spaces. */
export function formatShort(value, digits = 3) {
  if (typeof value === "string") return value; // "nan" and "inf" from JSON
  if (value === null || value === undefined) return "";
  if (!Number.isFinite(value) || (Number.isInteger(value) && Math.abs(value) < 1e6)) return plain(value);
  return shorten(value.toPrecision(digits));
}

/** A rounded score. A score below 1 is never shown as 1. */
export function formatScore(value, digits = 4) {
  const text = formatShort(value, digits);
  return text === "1" && value < 1 && digits < 9 ? formatScore(value, digits + 1) : text;
}

export const formatCount = (count, noun, plural = `${noun}s`) => `${count.toLocaleString("en")} ${count === 1 ? noun : plural}`;
export const formatShape = (shape) => (shape.length ? shape.join(" × ") : "scalar");
