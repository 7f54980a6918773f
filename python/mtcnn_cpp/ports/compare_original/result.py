"""Numbers of a comparison with the original."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._util.json_values import to_json_value
from .cases import Case


@dataclass
class Count:
    """Numbers of tensors, values and bits that were compared or that differ.

    Attributes:
        tensors: Number of compared tensors.
        tensors_differing: Number of tensors that differ.
        values: Number of compared values.
        values_differing: Number of values that differ.
        bits: Number of bits that differ.
        first: Name of the first tensor that differs; empty if all are equal.
        share: Largest difference in a tensor, as a share of the greatest magnitude of this tensor.
    """

    tensors: int = 0
    tensors_differing: int = 0
    values: int = 0
    values_differing: int = 0
    bits: int = 0
    first: str = ""
    share: float = 0.0

    def add(self, name: str, original: NDArray[Any], package: NDArray[Any]) -> None:
        """Compare a float32 tensor. If the shapes differ, all values of the larger array differ."""
        self.tensors += 1
        if original.shape != package.shape:
            larger = max(original.size, package.size)
            self._differ(name, larger, larger, 32 * larger, float("inf"))
            return
        first, second = (
            np.ascontiguousarray(array, np.float32).view(np.uint32) for array in (original, package)
        )
        changed = first ^ second
        differing = int(np.count_nonzero(changed))
        if differing == 0:
            self.values += first.size
            return
        bits = int(np.unpackbits(changed[changed != 0].view(np.uint8)).sum())
        with np.errstate(invalid="ignore"):
            largest = float(np.abs(original.astype(np.float64) - package.astype(np.float64)).max())
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
        """Add the numbers of `other` to the numbers of this object."""
        self.tensors += other.tensors
        self.tensors_differing += other.tensors_differing
        self.values += other.values
        self.values_differing += other.values_differing
        self.bits += other.bits
        self.first = self.first or other.first
        self.share = max(self.share, other.share)


@dataclass(eq=False)
class CaseResult:
    """The comparison of one case.

    Attributes:
        case: The case.
        faces: Number of faces that OpenFace found, and number of faces that this package found.
        detection: Counts for boxes and scores.
        tensors: Counts for layer outputs. OpenFace runs each network on the input that this package computed.
        heat_maps: Counts for PNet's heat maps.
        differences: Differences of box coordinates (pixels) and of scores, over all pairs of faces.
        error: Why the case could not be compared; empty if it was compared.
    """

    case: Case
    faces: tuple[int, int] = (0, 0)
    detection: Count = field(default_factory=Count)
    tensors: Count = field(default_factory=Count)
    heat_maps: Count = field(default_factory=Count)
    differences: tuple[NDArray[np.float64], NDArray[np.float64]] = (np.empty(0), np.empty(0))
    error: str = ""

    @property
    def count(self) -> Count:
        """Counts for everything that was compared."""
        total = Count()
        for part in (self.tensors, self.heat_maps, self.detection):
            total.merge(part)
        return total

    @property
    def is_equal(self) -> bool:
        return not self.error and self.count.values_differing == 0


@dataclass(frozen=True)
class Spread:
    """Distribution of differences: number, median, 99th percentile and maximum."""

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
    """The comparison of all cases.

    Attributes:
        results: The results, in the order of the cases.
        environment: Versions, processor, compiler and hashes, for a report.
        is_exact: Whether equality with this build of OpenFace is expected. Equality is expected if this build
            adds in a fixed order ("ordered sums").
    """

    results: tuple[CaseResult, ...]
    environment: dict[str, str]
    is_exact: bool

    @property
    def count(self) -> Count:
        """Counts for all compared cases."""
        total = Count()
        for result in self.compared:
            total.merge(result.count)
        return total

    @property
    def inner(self) -> Count:
        """Counts for layers and heat maps, without boxes and scores."""
        inner = Count()
        for result in self.compared:
            inner.merge(result.tensors)
            inner.merge(result.heat_maps)
        return inner

    @property
    def compared(self) -> tuple[CaseResult, ...]:
        """The cases that could be compared."""
        return tuple(result for result in self.results if not result.error)

    @property
    def is_equal(self) -> bool:
        """Whether every case was compared and no bit differs."""
        return bool(self.results) and all(result.is_equal for result in self.results)

    @property
    def is_different(self) -> bool:
        """Whether any compared bit differs."""
        return self.count.values_differing > 0

    @property
    def boxes(self) -> Spread:
        """Differences of box coordinates, in pixels."""
        return Spread.of(np.concatenate([np.empty(0), *(result.differences[0] for result in self.results)]))

    @property
    def scores(self) -> Spread:
        """Differences of scores."""
        return Spread.of(np.concatenate([np.empty(0), *(result.differences[1] for result in self.results)]))

    @property
    def headline(self) -> str:
        """The result in one sentence, with the number of compared detections, faces, tensors and values."""
        cases, total, inner = self.compared, self.count, self.inner
        faces = sum(result.faces[0] for result in cases)
        amount = (
            f"{len(cases)} detections, {faces} faces and {inner.tensors:,} tensors "
            f"({total.values:,} values) compared"
        )
        missing = len(self.results) - len(cases)
        left_out = f"; {missing} of {len(self.results)} cases could not be compared" if missing else ""
        if not cases:
            return f"nothing was compared: all {missing} cases failed"
        if not total.values_differing:
            return f"equal in every bit: {amount}, 0 bits differ{left_out}"
        first = next(result for result in cases if result.count.values_differing)
        different = sum(result.detection.values_differing > 0 for result in cases)
        return (
            f"different: {amount}; boxes or scores differ in {different} detections, and values differ in "
            f"{inner.tensors_differing:,} tensors ({total.values_differing:,} values, {total.bits:,} bits in "
            f"total); the first difference is in {first.case.image}, {first.count.first}{left_out}"
        )

    @property
    def remarks(self) -> list[str]:
        """Sentences on the size of the differences; empty if nothing differs."""
        if not self.is_different:
            return []
        cases = self.compared
        equal = sum(result.detection.values_differing == 0 for result in cases)
        other = sum(result.faces[0] != result.faces[1] for result in cases)
        found = [
            f"boxes and scores are equal in every bit in {equal} of {len(cases)} detections; "
            f"the number of faces differs in {other}",
            f"boxes differ by {self.boxes} px ({self.boxes.count} coordinates)",
            f"scores differ by {self.scores} ({self.scores.count} scores)",
            f"layers differ by at most {max(r.tensors.share for r in cases):.2g} of a tensor's greatest "
            "magnitude",
        ]
        if not any(part.values_differing for r in cases for part in (r.detection, r.tensors)):
            found.append(
                "only heat maps differ: OpenFace computes their exponential with OpenCV, and this version or "
                "processor variant of OpenCV is not that of the reference platform (see docs/exactness.md)"
            )
        if not self.is_exact:
            found.append(
                "equality is not expected: this original leaves the order of its sums to its BLAS. For "
                "equality build it from its source with ordered sums (see docs/openface.md)"
            )
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values for JSON."""
        return {
            "equal": self.is_equal,
            "headline": self.headline,
            "remarks": self.remarks,
            "equality_expected": self.is_exact,
            "environment": self.environment,
            "total": to_json_value(self.count),
            "box_differences": to_json_value(self.boxes),
            "score_differences": to_json_value(self.scores),
            "cases": [
                {
                    "image": result.case.image,
                    "crop": result.case.crop,
                    "sha256": result.case.sha256,
                    "options": to_json_value(result.case.options),
                    "faces": {"original": result.faces[0], "mtcnn_cpp": result.faces[1]},
                    "detection": to_json_value(result.detection),
                    "tensors": to_json_value(result.tensors),
                    "heat_maps": to_json_value(result.heat_maps),
                    "error": result.error,
                }
                for result in self.results
            ],
        }
