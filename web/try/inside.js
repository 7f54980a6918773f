// "Look inside": the explorer in a frame, whose requests the worker answers.

import { $ } from "./page.js";

/** @typedef {import("./detection_worker.js").DetectionWorker} DetectionWorker */

const frame = /** @type {HTMLIFrameElement} */ ($("explorer"));
/** @type {HTMLElement | null} */
let opener = null; // the button that receives the focus again

/**
 * Show the explorer at the crop of a face.
 * @param {number} face
 * @param {number} crop number of the face's crop in ONet
 * @param {HTMLElement} button the button that the user pressed
 */
export function openInside(face, crop, button) {
  opener = button;
  $("inside-title").textContent = `Look inside face ${face}`;
  frame.src = `explore/index.html#onet/crop${String(crop).padStart(3, "0")}/input?box=a:final:${face}`;
  history.pushState({ inside: true }, "", "#inside");
  show(true);
  $("inside-title").focus();
}

/** @param {boolean} inside */
function show(inside) {
  $("inside").hidden = !inside;
  $("detection").hidden = inside;
  document.documentElement.classList.toggle("full", inside);
}

/**
 * @param {DetectionWorker} worker
 * @param {() => void} closed called when the explorer was closed
 */
export function startInside(worker, closed) {
  const close = () => {
    if ($("inside").hidden) return;
    frame.removeAttribute("src");
    worker.post({ kind: "forget" });
    show(false);
    const next = opener?.isConnected ? opener : $("faces-title");
    next.focus();
    closed();
  };
  $("back").addEventListener("click", () => {
    close();
    history.replaceState(null, "", location.pathname + location.search);
  });
  addEventListener("popstate", ({ state }) => state?.inside || close());
  addEventListener("message", ({ source, origin, data }) => {
    if (source !== frame.contentWindow || origin !== location.origin || data !== "connect") return;
    const { port1, port2 } = new MessageChannel();
    worker.post({ kind: "connect", port: port1 }, [port1]);
    frame.contentWindow?.postMessage("connected", origin, [port2]);
  });
  if (history.state?.inside) history.replaceState(null, "", location.pathname + location.search);
}
