// The options of a detection, as sliders.

import { $ } from "./page.js";

/** @typedef {{minFace: number, thresholds: [number, number, number], scaleFactor: number}} Options */

const IDS = ["min-face", "threshold-pnet", "threshold-rnet", "threshold-onet"];
const DEBOUNCE = 120; // milliseconds without a change after which the detection begins

const sliders = IDS.map((id) => /** @type {HTMLInputElement} */ ($(id)));

/** @returns {Options} */
export function currentOptions() {
  const [minFace, pnet, rnet, onet] = sliders.map((slider) => Number(slider.value));
  return { minFace, thresholds: [pnet, rnet, onet], scaleFactor: 0.709 };
}

function showValues() {
  for (const slider of sliders) {
    const output = /** @type {HTMLElement} */ (document.querySelector(`output[for=${slider.id}]`));
    output.textContent = slider.dataset.unit ? slider.value + slider.dataset.unit : Number(slider.value).toFixed(2);
  }
}

/**
 * Call `changed` after the user has changed the options.
 * @param {() => void} changed
 */
export function startOptions(changed) {
  let timer = 0;
  const later = () => {
    showValues();
    clearTimeout(timer);
    timer = setTimeout(changed, DEBOUNCE);
  };
  for (const slider of sliders) slider.addEventListener("input", later);
  $("options").addEventListener("reset", () => setTimeout(later));
  $("options").addEventListener("submit", (event) => event.preventDefault());
  showValues();
}
