// Starts the page: images come in, a worker detects their faces, and the result is shown.

import { isSupported, load } from "../mtcnn_cpp.js";
import { loadCoreFiles } from "./core_files.js";
import { Cancelled, DetectionWorker } from "./detection_worker.js";
import { checkImageFile } from "./image_file.js";
import { openInside, startInside } from "./inside.js";
import { currentOptions, startOptions } from "./options.js";
import { $, showError, showStatus } from "./page.js";
import { saveImage, saveTable } from "./save.js";
import { startSources } from "./sources.js";
import { countOf, showResult } from "./view.js";

/** @typedef {{number: number, file: File}} Source */

const BUSY_AFTER = 150; // milliseconds after which a detection is announced

/** @type {DetectionWorker} */
let worker;
let lastNumber = 0; // of the image that the user gave last
/** @type {Source | null} */
let source = null; // the image that is processed next
/** @type {(import("./view.js").Result & {source: Source, options: import("./options.js").Options}) | null} */
let result = null;

/** @param {File} file */
async function open(file) {
  const number = ++lastNumber;
  showError("");
  try {
    await checkImageFile(file);
  } catch (error) {
    if (number === lastNumber) showFailure(error);
    return;
  }
  if (number !== lastNumber) return;
  source = { number, file };
  await detect();
}

let summary = ""; // of the result that is shown
let looking = false; // whether the explorer is shown or opened; detections wait until it is closed

/** Detect the faces of the current image with the current options. */
async function detect() {
  if (!source || looking) return;
  const current = source, options = currentOptions(), withImage = result?.source !== current;
  let answer;
  try {
    answer = await run("detect", current, options, withImage, "Detecting faces …");
  } catch (error) {
    if (error instanceof Cancelled) return;
    if (withImage && source === current) source = result?.source ?? null; // the image before stays
    showFailure(error);
    return;
  }
  if (withImage) result?.bitmap.close();
  const found = { ...answer, source: current, options, name: current.file.name, bitmap: answer.bitmap ?? result?.bitmap };
  result = found;
  showError("");
  showResult(found, lookInside);
  const { faces, milliseconds, size: { width, height } } = found;
  summary = `Found ${countOf(faces)} in ${milliseconds.toFixed(0)} ms. The image has ${width} × ${height} pixels.`;
  showStatus(summary);
  document.body.dataset.shown = String(Number(document.body.dataset.shown ?? 0) + 1);
}

/**
 * @param {number} face
 * @param {HTMLElement} button
 */
async function lookInside(face, button) {
  if (!result) return;
  looking = true;
  try {
    const { crops } = await run("trace", result.source, result.options, false, "Recording every layer …");
    openInside(face, crops[face], button);
  } catch (error) {
    if (!(error instanceof Cancelled)) showFailure(error);
    stopLooking();
  }
}

/** Detect again if the image or an option changed in the meantime. */
function stopLooking() {
  looking = false;
  if (result && (result.source !== source || JSON.stringify(result.options) !== JSON.stringify(currentOptions()))) detect();
}

/**
 * Run a request. A request that takes long is announced.
 * @param {"detect" | "trace"} kind
 * @param {Source} of
 * @param {import("./options.js").Options} options
 * @param {boolean} withImage
 * @param {string} text
 */
async function run(kind, of, options, withImage, text) {
  const timer = setTimeout(() => showStatus(text, true), BUSY_AFTER);
  try {
    return await worker.run({ kind, source: of.number, file: of.file, name: of.file.name, options, withImage });
  } finally {
    clearTimeout(timer);
    if (kind === "trace") showStatus(summary);
  }
}

/** @param {unknown} error */
function showFailure(error) {
  showStatus(summary);
  showError(error instanceof Error ? error.message : String(error));
}

function stop() {
  worker.stop();
  showStatus("Stopped.");
  $("file").focus();
}

async function start() {
  $("not-started").remove();
  try {
    if (!isSupported()) await load(); // raises the error that says what is missing
    worker = new DetectionWorker(await loadCoreFiles());
  } catch (error) {
    return showFailure(error);
  }
  $("columns").hidden = false;
  startOptions(detect);
  startSources(open);
  startInside(worker, stopLooking);
  $("stop").addEventListener("click", stop);
  $("csv").addEventListener("click", () => result && saveTable(result));
  $("png").addEventListener("click", () => result && saveImage(result).catch(showFailure));
  showStatus("Choose an image.");
  document.body.dataset.ready = "";
  await keepOffline();
}

/** Keep the files of the page, so that it works offline. */
async function keepOffline() {
  try {
    // "none": the list of files is not taken from a cache, so that a new version is found
    await navigator.serviceWorker?.register("service_worker.js", { updateViaCache: "none" });
    await navigator.serviceWorker?.ready;
    document.body.dataset.offline = "";
  } catch {
    // the page works without it
  }
}

start();
