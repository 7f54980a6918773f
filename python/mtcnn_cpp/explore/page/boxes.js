// The boxes of each stage as the picture shows them, and the way of each through the stages.

import { askOnce } from "./ask.js";
import { has, session } from "./session.js";

const crop = (network, number) => `${network}/crop${String(number).padStart(3, "0")}`;

/** Everything the server knows of a side's boxes, with lists that can be drawn: {id, stage, level, box, score}. */
export class Boxes {
  constructor(side, found) {
    this.side = side;
    this.found = found;
    this.drawn = { proposals: [], nms: [], rnet: [], onet: [], final: [] };
    this.left = {}; // how many of a stage are not listed
    const add = (stage, ids, boxes, scores) => {
      boxes.forEach((box, index) => {
        if (!box.every((value) => Number.isFinite(value))) return;
        this.drawn[stage].push({ id: `${side}:${stage}:${ids(index)}`, stage, box, score: scores[index] ?? null });
      });
    };
    found.levels.forEach((level, place) => {
      add("proposals", (index) => `${place}:${index}`, level.boxes, level.scores);
      for (const one of this.drawn.proposals.slice(-level.boxes.length || Infinity)) one.level = place;
      this.left.proposals = (this.left.proposals ?? 0) + level.total - level.boxes.length;
    });
    if (found.joined) {
      const kept = found.after_nms.filter((place) => found.joined.boxes[place]);
      add("nms", (index) => kept[index], kept.map((place) => found.joined.boxes[place]), kept.map((place) => found.joined.scores[place]));
      this.left.nms = found.joined.total - found.joined.boxes.length;
    }
    for (const [stage, list] of [["rnet", found.onet], ["onet", found.onet_out], ["final", found.final]]) {
      if (!list) continue;
      // what RNet passed on are the squares that enter ONet; their score here is RNet's
      const scores = stage === "rnet" ? list.boxes.map((_, index) => found.rnet?.scores[list.origin?.[index]]) : list.scores;
      add(stage, (index) => index, list.boxes, scores);
      this.left[stage] = list.total - list.boxes.length;
    }
  }

  /** The box with that id, or undefined. */
  get(id) {
    const stage = id.split(":")[1];
    return (this.drawn[stage] ?? []).find((one) => one.id === id);
  }

  /** Where a box was before and became later: {level, index, joined, rnet, onet, final}; what is not known is
   * missing. */
  way(id) {
    const [, stage, first, second] = id.split(":");
    const { joined, after_nms: kept, rnet, onet, final } = this.found;
    const way = {};
    const back = (list, index) => (index === undefined ? undefined : list?.origin?.[index]);
    const ahead = (list, index) => {
      const place = index === undefined ? -1 : (list?.origin ?? []).indexOf(index);
      return place < 0 ? undefined : place;
    };
    if (stage === "final" || stage === "onet") {
      way.final = Number(first);
      way.onet = back(final ?? this.found.onet_out, way.final);
    } else if (stage === "rnet") way.onet = Number(first);
    else if (stage === "nms") way.joined = Number(first);
    else [way.level, way.index] = [Number(first), Number(second)];
    if (way.onet !== undefined) {
      way.rnet = back(onet, way.onet);
      way.joined = back(rnet, way.rnet);
    }
    if (way.joined !== undefined) {
      way.level = joined?.crop?.[way.joined];
      way.index = back(joined, way.joined);
    } else if (way.level !== undefined && joined?.crop) {
      const place = joined.crop.findIndex((level, at) => level === way.level && joined.origin[at] === way.index);
      if (place >= 0) way.joined = place;
    }
    if (way.joined !== undefined && way.rnet === undefined && kept.includes(way.joined)) way.rnet = ahead(rnet, way.joined);
    if (way.rnet !== undefined && way.onet === undefined) way.onet = ahead(onet, way.rnet);
    if (way.onet !== undefined && way.final === undefined) way.final = ahead(final, way.onet);
    return way;
  }

  /** The steps of a box's way that can be shown: {title, score, name, at, id}. */
  steps(id) {
    const way = this.way(id), { side, found } = this, steps = [];
    const level = found.levels[way.level];
    if (level && way.index !== undefined) {
      const cell = level.cells?.[way.index];
      steps.push({
        stage: "proposals", title: `PNet level ${level.number}${cell ? `, cell ${cell.join(", ")}` : ""}`, score: level.scores[way.index],
        name: `${level.name}/heat_map`, at: cell ?? null, id: `${side}:proposals:${way.level}:${way.index}`, level: way.level,
      });
    }
    if (way.joined !== undefined && found.after_nms.includes(way.joined)) {
      steps.push({ stage: "nms", title: "after NMS", score: found.joined?.scores[way.joined], name: "pnet/boxes", at: [way.joined, 0], id: `${side}:nms:${way.joined}` });
    }
    if (way.rnet !== undefined) steps.push({ stage: "rnet", title: `RNet crop ${way.rnet}`, score: found.rnet?.scores[way.rnet], name: deepest(crop("rnet", way.rnet)), at: null, id: way.onet === undefined ? `${side}:nms:${way.joined}` : `${side}:rnet:${way.onet}` });
    if (way.onet !== undefined) steps.push({ stage: "onet", title: `ONet crop ${way.onet}`, score: found.onet?.scores[way.onet], name: deepest(crop("onet", way.onet)), at: null, id: way.final === undefined ? `${side}:rnet:${way.onet}` : `${side}:onet:${way.final}` });
    if (way.final !== undefined) steps.push({ stage: "final", title: `face ${way.final}`, score: found.final?.scores[way.final], name: "final/boxes", at: [way.final, 0], id: `${side}:final:${way.final}` });
    return steps.filter((step) => has(step.name));
  }

  /** Where a click on a box leads: its crop in the network that judged it last, or its cell in the heat map. */
  target(id) {
    const stage = id.split(":")[1], steps = this.steps(id);
    const wanted = { proposals: ["proposals"], nms: ["rnet", "nms"], rnet: ["onet", "rnet"], onet: ["onet"], final: ["onet", "final"] }[stage];
    for (const word of wanted) {
      const step = steps.find((one) => one.stage === word);
      if (step) return step;
    }
    return steps.at(-1);
  }
}

/** The first divergent tensor of a crop where there is one, else its input, else what is there. */
function deepest(place) {
  if (has(`${place}/input`)) return `${place}/input`;
  return session.tensors.find(({ name }) => name.startsWith(`${place}/`))?.name ?? `${place}/input`;
}

const loaded = {};

/** The boxes of a side, asked for once. */
export function boxesOf(side) {
  loaded[side] ??= askOnce("boxes", { side }).then((found) => new Boxes(side, found));
  return loaded[side];
}
