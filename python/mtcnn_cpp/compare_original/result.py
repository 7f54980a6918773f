"""What a comparison with the original found, in numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..trace.judge.plain import plain
from .cases import Case


@dataclass
class Count:
    """How many values were compared and how many differ. `bits`: differing bits of these. `first`: name of
    first tensor that differs, "" if none does. `share`: largest difference of a tensor as a share of its
    greatest magnitude."""

    tensors: int = 0
    tensors_differing: int = 0
    values: int = 0
    values_differing: int = 0
    bits: int = 0
    first: str = ""
    share: float = 0.0

    def add(self, name: str, original: NDArray[Any], ours: NDArray[Any]) -> None:
        """Compare a tensor, float32. Where shapes differ, every value and bit of the larger one does."""
        self.tensors += 1
        if original.shape != ours.shape:
            larger = max(original.size, ours.size)
            self._differ(name, larger, larger, 32 * larger, float("inf"))
            return
        first, second = (
            np.ascontiguousarray(array, np.float32).view(np.uint32) for array in (original, ours)
        )
        apart = first ^ second
        differing = int(np.count_nonzero(apart))
        if differing == 0:
            self.values += first.size
            return
        bits = int(np.unpackbits(apart[apart != 0].view(np.uint8)).sum())
        with np.errstate(invalid="ignore"):
            largest = float(np.abs(original.astype(np.float64) - ours.astype(np.float64)).max())
            share = largest / (float(np.abs(original).max()) or 1.0)
        self._differ(name, first.size, differing, bits, share)

    def _differ(self, name: str, values: int, differing: int, bits: int, share: float) -> None:
        self.values += values
        self.tensors_differing += 1
        self.values_differing += differing
        self.bits += bits
        self.first = self.first or name
        self.share = max(self.share, share)

    def merge(self, other: Count) -> None:
        """Add the numbers of another one."""
        self.tensors += other.tensors
        self.tensors_differing += other.tensors_differing
        self.values += other.values
        self.values_differing += other.values_differing
        self.bits += other.bits
        self.first = self.first or other.first
        self.share = max(self.share, other.share)


@dataclass
class CaseResult:
    """What was found in one case. `error`: why it could not be compared, "" if it was.

    faces: numbers of faces, of the original and of this package. detection: boxes and scores. tensors: inputs
    are those of this package, outputs those of both. apart: differences of box coordinates in pixels and of
    scores, for faces that pair up.
    """

    case: Case
    faces: tuple[int, int] = (0, 0)
    detection: Count = field(default_factory=Count)
    tensors: Count = field(default_factory=Count)
    heat_maps: Count = field(default_factory=Count)
    apart: tuple[NDArray[np.float64], NDArray[np.float64]] = (np.empty(0), np.empty(0))
    error: str = ""

    @property
    def count(self) -> Count:
        """All that was compared."""
        whole = Count()
        for part in (self.tensors, self.heat_maps, self.detection):
            whole.merge(part)
        return whole

    @property
    def is_equal(self) -> bool:
        return not self.error and self.count.values_differing == 0


@dataclass(frozen=True)
class Spread:
    """How differences are distributed: their number, median, 99th percentile and maximum."""

    count: int
    median: float
    percentile_99: float
    maximum: float

    @classmethod
    def of(cls, differences: NDArray[np.float64]) -> Spread:
        if not differences.size:
            return cls(0, 0.0, 0.0, 0.0)
        median, percentile = np.percentile(differences, [50, 99])
        return cls(differences.size, float(median), float(percentile), float(differences.max()))

    def __str__(self) -> str:
        return f"median {self.median:.2g}, 99 % {self.percentile_99:.2g}, maximum {self.maximum:.3g}"


@dataclass(frozen=True)
class Comparison:
    """The comparison of all cases. `environment`: versions, processor, compiler and hashes, for a report;
    `is_exact`: whether equality is expected of this original (ordered sums)."""

    results: tuple[CaseResult, ...]
    environment: dict[str, str]
    is_exact: bool

    @property
    def count(self) -> Count:
        whole = Count()
        for result in self.compared:
            whole.merge(result.count)
        return whole

    @property
    def inner(self) -> Count:
        """Layers and heat maps alone, without boxes and scores."""
        inner = Count()
        for result in self.compared:
            inner.merge(result.tensors)
            inner.merge(result.heat_maps)
        return inner

    @property
    def compared(self) -> tuple[CaseResult, ...]:
        return tuple(result for result in self.results if not result.error)

    @property
    def is_equal(self) -> bool:
        """Whether every case was compared, and no bit differs."""
        return bool(self.results) and all(result.is_equal for result in self.results)

    @property
    def is_different(self) -> bool:
        """Whether a bit differs in what was compared."""
        return self.count.values_differing > 0

    @property
    def boxes(self) -> Spread:
        """Differences of box coordinates, in pixels."""
        return Spread.of(np.concatenate([np.empty(0), *(result.apart[0] for result in self.results)]))

    @property
    def scores(self) -> Spread:
        """Differences of scores."""
        return Spread.of(np.concatenate([np.empty(0), *(result.apart[1] for result in self.results)]))

    @property
    def headline(self) -> str:
        """The result in one sentence, with what was compared."""
        cases, whole, inner = self.compared, self.count, self.inner
        faces = sum(result.faces[0] for result in cases)
        amount = (
            f"{len(cases)} detections, {faces} faces and {inner.tensors:,} tensors "
            f"({whole.values:,} values) compared"
        )
        missing = len(self.results) - len(cases)
        left_out = f"; {missing} of {len(self.results)} cases could not be compared" if missing else ""
        if not cases:
            return f"nothing was compared: all {missing} cases failed"
        if not whole.values_differing:
            return f"equal in every bit: {amount}, 0 bits differ{left_out}"
        first = next(result for result in cases if result.count.values_differing)
        apart = sum(result.detection.values_differing > 0 for result in cases)
        return (
            f"different: {amount}; boxes or scores differ in {apart} detections, values in "
            f"{inner.tensors_differing:,} tensors ({whole.values_differing:,} values, {whole.bits:,} bits in "
            f"all), first in {first.case.image}, {first.count.first}{left_out}"
        )

    @property
    def remarks(self) -> list[str]:
        """How large differences are, if there are any."""
        if not self.is_different:
            return []
        cases = self.compared
        equal = sum(result.detection.values_differing == 0 for result in cases)
        other = sum(result.faces[0] != result.faces[1] for result in cases)
        found = [
            f"boxes and scores equal in every bit in {equal} of {len(cases)} detections; "
            f"another number of faces in {other}",
            f"boxes differ by {self.boxes} px ({self.boxes.count} coordinates)",
            f"scores differ by {self.scores} ({self.scores.count} scores)",
            f"layers differ by at most {max(r.tensors.share for r in cases):.2g} of a tensor's greatest "
            "magnitude",
        ]
        if not any(part.values_differing for r in cases for part in (r.detection, r.tensors)):
            found.append(
                "only heat maps differ: OpenFace takes their exp from OpenCV, and this version or processor "
                "variant of it is not that of the reference platform (see docs/exactness.md)"
            )
        if not self.is_exact:
            found.append(
                "equality is not expected: this original leaves the order of its sums to its BLAS. For "
                "equality build it from its source with ordered sums (see docs/openface.md)"
            )
        return found

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values for JSON."""
        return {
            "equal": self.is_equal,
            "headline": self.headline,
            "remarks": self.remarks,
            "equality_expected": self.is_exact,
            "environment": self.environment,
            "total": plain(self.count),
            "box_differences": plain(self.boxes),
            "score_differences": plain(self.scores),
            "cases": [
                {
                    "image": result.case.image,
                    "crop": result.case.crop,
                    "sha256": result.case.sha256,
                    "options": plain(result.case.options),
                    "faces": {"original": result.faces[0], "mtcnn_cpp": result.faces[1]},
                    "detection": plain(result.detection),
                    "tensors": plain(result.tensors),
                    "heat_maps": plain(result.heat_maps),
                    "error": result.error,
                }
                for result in self.results
            ],
        }
