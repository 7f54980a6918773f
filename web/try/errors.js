// Errors as messages for the user.

import { MtcnnError } from "../mtcnn_cpp.js";

/**
 * A description of an error that can be posted. `code` is "memory" if the worker must be restarted to free its memory.
 * @param {unknown} error
 * @returns {{code: string, message: string}}
 */
export function describeError(error) {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof MtcnnError && error.code !== "memory") return { code: error.code, message };
  if (error instanceof MtcnnError || error instanceof RangeError) {
    return { code: "memory", message: `There is not enough memory for this detection (${message}). Increase the smallest face, or use a smaller image.` };
  }
  return { code: "other", message };
}
