// What the colours of the maps mean.

import { $, fill, h } from "./dom.js";
import { ULP_CLASSES, painter, ulpColour } from "./colours.js";
import { SPECIAL } from "./map.js";
import { brief } from "./numbers.js";
import { session } from "./session.js";

/** The scales of the maps as bars with their ends. */
export function scales(panels) {
  const special = SPECIAL.map(([word, [red, green, blue]]) => h("span", { class: "key", colour: `rgb(${red} ${green} ${blue})` }, word));
  fill($("scale"), [...panels.filter((_, index) => index !== 1 || !session.two).map(({ what, view }) => {
    if (what === "ulp") {
      return h("span", { class: "scale" }, "ULP ", ...ULP_CLASSES.map(([least, words]) => h("span", { class: "key", colour: `rgb(${ulpColour(least).join(" ")})` }, words)));
    }
    const canvas = h("canvas", { width: 128, height: 8 }), drawing = canvas.getContext("2d"), paint = painter(view.scale);
    for (let x = 0; x < 128; x++) {
      drawing.fillStyle = `rgb(${paint(view.scale.low + (x / 127) * (view.scale.high - view.scale.low)).join(" ")})`;
      drawing.fillRect(x, 0, 1, 8);
    }
    return h("span", { class: "scale" }, what === "difference" ? "B − A " : session.two ? "A, B " : "", brief(view.scale.low, 4), canvas, brief(view.scale.high, 4));
  }), ...special]);
}
