// Statistics of a tensor, as in mtcnn_cpp/trace/manifest.py. NaN and infinities become texts, as in the answers of the server.

/** @param {number} value */
const toJson = (value) => (Number.isFinite(value) ? value : Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf");

/** @param {Float32Array | Int32Array} values */
export function statisticsOf(values) {
  let minimum = Infinity, maximum = -Infinity, sum = 0, count = 0, zeros = 0, nans = 0;
  for (const value of values) {
    if (Number.isNaN(value)) nans += 1;
    if (!Number.isFinite(value)) continue;
    count += 1;
    sum += value;
    if (value === 0) zeros += 1;
    if (value < minimum) minimum = value;
    if (value > maximum) maximum = value;
  }
  const mean = sum / count;
  let squares = 0;
  for (const value of values) if (Number.isFinite(value)) squares += (value - mean) ** 2;
  return {
    minimum: toJson(count ? minimum : NaN), maximum: toJson(count ? maximum : NaN), mean: toJson(mean), standard_deviation: toJson(Math.sqrt(squares / count)),
    zeros, nans, infinities: values.length - count - nans,
  };
}
