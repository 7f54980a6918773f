"""The whole detection, with any faults: every tensor by name, and what it does to the faces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...trace.judge.faces import pair_up
from ...types import StageName
from .fault import RIGHT, Array, Knobs
from .steps import PICTURE, Setting

MOST_CROPS = 5000  # a fault may let everything through


def simulate(setting: Setting, faults: Mapping[str, Knobs] | None = None) -> dict[str, Array]:
    """All tensors of a detection. `faults`: the knobs by kind of step. ValueError where a fault leaves
    something that the next step cannot take."""
    tensors: dict[str, Array] = {PICTURE: setting.picture}

    def count(stage: StageName) -> int:
        found = len(tensors[f"{stage}/boxes_in"])
        if found > MOST_CROPS:
            raise ValueError(f"{found} boxes enter {stage}")
        return found

    for step in setting.steps(count):
        knobs = (faults or {}).get(step.kind, RIGHT)
        outputs = step.run([tensors[name] for name in step.inputs], knobs)
        tensors.update(zip(step.outputs, outputs, strict=True))
    del tensors[PICTURE]
    return tensors


@dataclass(frozen=True)
class Effect:
    """What a fault alone does to the final boxes: `moved`, the farthest that a number of a box moves, in
    pixels; faces that get `lost`, and that are found `beside` the right ones."""

    moved: float
    lost: int
    beside: int

    def __str__(self) -> str:
        words = [
            f"moves the final boxes by up to {self.moved:.3g} px" if self.moved else "moves no final box"
        ]
        for count, what in ((self.lost, "loses"), (self.beside, "adds")):
            if count:
                words.append(f"{what} {count} face{'s' * (count > 1)}")
        return ", ".join(words)


def effect(setting: Setting, right: Array, faults: Mapping[str, Knobs]) -> Effect | None:
    """Of these faults alone; `right`: the boxes without any. None where the detection cannot be run so."""
    try:
        with np.errstate(all="ignore"):
            boxes = simulate(setting, faults)["final/boxes"]
    except (ValueError, IndexError, ArithmeticError, MemoryError):
        return None
    if not np.isfinite(boxes).all():
        return None
    pairs = pair_up(right, boxes)
    moved = max((max(map(abs, pair.apart)) for pair in pairs if pair.apart), default=0.0)
    return Effect(moved, sum(pair.b is None for pair in pairs), sum(pair.a is None for pair in pairs))
