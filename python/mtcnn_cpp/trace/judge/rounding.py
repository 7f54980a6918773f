"""Is all that differs rounding noise? Sums in another order part in their last bits, and in nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from .magnitudes import Magnitudes
from .order import ANOTHER_ORDER
from .report import Report

NOISE = 2e-5  # of a layer's greatest magnitude: more than another order of the sums makes, less than a fault


@dataclass(frozen=True)
class Rounding:
    """All that differs is rounding. `tensors`: how many differ; `share`: the largest difference as a share of
    its layer's greatest magnitude, and `name`, where it is; `boxes`: by how many pixels the final boxes
    differ at most, None where they are not compared. `reordered`: how many of them hold the same boxes in
    another order, because scores are nearly equal."""

    tensors: int
    share: float
    name: str
    boxes: float | None
    reordered: int = 0

    def __str__(self) -> str:
        boxes = "" if self.boxes is None else f"; final boxes within {self.boxes:.2g} px"
        order = f"; {self.reordered} hold the {ANOTHER_ORDER}" if self.reordered else ""
        return (
            f"all of it is rounding noise: {self.tensors} tensors differ, by at most {self.share:.1e} of a "
            f"layer's greatest magnitude ({self.name}){order}{boxes}"
        )


def rounding(report: Report) -> Rounding | None:
    """None where nothing failed, or where something failed that no rounding explains: another shape or dtype,
    NaN, another choice of boxes, a tensor without values, or a difference beyond NOISE."""
    failed = [row for row in report.rows if not row.ok]
    if not failed:
        return None
    magnitudes = Magnitudes(report.a)
    worst, where = 0.0, ""
    for row in failed:
        if row.reordered and row.figures is None:  # nothing differs but the order of nearly equal scores
            continue
        if row.figures is None or row.a is None or not row.a.dtype.startswith("float"):
            return None
        share = row.figures.absolute.maximum / max(magnitudes[row.name], 1e-30)
        if not share <= NOISE:
            return None
        worst, where = max((worst, where), (share, row.name))
    boxes = [row for row in report.compared if row.name == "final/boxes"]
    apart = None
    if boxes:
        apart = boxes[0].figures.absolute.maximum if boxes[0].figures else 0.0
    return Rounding(len(failed), worst, where, apart, sum(row.reordered for row in failed))
