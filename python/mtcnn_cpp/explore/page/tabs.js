// The tabs "Faces" and "About".

import { $, setChildren, h } from "./dom.js";
import { fetchJsonCached } from "./requests.js";
import { formatScore, formatShort, formatCount } from "./format.js";
import * as image from "./image.js";
import { session } from "./session.js";

export function start() {
  const tabs = [...document.querySelectorAll("[role=tab]")];
  for (const tab of tabs) {
    tab.addEventListener("click", () => {
      for (const other of tabs) {
        other.setAttribute("aria-selected", other === tab);
        $(`tab-${other.dataset.tab}`).hidden = other !== tab;
      }
    });
  }
  showAbout();
  showFaces();
}

export function showAbout() {
  const table = (fields) => h("table", {}, h("tbody", {}, ...Object.entries(fields).filter(([, text]) => text).map(([key, text]) => h("tr", {}, h("th", {}, key), h("td", {}, text)))));
  const imageText = (image) => `${image.shape.join(" × ")} ${image.dtype}, SHA-256 ${image.sha256.slice(0, 16)}…`;
  const list = (fields) => Object.entries(fields).map(([key, value]) => `${key} ${Array.isArray(value) ? value.join(" ") : String(value).slice(0, 60)}`).join(", ");
  setChildren($("tab-about"), Object.entries(session.about.sides).flatMap(([letter, side]) => [
    h("h3", {}, `${session.two ? `${letter.toUpperCase()}: ` : ""}${side.label}`),
    table({
      contents: `${formatCount(side.tensors, "tensor")}, capture level ${side.capture}`,
      image: side.picture ? imageText(side.picture) : "none",
      "selected names": side.only.join(" "),
      options: list(side.options),
      model: Object.entries(side.model).map(([key, value]) => `${key} ${String(value).slice(0, 12)}…`).join(", "),
      "made by (according to the file)": list(side.made_by),
    }),
  ]).concat(session.notes.map((note) => h("p", { class: "quiet" }, `note: ${note}`))));
}

async function showFaces() {
  const found = await fetchJsonCached("faces").catch((error) => ({ error: error.message }));
  const panel = $("tab-faces");
  if (found.error || (!found.a && !found.b)) {
    setChildren(panel, [h("p", { class: "note" }, found.error ?? "the trace does not contain the final boxes with their values")]);
    return;
  }
  const score = (side, index) => (index === null ? "–" : formatScore(found[side].scores[index], 5));
  const show = (side, index) => {
    image.selectBox(`${side}:final:${index}`);
    image.zoomToBox(found[side].boxes[index].map(Number));
  };
  if (!found.a || !found.b) {
    const side = found.a ? "a" : "b", { boxes, scores } = found[side];
    setChildren(panel, [h("p", { class: "quiet" }, formatCount(boxes.length, "face")), h("table", { class: "faces" },
      h("thead", {}, h("tr", {}, ...["face", "score", "x", "y", "width", "height"].map((title) => h("th", {}, title)))),
      h("tbody", {}, ...boxes.map((box, index) => h("tr", { "data-face": index, tabindex: 0, onclick: () => show(side, index) }, h("td", {}, index), h("td", {}, formatScore(scores[index], 5)), ...box.map((value) => h("td", {}, formatShort(value, 5)))))))]);
    return;
  }
  const missing = found.pairs.filter((pair) => pair.b === null).length, added = found.pairs.filter((pair) => pair.a === null).length;
  const far = Math.max(0, ...found.pairs.flatMap((pair) => (pair.apart ?? []).map((value) => Math.abs(Number(value)))));
  const effect = [formatCount(found.pairs.length - missing - added, "face") + " in both", missing ? `${missing} missing in B` : "", added ? `${added} only in B` : "", far ? `coordinates differ by up to ${formatShort(far, 3)} px` : missing || added ? "" : "identical coordinates"];
  setChildren(panel, [h("p", { id: "effect", class: missing || added || far ? "bad" : "good" }, effect.filter(Boolean).join(", ")), h("table", { class: "faces" },
    h("thead", {}, h("tr", {}, ...["A", "B", "score A", "score B", "IoU", "Δx", "Δy", "Δwidth", "Δheight"].map((title) => h("th", {}, title)))),
    h("tbody", {}, ...found.pairs.map((pair) => {
      const [side, index] = pair.a === null ? ["b", pair.b] : ["a", pair.a];
      return h("tr", { "data-face": `${side}${index}`, tabindex: 0, class: pair.a === null || pair.b === null ? "bad" : "", onclick: () => show(side, index) },
        ...[pair.a ?? "–", pair.b ?? "–", score("a", pair.a), score("b", pair.b), formatShort(pair.iou, 5), ...(pair.apart ?? ["", "", "", ""]).map((value) => formatShort(value, 3))].map((text) => h("td", {}, text)));
    })))]);
}
