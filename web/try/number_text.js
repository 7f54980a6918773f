// Numbers as text, as the Python package writes them in tables.

/**
 * The shortest decimal that reads back as the same float32, in the notation of Python. Empty if the value is not finite.
 * @param {number} value
 */
export function shortestText(value) {
  if (!Number.isFinite(value)) return "";
  if (Object.is(value, -0)) return "-0.0";
  const decimal = shortestDecimal(value), [digits, exponent] = decimal.toExponential().split("e");
  const power = Number(exponent);
  if (decimal !== 0 && (power < -4 || power >= 16)) return `${digits}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
  const text = String(decimal);
  return text.includes(".") ? text : `${text}.0`;
}

/**
 * The decimal with the fewest digits that rounds to the given float32.
 * @param {number} value
 */
function shortestDecimal(value) {
  for (let digits = 1; digits <= 9; digits++) {
    const nearest = roundedTo(value, digits);
    for (const decimal of [nearest, nextDecimal(nearest, digits)]) if (Math.fround(decimal) === value) return decimal;
  }
  throw new RangeError(`expected a float32 number, found ${value}`);
}

/**
 * A number rounded to this many digits. Of two decimals that are equally near, it is the even one; `toPrecision` gives the larger one.
 * @param {number} value
 * @param {number} digits
 */
function roundedTo(value, digits) {
  const longer = value.toExponential(digits), tie = longer.match(/^(.*[02468]\.?)5(e.*)$/);
  return Number(tie && Number(longer) === value ? tie[1] + tie[2] : value.toPrecision(digits));
}

/**
 * The next decimal with this many digits, away from zero. Below a power of two, float32 numbers are twice as close: the
 * nearest decimal may round to the number below, and the next decimal to the power of two.
 * @param {number} value
 * @param {number} digits
 */
function nextDecimal(value, digits) {
  const [number, exponent] = value.toExponential(digits - 1).split("e"), whole = Number(number.replace(".", ""));
  return Number(`${whole + (value < 0 ? -1 : 1)}e${Number(exponent) - digits + 1}`);
}
