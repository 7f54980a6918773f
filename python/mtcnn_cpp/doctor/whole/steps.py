"""A detection as a row of steps: which tensors each one takes and gives, and what can be wrong with it.

The formulas stand in `layers`, `pixels` and `boxes`; here they get the names of tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from ...model import Model
from ...reference.boxes import are_usable
from ...reference.options import Options
from ...reference.plan import STAGES, map_size, pyramid
from ...trace.names import template
from ...types import StageName
from . import boxes, pixels
from .fault import Array, Fault, Knobs, table
from .layers import Layers, faults_of

PICTURE = "picture"
LAYER, ENTERING, LIST = 2e-5, 2e-5, 2e-6  # what rounding may make, as a share of the greatest magnitude
Run = Callable[[list[Array], Knobs], tuple[Array, ...]]


@dataclass(frozen=True, eq=False)
class Step:
    """Computes `outputs` from `inputs` (names of tensors). `faults`: what its knobs may stand at.
    `tolerance`: what rounding may make of its outputs, as a share of their greatest magnitude."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    faults: tuple[Fault, ...]
    run: Run
    tolerance: float

    @cached_property
    def kind(self) -> str:
        """What all levels or crops have in common: the name of the first output with a * for the number."""
        return template(self.outputs[0])


class Setting:
    """What all steps share: networks, options, and the picture (H, W, 3), R, G, B."""

    def __init__(self, model: Model, options: Options, picture: Array) -> None:
        self.model = model
        self.options = options
        self.picture = picture
        self.layers = Layers(model)
        height, width = picture.shape[:2]
        self.levels = {
            number: level
            for number, level in enumerate(pyramid(height, width, options))
            if map_size(model.pnet, *level.size)
        }

    def steps(self, count: Callable[[StageName], int]) -> Iterator[Step]:
        """All steps in execution order. `count`: how many crops a network gets; it is asked when all steps
        before have been used."""
        for number in self.levels:
            yield from self.level(number)
        yield self.joined()
        yield self.suppressed("pnet/nms_keep", ("pnet/boxes", "pnet/scores"))
        yield self.entering("rnet", ("pnet/boxes", "pnet/offsets", "pnet/nms_keep"))
        yield from self.crops("rnet", count("rnet"))
        yield from self.refined(count("rnet"))
        came = ("rnet/boxes_in", "rnet/offsets", "rnet/keep", "rnet/nms_keep")
        yield self.entering("onet", came)
        yield from self.crops("onet", count("onet"))
        yield from self.found(count("onet"))

    def level(self, number: int) -> Iterator[Step]:
        place, level = f"pnet/level{number:02d}", self.levels[number]
        limit = self.options.thresholds[0]
        yield Step(
            (PICTURE,),
            (f"{place}/input",),
            pixels.LEVEL,
            lambda given, knobs: (pixels.level(given[0], level.scale, knobs),),
            ENTERING,
        )
        yield from self.network("pnet", place)
        last = f"{place}/{self.model.pnet.names[-1]}"
        yield Step(
            (last,),
            (f"{place}/heat_map",),
            boxes.PROBABILITY,
            lambda given, knobs: (boxes.probability(given[0], knobs),),
            LAYER,
        )
        yield Step(
            (f"{place}/heat_map", last),
            tuple(f"{place}/{name}" for name in ("boxes", "scores", "offsets")),
            (*boxes.WALK, *boxes.threshold_faults(limit)),
            lambda given, knobs: boxes.candidates(given[0], given[1], level.scale, limit, knobs),
            LIST,
        )
        yield self.suppressed(f"{place}/nms_keep", (f"{place}/boxes", f"{place}/scores"), 0.5)

    def network(self, stage: StageName, place: str) -> Iterator[Step]:
        """The layers of a network at a level or crop."""
        before, names = f"{place}/input", self.model.networks[stage].names
        for name in names:
            step = self.layers.steps[stage][name]
            found = faults_of(step, first=name == names[0], last=name == names[-1])
            yield Step((before,), (f"{place}/{name}",), found, partial(self._layer, stage, name), LAYER)
            before = f"{place}/{name}"

    def _layer(self, stage: StageName, name: str, given: list[Array], knobs: Knobs) -> tuple[Array, ...]:
        return (self.layers.run(stage, name, given[0], knobs),)

    def joined(self) -> Step:
        """The survivors of all levels, one after the other."""
        fields = ("boxes", "scores", "offsets", "nms_keep")
        names = tuple(f"pnet/level{number:02d}/{field}" for number in self.levels for field in fields)

        def run(given: list[Array], knobs: Knobs) -> tuple[Array, ...]:
            empty = [np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty((0, 4), np.float32)]
            levels = [given[start : start + 4] for start in range(0, len(given), 4)]
            if "levels" in knobs:
                levels.reverse()
            return tuple(
                np.concatenate([empty[field], *(level[field][level[3]] for level in levels)])
                for field in range(3)
            )

        faults = table(
            "levels",
            "join levels from the largest to the smallest",
            {"reversed": "levels joined in reversed order"},
        )
        return Step(names, ("pnet/boxes", "pnet/scores", "pnet/offsets"), faults, run, LIST)

    def suppressed(self, name: str, inputs: tuple[str, str], limit: float = 0.7) -> Step:
        return Step(
            inputs,
            (name,),
            boxes.nms_faults(limit, "union"),
            lambda given, knobs: (boxes.suppress(given[0], given[1], limit, "union", knobs),),
            LIST,
        )

    def entering(self, stage: StageName, inputs: tuple[str, ...]) -> Step:
        """The squares that enter a network, from boxes, offsets and the picks among them."""

        def run(given: list[Array], knobs: Knobs) -> tuple[Array, ...]:
            found, offsets, picked = given[0], given[1], picks(given[2:])
            height, width = self.picture.shape[:2]
            return (boxes.squares(found[picked], offsets[picked], height, width, knobs),)

        return Step(inputs, (f"{stage}/boxes_in",), boxes.SQUARE, run, LIST)

    def crops(self, stage: StageName, count: int) -> Iterator[Step]:
        side = STAGES[stage].side or 0

        def cut(number: int, given: list[Array], knobs: Knobs) -> tuple[Array, ...]:
            if number >= len(given[1]):
                raise ValueError(f"no box for crop {number}")
            return (pixels.crop(given[0], given[1][number], side, knobs),)

        for number in range(count):
            place = f"{stage}/crop{number:03d}"
            yield Step(
                (PICTURE, f"{stage}/boxes_in"),
                (f"{place}/input",),
                pixels.CROP,
                partial(cut, number),
                ENTERING,
            )
            yield from self.network(stage, place)

    def outputs(self, stage: StageName, count: int) -> Step:
        """Scores and offsets of every crop; ONet's landmarks too."""
        last = self.model.networks[stage].names[-1]
        names = tuple(f"{stage}/crop{number:03d}/{last}" for number in range(count))
        landmarks = stage == "onet"

        def run(given: list[Array], knobs: Knobs) -> tuple[Array, ...]:
            empty = np.empty((0, STAGES[stage].outputs), np.float32)
            values = np.concatenate([empty, *(one.reshape(1, -1) for one in given[1:])])
            scores = boxes.probability(values.T, knobs, wide=True)
            result = (scores, boxes.columns(values[:, 2:6], knobs))
            return (*result, boxes.points(given[0], values[:, 6:16], knobs)) if landmarks else result

        faults = (*boxes.PROBABILITY, *boxes.OFFSETS_ORDER, *(boxes.POINTS if landmarks else ()))
        given = tuple(
            f"{stage}/{name}" for name in ("scores", "offsets", *(("landmarks",) if landmarks else ()))
        )
        return Step((f"{stage}/boxes_in", *names), given, faults, run, LAYER)

    def refined(self, count: int) -> Iterator[Step]:
        """What RNet leaves."""
        limit = self.options.thresholds[1]
        yield self.outputs("rnet", count)
        yield Step(
            ("rnet/scores",),
            ("rnet/keep",),
            boxes.threshold_faults(limit),
            lambda given, knobs: (reached(given[0], limit, knobs),),
            LIST,
        )

        def run(given: list[Array], knobs: Knobs) -> tuple[Array, ...]:
            keep = given[2]
            return (boxes.suppress(given[0][keep], given[1][keep], 0.7, "union", knobs),)

        inputs = ("rnet/boxes_in", "rnet/scores", "rnet/keep")
        yield Step(inputs, ("rnet/nms_keep",), boxes.nms_faults(0.7, "union"), run, LIST)

    def found(self, count: int) -> Iterator[Step]:
        """What ONet leaves, and the faces."""
        limit = self.options.thresholds[2]
        yield self.outputs("onet", count)

        def kept(given: list[Array], knobs: Knobs) -> tuple[Array, ...]:
            keep = reached(given[2], limit, knobs)
            return (keep[are_usable(boxes.move(given[0][keep], given[1][keep], add=True))],)

        came = ("onet/boxes_in", "onet/offsets", "onet/scores")
        yield Step(came, ("onet/keep",), boxes.threshold_faults(limit), kept, LIST)

        def picked(given: list[Array], knobs: Knobs) -> tuple[Array, ...]:
            keep = given[3]
            moved = boxes.move(given[0][keep], given[1][keep], knobs, add=True)
            chosen = boxes.suppress(moved, given[2][keep], 0.7, "minimum", knobs)
            return chosen, moved[chosen]

        faults = (*boxes.nms_faults(0.7, "minimum"), *boxes.MOVE, *boxes.ADD)
        yield Step((*came, "onet/keep"), ("onet/nms_keep", "onet/boxes_out"), faults, picked, LIST)
        yield Step(
            ("onet/boxes_out",),
            ("final/boxes",),
            boxes.CORRECTION,
            lambda given, knobs: (boxes.corrected(given[0], knobs),),
            LIST,
        )
        for name in ("scores", "landmarks"):
            inputs = (f"onet/{name}", "onet/keep", "onet/nms_keep")
            yield Step(inputs, (f"final/{name}",), (), lambda given, _: (given[0][picks(given[1:])],), LIST)


def picks(lists: list[Array]) -> Array:
    """Indices of indices, resolved."""
    found = lists[0]
    for following in lists[1:]:
        found = found[following]
    return found


def reached(scores: Array, limit: float, knobs: Knobs) -> Array:
    """Indices of the scores that reach a threshold."""
    return np.flatnonzero(scores >= np.float32(knobs.get("threshold", limit))).astype(np.int32)
