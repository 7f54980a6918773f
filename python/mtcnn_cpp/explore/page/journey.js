// The way of the chosen box through the stages.

import { $, fill, h } from "./dom.js";
import { brief } from "./numbers.js";
import { go, here } from "./place.js";
import { home, session } from "./session.js";

/** Each step a button; `sides`: the boxes of both. */
export function journey(sides) {
  const { box } = here();
  const side = sides.find((one) => one.side === box[0]);
  const steps = box && side ? side.steps(box) : [];
  fill($("journey"), steps.flatMap((step, index) => [
    index ? h("span", { class: "quiet" }, "→") : session.two ? h("b", {}, side.side.toUpperCase()) : null,
    h("button", {
      class: "step", "data-stage": step.stage, colour: `var(--box-${step.stage})`, "aria-pressed": home(step.name) === home(here().name),
      onclick: () => go({ name: step.name, at: step.at, box: step.id, ...(step.level === undefined ? {} : { level: step.level }) }),
    }, step.title, step.score === undefined || step.score === null ? null : h("small", {}, ` ${brief(step.score, 4)}`)),
  ]));
}
