"""Steps of a detection: which tensors each step reads and writes, and which faults it can have.

The formulas are in `layer_faults`, `image_faults` and `box_faults`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from ....formats.evaluation import LAYER_TOLERANCE
from ....model import Model
from ....reference.boxes import are_usable
from ....reference.options import Options
from ....reference.plan import STAGES, map_size, pyramid
from ....trace.names import template
from ....types import StageName
from . import box_faults, image_faults
from .faults import Array, Fault, Parameters, make_faults
from .layer_faults import LayerRunner, layer_faults

IMAGE = "image"  # name of the image among the inputs of steps
LIST_TOLERANCE = 2e-6  # effect of rounding on lists of boxes, as a share of the greatest magnitude
Run = Callable[[list[Array], Parameters], tuple[Array, ...]]


@dataclass(frozen=True, eq=False)
class Step:
    """A step of a detection: the tensors that it reads and writes, its possible faults, and its computation.

    `tolerance`: largest effect that rounding can have on the outputs, as a share of their greatest magnitude.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    faults: tuple[Fault, ...]
    run: Run
    tolerance: float

    @cached_property
    def kind(self) -> str:
        """Name of the first output with * in place of the number of the level or crop."""
        return template(self.outputs[0])


class DetectionSteps:
    """The steps of a detection for an RGB image (H, W, 3)."""

    def __init__(self, model: Model, options: Options, image: Array) -> None:
        self.model = model
        self.options = options
        self.image = image
        self.layers = LayerRunner(model)
        height, width = image.shape[:2]
        self.levels = {
            number: level
            for number, level in enumerate(pyramid(height, width, options))
            if map_size(model.pnet, *level.size)
        }

    def all(self, count_crops: Callable[[StageName], int]) -> Iterator[Step]:
        """All steps in execution order.

        `count_crops` gives the number of crops of a network. This iterator calls it only after it has yielded
        all previous steps. Therefore, the caller can run these steps first.
        """
        for number in self.levels:
            yield from self._level(number)
        yield self._join_levels()
        yield self._suppression("pnet/nms_keep", ("pnet/boxes", "pnet/scores"))
        yield self._squares("rnet", ("pnet/boxes", "pnet/offsets", "pnet/nms_keep"))
        yield from self._crops("rnet", count_crops("rnet"))
        yield from self._refine(count_crops("rnet"))
        inputs = ("rnet/boxes_in", "rnet/offsets", "rnet/keep", "rnet/nms_keep")
        yield self._squares("onet", inputs)
        yield from self._crops("onet", count_crops("onet"))
        yield from self._finish(count_crops("onet"))

    def kinds(self) -> list[str]:
        """All kinds of steps in execution order."""
        return list(dict.fromkeys(step.kind for step in self.all(lambda stage: 1)))

    def _level(self, number: int) -> Iterator[Step]:
        prefix, level = f"pnet/level{number:02d}", self.levels[number]
        limit = self.options.thresholds[0]
        yield Step(
            (IMAGE,),
            (f"{prefix}/input",),
            image_faults.LEVEL_FAULTS,
            lambda given, parameters: (image_faults.level_input(given[0], level.scale, parameters),),
            LAYER_TOLERANCE,
        )
        yield from self._network("pnet", prefix)
        last = f"{prefix}/{self.model.pnet.names[-1]}"
        yield Step(
            (last,),
            (f"{prefix}/heat_map",),
            make_faults(box_faults.PROBABILITY_FAULTS),
            lambda given, parameters: (box_faults.probability(given[0], parameters),),
            LAYER_TOLERANCE,
        )
        yield Step(
            (f"{prefix}/heat_map", last),
            tuple(f"{prefix}/{name}" for name in ("boxes", "scores", "offsets")),
            make_faults({**box_faults.PROPOSAL_FAULTS, **box_faults.threshold_faults(limit)}),
            lambda given, parameters: box_faults.propose(given[0], given[1], level.scale, limit, parameters),
            LIST_TOLERANCE,
        )
        yield self._suppression(f"{prefix}/nms_keep", (f"{prefix}/boxes", f"{prefix}/scores"), 0.5)

    def _network(self, stage: StageName, prefix: str) -> Iterator[Step]:
        """The layers of a network for a level or crop."""
        previous, names = f"{prefix}/input", self.model.networks[stage].names
        for name in names:
            step = self.layers.steps[stage][name]
            faults = layer_faults(step, first=name == names[0], last=name == names[-1])
            run = partial(self._run_layer, stage, name)
            yield Step((previous,), (f"{prefix}/{name}",), faults, run, LAYER_TOLERANCE)
            previous = f"{prefix}/{name}"

    def _run_layer(
        self, stage: StageName, name: str, given: list[Array], parameters: Parameters
    ) -> tuple[Array, ...]:
        return (self.layers.run(stage, name, given[0], parameters),)

    def _join_levels(self) -> Step:
        """Step that concatenates the remaining boxes of all levels."""
        fields = ("boxes", "scores", "offsets", "nms_keep")
        names = tuple(f"pnet/level{number:02d}/{field}" for number in self.levels for field in fields)

        def run(given: list[Array], parameters: Parameters) -> tuple[Array, ...]:
            empty = [np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty((0, 4), np.float32)]
            levels = [given[start : start + 4] for start in range(0, len(given), 4)]
            if "levels" in parameters:
                levels.reverse()
            return tuple(
                np.concatenate([empty[field], *(level[field][level[3]] for level in levels)])
                for field in range(3)
            )

        fix = "concatenate the levels from the largest to the smallest"
        faults = make_faults({"levels": (fix, {"reversed": "levels concatenated in reversed order"})})
        return Step(names, ("pnet/boxes", "pnet/scores", "pnet/offsets"), faults, run, LIST_TOLERANCE)

    def _suppression(self, name: str, inputs: tuple[str, str], limit: float = 0.7) -> Step:
        return Step(
            inputs,
            (name,),
            make_faults(box_faults.nms_faults(limit, "union")),
            lambda given, parameters: (box_faults.suppress(given[0], given[1], limit, "union", parameters),),
            LIST_TOLERANCE,
        )

    def _squares(self, stage: StageName, inputs: tuple[str, ...]) -> Step:
        """Step that computes the squares that enter a network.

        Its inputs are boxes, offsets, and the indices of the boxes that remain.
        """

        def run(given: list[Array], parameters: Parameters) -> tuple[Array, ...]:
            boxes, offsets, picked = given[0], given[1], resolve_indices(given[2:])
            height, width = self.image.shape[:2]
            return (box_faults.make_squares(boxes[picked], offsets[picked], height, width, parameters),)

        return Step(
            inputs, (f"{stage}/boxes_in",), make_faults(box_faults.SQUARE_FAULTS), run, LIST_TOLERANCE
        )

    def _crops(self, stage: StageName, count: int) -> Iterator[Step]:
        side = STAGES[stage].side or 0

        def crop(number: int, given: list[Array], parameters: Parameters) -> tuple[Array, ...]:
            if number >= len(given[1]):
                raise ValueError(f"expected a box for crop {number}, found only {len(given[1])} boxes")
            return (image_faults.crop_input(given[0], given[1][number], side, parameters),)

        for number in range(count):
            prefix = f"{stage}/crop{number:03d}"
            yield Step(
                (IMAGE, f"{stage}/boxes_in"),
                (f"{prefix}/input",),
                image_faults.CROP_FAULTS,
                partial(crop, number),
                LAYER_TOLERANCE,
            )
            yield from self._network(stage, prefix)

    def _outputs(self, stage: StageName, count: int) -> Step:
        """Scores and offsets of all crops, and the landmarks of ONet."""
        last = self.model.networks[stage].names[-1]
        values = tuple(f"{stage}/crop{number:03d}/{last}" for number in range(count))
        landmarks = stage == "onet"

        def run(given: list[Array], parameters: Parameters) -> tuple[Array, ...]:
            empty = np.empty((0, STAGES[stage].outputs), np.float32)
            values = np.concatenate([empty, *(one.reshape(1, -1) for one in given[1:])])
            scores = box_faults.probability(values.T, parameters, wide=True)
            result = (scores, box_faults.order_offsets(values[:, 2:6], parameters))
            if not landmarks:
                return result
            return (*result, box_faults.place_landmarks(given[0], values[:, 6:16], parameters))

        table = box_faults.PROBABILITY_FAULTS | box_faults.OFFSET_ORDER_FAULTS
        faults = make_faults(table | box_faults.LANDMARK_FAULTS if landmarks else table)
        names = ("scores", "offsets", *(("landmarks",) if landmarks else ()))
        outputs = tuple(f"{stage}/{name}" for name in names)
        return Step((f"{stage}/boxes_in", *values), outputs, faults, run, LAYER_TOLERANCE)

    def _refine(self, count: int) -> Iterator[Step]:
        """Steps after RNet: its outputs, and the boxes that remain."""
        limit = self.options.thresholds[1]
        yield self._outputs("rnet", count)
        yield Step(
            ("rnet/scores",),
            ("rnet/keep",),
            make_faults(box_faults.threshold_faults(limit)),
            lambda given, parameters: (above_threshold(given[0], limit, parameters),),
            LIST_TOLERANCE,
        )

        def suppress(given: list[Array], parameters: Parameters) -> tuple[Array, ...]:
            keep = given[2]
            return (box_faults.suppress(given[0][keep], given[1][keep], 0.7, "union", parameters),)

        inputs = ("rnet/boxes_in", "rnet/scores", "rnet/keep")
        faults = make_faults(box_faults.nms_faults(0.7, "union"))
        yield Step(inputs, ("rnet/nms_keep",), faults, suppress, LIST_TOLERANCE)

    def _finish(self, count: int) -> Iterator[Step]:
        """Steps after ONet: its outputs, and the faces."""
        limit = self.options.thresholds[2]
        yield self._outputs("onet", count)

        def keep_usable(given: list[Array], parameters: Parameters) -> tuple[Array, ...]:
            keep = above_threshold(given[2], limit, parameters)
            return (keep[are_usable(box_faults.move(given[0][keep], given[1][keep], add=True))],)

        inputs = ("onet/boxes_in", "onet/offsets", "onet/scores")
        thresholds = make_faults(box_faults.threshold_faults(limit))
        yield Step(inputs, ("onet/keep",), thresholds, keep_usable, LIST_TOLERANCE)

        def suppress(given: list[Array], parameters: Parameters) -> tuple[Array, ...]:
            keep = given[3]
            moved = box_faults.move(given[0][keep], given[1][keep], parameters, add=True)
            chosen = box_faults.suppress(moved, given[2][keep], 0.7, "minimum", parameters)
            return chosen, moved[chosen]

        faults = make_faults({**box_faults.nms_faults(0.7, "minimum"), **box_faults.FINAL_MOVE_FAULTS})
        outputs = ("onet/nms_keep", "onet/boxes_out")
        yield Step((*inputs, "onet/keep"), outputs, faults, suppress, LIST_TOLERANCE)
        yield Step(
            ("onet/boxes_out",),
            ("final/boxes",),
            make_faults(box_faults.CORRECTION_FAULTS),
            lambda given, parameters: (box_faults.correct_boxes(given[0], parameters),),
            LIST_TOLERANCE,
        )
        for name in ("scores", "landmarks"):
            yield Step(
                (f"onet/{name}", "onet/keep", "onet/nms_keep"),
                (f"final/{name}",),
                (),
                lambda given, _: (given[0][resolve_indices(given[1:])],),
                LIST_TOLERANCE,
            )


def resolve_indices(lists: list[Array]) -> Array:
    """Return indices into the first list. Each list contains indices into the list before it."""
    result = lists[0]
    for following in lists[1:]:
        result = result[following]
    return result


def above_threshold(scores: Array, limit: float, parameters: Parameters) -> Array:
    """Indices of the scores that reach the threshold."""
    return np.flatnonzero(scores >= np.float32(parameters.get("threshold", limit))).astype(np.int32)
