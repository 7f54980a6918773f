// Where images come from: a chosen, dropped or pasted file, the sample, the webcam.

import { $, showError } from "./page.js";
import { startWebcam } from "./webcam.js";

/**
 * Call `open` with each image that the user gives.
 * @param {(file: File) => void} open
 */
export function startSources(open) {
  const input = /** @type {HTMLInputElement} */ ($("file"));
  input.addEventListener("change", () => {
    if (input.files?.[0]) open(input.files[0]);
    input.value = ""; // the same file can be chosen again
  });
  $("sample").addEventListener("click", async () => {
    const response = await fetch("astronaut.png").catch(() => null);
    if (response?.ok) open(new File([await response.blob()], "astronaut.png", { type: "image/png" }));
    else showError("The sample cannot be loaded. Check the connection, or choose an image of your own.");
  });
  startDrop(open);
  document.addEventListener("paste", ({ clipboardData }) => {
    const file = clipboardData?.files[0];
    if (file) open(file);
    else showError("The clipboard contains no image. Copy an image, not its address or a text.");
  });
  startWebcam(open);
}

/** @param {(file: File) => void} open */
function startDrop(open) {
  const mark = (/** @type {boolean} */ on) => $("image-panel").classList.toggle("drop", on);
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    mark(true);
  });
  document.addEventListener("dragleave", (event) => event.relatedTarget || mark(false));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    mark(false);
    const file = event.dataTransfer?.files[0];
    if (file) open(file);
    else showError("What was dropped is not a file. Save the image, and drop the file.");
  });
}
