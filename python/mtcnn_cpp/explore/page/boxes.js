// The boxes of each stage, and the path of a box through the stages.

import { $, h, setChildren } from "./dom.js";
import { formatScore } from "./format.js";
import { currentState, navigate } from "./navigation.js";
import { fetchJsonCached } from "./requests.js";
import { groupOf, hasTensor, session } from "./session.js";

const crop = (network, number) => `${network}/crop${String(number).padStart(3, "0")}`;

/** The boxes of one trace. For each stage, `drawn` contains a list of the boxes that can be drawn, as {id, stage, level, box, score}. */
export class Boxes {
  constructor(side, found) {
    this.side = side;
    this.found = found;
    this.drawn = { proposals: [], nms: [], rnet: [], onet: [], final: [] };
    const add = (stage, ids, boxes, scores) => {
      boxes.forEach((box, index) => {
        if (!box.every((value) => Number.isFinite(value))) return;
        this.drawn[stage].push({ id: `${side}:${stage}:${ids(index)}`, stage, box, score: scores[index] ?? null });
      });
    };
    found.levels.forEach((level, position) => {
      add("proposals", (index) => `${position}:${index}`, level.boxes, level.scores);
      for (const box of this.drawn.proposals.slice(-level.boxes.length || Infinity)) box.level = position;
    });
    if (found.joined) {
      const kept = found.after_nms.filter((index) => found.joined.boxes[index]);
      add("nms", (index) => kept[index], kept.map((position) => found.joined.boxes[position]), kept.map((position) => found.joined.scores[position]));
    }
    for (const [stage, list] of [["rnet", found.onet], ["onet", found.onet_out], ["final", found.final]]) {
      if (!list) continue;
      // the output of RNet is the list of squares that enter ONet; it has the scores of RNet
      const scores = stage === "rnet" ? list.boxes.map((_, index) => found.rnet?.scores[list.origin?.[index]]) : list.scores;
      add(stage, (index) => index, list.boxes, scores);
    }
  }

  /** The box with that id, or undefined. */
  get(id) {
    const stage = id.split(":")[1];
    return (this.drawn[stage] ?? []).find((box) => box.id === id);
  }

  /** The indices of a box in the lists of all stages: {level, index, joined, rnet, onet, final}. An unknown index
   * is left out. */
  indices(id) {
    const [, stage, first, second] = id.split(":");
    const { joined, after_nms: kept, rnet, onet, final } = this.found;
    const indices = {};
    const back = (list, index) => (index === undefined ? undefined : list?.origin?.[index]);
    const ahead = (list, index) => {
      const position = index === undefined ? -1 : (list?.origin ?? []).indexOf(index);
      return position < 0 ? undefined : position;
    };
    if (stage === "final" || stage === "onet") {
      indices.final = Number(first);
      indices.onet = back(final ?? this.found.onet_out, indices.final);
    } else if (stage === "rnet") indices.onet = Number(first);
    else if (stage === "nms") indices.joined = Number(first);
    else [indices.level, indices.index] = [Number(first), Number(second)];
    if (indices.onet !== undefined) {
      indices.rnet = back(onet, indices.onet);
      indices.joined = back(rnet, indices.rnet);
    }
    if (indices.joined !== undefined) {
      indices.level = joined?.crop?.[indices.joined];
      indices.index = back(joined, indices.joined);
    } else if (indices.level !== undefined && joined?.crop) {
      const position = joined.crop.findIndex((level, at) => level === indices.level && joined.origin[at] === indices.index);
      if (position >= 0) indices.joined = position;
    }
    if (indices.joined !== undefined && indices.rnet === undefined && kept.includes(indices.joined)) indices.rnet = ahead(rnet, indices.joined);
    if (indices.rnet !== undefined && indices.onet === undefined) indices.onet = ahead(onet, indices.rnet);
    if (indices.onet !== undefined && indices.final === undefined) indices.final = ahead(final, indices.onet);
    return indices;
  }

  /** The path of a box through the stages. A step is {stage, title, score, name, at, id}. A step whose tensor is not in the trace is left out. */
  steps(id) {
    const indices = this.indices(id), { side, found } = this, steps = [];
    const level = found.levels[indices.level];
    if (level && indices.index !== undefined) {
      const cell = level.cells?.[indices.index];
      steps.push({
        stage: "proposals", title: `PNet level ${level.number}${cell ? `, cell ${cell.join(", ")}` : ""}`, score: level.scores[indices.index],
        name: `${level.name}/heat_map`, at: cell ?? null, id: `${side}:proposals:${indices.level}:${indices.index}`, level: indices.level,
      });
    }
    if (indices.joined !== undefined && found.after_nms.includes(indices.joined)) {
      steps.push({ stage: "nms", title: "after NMS", score: found.joined?.scores[indices.joined], name: "pnet/boxes", at: [indices.joined, 0], id: `${side}:nms:${indices.joined}` });
    }
    if (indices.rnet !== undefined) steps.push({ stage: "rnet", title: `RNet crop ${indices.rnet}`, score: found.rnet?.scores[indices.rnet], name: firstTensor(crop("rnet", indices.rnet)), at: null, id: indices.onet === undefined ? `${side}:nms:${indices.joined}` : `${side}:rnet:${indices.onet}` });
    if (indices.onet !== undefined) steps.push({ stage: "onet", title: `ONet crop ${indices.onet}`, score: found.onet?.scores[indices.onet], name: firstTensor(crop("onet", indices.onet)), at: null, id: indices.final === undefined ? `${side}:rnet:${indices.onet}` : `${side}:onet:${indices.final}` });
    if (indices.final !== undefined) steps.push({ stage: "final", title: `face ${indices.final}`, score: found.final?.scores[indices.final], name: "final/boxes", at: [indices.final, 0], id: `${side}:final:${indices.final}` });
    return steps.filter((step) => hasTensor(step.name));
  }

  /** The step that a click on a box shows: its crop in the last network that processed it, or its cell in the heat map. */
  target(id) {
    const stage = id.split(":")[1], steps = this.steps(id);
    const stages = { proposals: ["proposals"], nms: ["rnet", "nms"], rnet: ["onet", "rnet"], onet: ["onet"], final: ["onet", "final"] }[stage];
    for (const name of stages) {
      const step = steps.find((other) => other.stage === name);
      if (step) return step;
    }
    return steps.at(-1);
  }
}

/** The input of a crop, or its first tensor if the trace lacks the input. */
function firstTensor(group) {
  if (hasTensor(`${group}/input`)) return `${group}/input`;
  return session.tensors.find(({ name }) => name.startsWith(`${group}/`))?.name ?? `${group}/input`;
}

const loaded = {};

/** The boxes of a trace. They are fetched only once. */
export function boxesOf(side) {
  loaded[side] ??= fetchJsonCached("boxes", { side }).then((found) => new Boxes(side, found));
  return loaded[side];
}

const LAST_STEP = "The final box lies below ONet's box: OpenFace's last step moves the upper border down by 24.59 % of the height, and reduces the height to 77.51 %. The forehead is left out.";

/** Show the path of the selected box through the stages as buttons. `sides`: the boxes of both traces. */
export function showBoxPath(sides) {
  const { box, name } = currentState();
  const side = sides.find((boxes) => boxes.side === box[0]);
  const steps = box && side ? side.steps(box) : [];
  setChildren($("box-path"), steps.flatMap((step, index) => [
    index ? h("span", { class: "quiet" }, "→") : session.two ? h("b", {}, side.side.toUpperCase()) : null,
    h("button", {
      class: "step", "data-stage": step.stage, colour: `var(--box-${step.stage})`, "aria-pressed": groupOf(step.name) === groupOf(name),
      onclick: () => navigate({ name: step.name, at: step.at, box: step.id, ...(step.level === undefined ? {} : { level: step.level }) }),
    }, step.title, step.score === undefined || step.score === null ? null : h("small", {}, ` score ${formatScore(step.score)}`)),
  ]).concat(steps.some(({ stage }) => stage === "final") ? [h("p", { class: "quiet" }, LAST_STEP)] : []));
}
