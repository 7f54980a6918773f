// Takes a frame of the webcam as a PNG file, whose pixels are exactly those of the frame.

import { $, showError } from "./page.js";

/** @type {MediaStream | null} */
let stream = null;

/** @type {Record<string, string>} */
const REASONS = {
  NotAllowedError: "The webcam was refused. Allow it for this page in the settings of the browser, or choose an image.",
  NotFoundError: "There is no webcam. Connect one, or choose an image.",
  NotReadableError: "The webcam cannot be used; another program may be using it.",
};

/** @param {(file: File) => void} open called with each frame that the user takes */
export function startWebcam(open) {
  const video = /** @type {HTMLVideoElement} */ ($("video"));
  $("webcam").addEventListener("click", async () => {
    showError("");
    try {
      if (!navigator.mediaDevices) throw new Error("the page must be opened by https");
      stream ??= await navigator.mediaDevices.getUserMedia({ video: true });
    } catch (error) {
      const { name, message } = /** @type {Error} */ (error);
      return showError(REASONS[name] ?? `The webcam cannot be opened (${message}).`);
    }
    video.srcObject = stream;
    await video.play();
    $("camera").hidden = false;
    return $("take").focus();
  });
  $("take").addEventListener("click", async () => {
    const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
    canvas.getContext("2d")?.drawImage(video, 0, 0);
    closeWebcam();
    open(new File([await canvas.convertToBlob({ type: "image/png" })], "webcam.png", { type: "image/png" }));
  });
  $("close-camera").addEventListener("click", closeWebcam);
}

function closeWebcam() {
  for (const track of stream?.getTracks() ?? []) track.stop();
  stream = null;
  $("camera").hidden = true;
  $("webcam").focus();
}
