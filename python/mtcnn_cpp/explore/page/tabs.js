// The tabs beside the list: the faces of both sides, and what the traces say of themselves.

import { $, fill, h } from "./dom.js";
import { askOnce } from "./ask.js";
import { brief, counted } from "./numbers.js";
import * as picture from "./picture.js";
import { session } from "./session.js";

export function start() {
  const tabs = [...document.querySelectorAll("[role=tab]")];
  for (const tab of tabs) {
    tab.addEventListener("click", () => {
      for (const one of tabs) {
        one.setAttribute("aria-selected", one === tab);
        $(`tab-${one.dataset.tab}`).hidden = one !== tab;
      }
    });
  }
  about();
  faces();
}

export function about() {
  const table = (fields) => h("table", {}, h("tbody", {}, ...Object.entries(fields).filter(([, words]) => words).map(([key, words]) => h("tr", {}, h("th", {}, key), h("td", {}, words)))));
  const listed = (fields) => Object.entries(fields).map(([key, value]) => `${key} ${Array.isArray(value) ? value.join(" ") : String(value).slice(0, 60)}`).join(", ");
  fill($("tab-about"), Object.entries(session.about.sides).flatMap(([letter, side]) => [
    h("h3", {}, `${session.two ? `${letter.toUpperCase()}: ` : ""}${side.label}`),
    table({
      holds: `${counted(side.tensors, "tensor")}, capture level ${side.capture}`,
      picture: side.picture ? `${side.picture.shape.join(" × ")} ${side.picture.dtype}, SHA-256 ${side.picture.sha256.slice(0, 16)}…` : "none",
      only: side.only.join(" "),
      options: listed(side.options),
      model: Object.entries(side.model).map(([key, value]) => `${key} ${String(value).slice(0, 12)}…`).join(", "),
      "made by, as the file says": listed(side.made_by),
    }),
  ]).concat(session.notes.map((note) => h("p", { class: "quiet" }, `note: ${note}`))));
}

async function faces() {
  const found = await askOnce("faces").catch((error) => ({ error: error.message }));
  const panel = $("tab-faces");
  if (found.error || (!found.a && !found.b)) {
    fill(panel, [h("p", { class: "note" }, found.error ?? "the trace does not hold the final boxes with their values")]);
    return;
  }
  const score = (side, index) => (index === null ? "–" : brief(found[side].scores[index], 5));
  const show = (side, index) => {
    picture.select(`${side}:final:${index}`);
    picture.frame(found[side].boxes[index].map(Number));
  };
  if (!found.a || !found.b) {
    const side = found.a ? "a" : "b", { boxes, scores } = found[side];
    fill(panel, [h("p", { class: "quiet" }, counted(boxes.length, "face")), h("table", { class: "faces" },
      h("thead", {}, h("tr", {}, ...["face", "score", "x", "y", "width", "height"].map((word) => h("th", {}, word)))),
      h("tbody", {}, ...boxes.map((box, index) => h("tr", { "data-face": index, tabindex: 0, onclick: () => show(side, index) }, h("td", {}, index), h("td", {}, brief(scores[index], 5)), ...box.map((value) => h("td", {}, brief(value, 5)))))))]);
    return;
  }
  const lost = found.pairs.filter((pair) => pair.b === null).length, more = found.pairs.filter((pair) => pair.a === null).length;
  const far = Math.max(0, ...found.pairs.flatMap((pair) => (pair.apart ?? []).map((value) => Math.abs(Number(value)))));
  const effect = [counted(found.pairs.length - lost - more, "face") + " in both", lost ? `${lost} lost in B` : "", more ? `${more} more in B` : "", far ? `up to ${brief(far, 3)} px apart` : lost || more ? "" : "to the last bit"];
  fill(panel, [h("p", { id: "effect", class: lost || more || far ? "bad" : "good" }, effect.filter(Boolean).join(", ")), h("table", { class: "faces" },
    h("thead", {}, h("tr", {}, ...["A", "B", "score A", "score B", "overlap", "Δx", "Δy", "Δwidth", "Δheight"].map((word) => h("th", {}, word)))),
    h("tbody", {}, ...found.pairs.map((pair) => {
      const [side, index] = pair.a === null ? ["b", pair.b] : ["a", pair.a];
      return h("tr", { "data-face": `${side}${index}`, tabindex: 0, class: pair.a === null || pair.b === null ? "bad" : "", onclick: () => show(side, index) },
        ...[pair.a ?? "–", pair.b ?? "–", score("a", pair.a), score("b", pair.b), brief(pair.iou, 5), ...(pair.apart ?? ["", "", "", ""]).map((value) => brief(value, 3))].map((words) => h("td", {}, words)));
    })))]);
}
