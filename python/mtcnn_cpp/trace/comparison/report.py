"""The report of a comparison, its rounding noise, and commands for further analysis."""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..._util.json_values import to_json_value
from ..manifest import TensorInfo
from ..names import layer_inputs
from ..trace import Trace
from .boxes import ANOTHER_ORDER
from .statistics import DifferenceStatistics, LayerMagnitudes
from .tolerances import Tolerance, Verdict


@dataclass(frozen=True)
class TensorComparison:
    """The comparison of one tensor.

    Attributes:
        name: Name of the tensor.
        verdict: `identical`, `equal`, `ulp`, `close`, `similar`, `different`, `missing`, `extra` or
            `unchecked`.
        ok: Whether the tensor passed.
        reason: The reason for the verdict.
        a: The tensor in the reference, or None if it is missing there.
        b: The tensor in the candidate, or None if it is missing there.
        tolerance: The allowed difference.
        statistics: Statistics of the difference, or None if they were not computed.
        reordered: Whether b contains the same boxes as a, but in a different order. The statistics then
            compare each box of a with the same box of b.
    """

    name: str
    verdict: Verdict
    ok: bool
    reason: str
    a: TensorInfo | None
    b: TensorInfo | None
    tolerance: Tolerance
    statistics: DifferenceStatistics | None = None
    reordered: bool = False

    @property
    def label(self) -> str:
        """The verdict as text. For `ulp`, the text includes the allowed distance."""
        return f"ulp<={self.tolerance.ulp:g}" if self.verdict == "ulp" else self.verdict

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON-compatible values. The value of `statistics` has the key `figures`."""
        fields = {"figures" if name == "statistics" else name: value for name, value in vars(self).items()}
        result: dict[str, Any] = to_json_value(fields | {"verdict": self.label})
        return result


@dataclass(frozen=True)
class Report:
    """The report of a comparison of b with the reference a.

    Attributes:
        a: The reference.
        b: The candidate.
        tensors: One result per tensor, in execution order.
        notes: Remarks, such as different options.
        mode: `end to end` (errors accumulate), `isolated` (each layer of b received the input that a
            recorded) or `chained` (only the first layer of each network of b received the recorded input).
    """

    a: Trace
    b: Trace
    tensors: tuple[TensorComparison, ...]
    notes: tuple[str, ...] = ()
    mode: str = "end to end"

    def close(self) -> None:
        """Close the files of both traces. After that, `save_html` is no longer possible."""
        self.a.close()
        self.b.close()

    @property
    def ok(self) -> bool:
        """Whether every tensor passed."""
        return all(row.ok for row in self.tensors)

    @property
    def first_divergence(self) -> TensorComparison | None:
        """The first tensor, in execution order, that failed; None if all passed."""
        return next((row for row in self.tensors if not row.ok), None)

    @property
    def compared(self) -> tuple[TensorComparison, ...]:
        """The results of tensors that are in both traces."""
        return tuple(row for row in self.tensors if row.a is not None and row.b is not None)

    @property
    def counts(self) -> dict[str, int]:
        """Number of tensors per verdict."""
        return dict(Counter(row.label for row in self.tensors))

    @property
    def headline(self) -> str:
        """The result in one sentence."""
        first = self.first_divergence
        included = [row for row in self.tensors if not row.ok or (row.a is not None and row.b is not None)]
        if first is None:
            counted = Counter(row.label for row in included)
            verdicts = ", ".join(f"{count} {label}" for label, count in counted.items())
            return f"no divergence in {len(included)} tensors ({verdicts or 'nothing was compared'})"
        failed = sum(not row.ok for row in self.tensors)
        place = included.index(first) + 1
        return (
            f"first divergence: {first.name} (tensor {place} of {len(included)}; {failed} failed): "
            f"{first.label}: {first.reason}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-compatible values."""
        first = self.first_divergence
        return {
            "ok": self.ok,
            "headline": self.headline,
            "first_divergence": None if first is None else first.name,
            "mode": self.mode,
            "a": self.a.source,
            "b": self.b.source,
            "notes": list(self.notes),
            "counts": self.counts,
            "compared": len(self.compared),
            "tensors": [tensor.to_dict() for tensor in self.tensors],
        }


# Limit of rounding noise, as a share of the greatest magnitude. If sums are added in a different order, the
# values change by less than this limit. Faults change the values by more.
NOISE = 2e-5


@dataclass(frozen=True)
class RoundingNoise:
    """Size of the differences in a report in which all differences are rounding noise.

    tensors: Number of tensors that differ. share: The largest difference, as a share of the greatest
    magnitude of its layer. name: The tensor with this difference. boxes: The largest difference of the final
    boxes in pixels, or None if they were not compared. reordered: Number of tensors in which b contains the
    same boxes as a, but in a different order.
    """

    tensors: int
    share: float
    name: str
    boxes: float | None
    reordered: int = 0

    def __str__(self) -> str:
        boxes = "" if self.boxes is None else f"; final boxes within {self.boxes:.2g} px"
        order = f"; {self.reordered} contain the {ANOTHER_ORDER}" if self.reordered else ""
        return (
            f"all differences are rounding noise: {self.tensors} tensors differ, by at most {self.share:.1e} "
            f"of the greatest magnitude of a layer ({self.name}){order}{boxes}"
        )


def find_rounding_noise(report: Report) -> RoundingNoise | None:
    """Return the rounding noise if all failures are rounding noise. Otherwise return None.

    If there are no failures, the result is None, too. The following failures are not rounding noise: a
    different shape or dtype, NaN, a different choice of boxes, a tensor without values, and a difference
    greater than NOISE.
    """
    failed = [row for row in report.tensors if not row.ok]
    if not failed:
        return None
    magnitudes = LayerMagnitudes(report.a)
    worst, where = 0.0, ""
    for row in failed:
        if row.reordered and row.statistics is None:  # only boxes with nearly equal scores changed places
            continue
        if row.statistics is None or row.a is None or not row.a.dtype.startswith("float"):
            return None
        share = row.statistics.absolute.maximum / max(magnitudes[row.name], 1e-30)
        if not share <= NOISE:
            return None
        worst, where = max((worst, where), (share, row.name))
    boxes = [row for row in report.compared if row.name == "final/boxes"]
    offset = None
    if boxes:
        offset = boxes[0].statistics.absolute.maximum if boxes[0].statistics else 0.0
    return RoundingNoise(len(failed), worst, where, offset, sum(row.reordered for row in failed))


def suggest_commands(report: Report, noise: RoundingNoise | None) -> list[str]:
    """Return command lines that analyse why two trace files differ. The most useful command comes first."""
    if report.ok or not (Path(report.a.source).is_file() and Path(report.b.source).is_file()):
        return []
    return [shlex.join(arguments) for arguments in _commands(report, noise)]


def _commands(report: Report, noise: RoundingNoise | None) -> Iterator[list[str]]:
    sides = [report.a.source, report.b.source]
    full = report.a.manifest.capture == report.b.manifest.capture == "full"
    if noise is not None:
        power = math.ceil(math.log10(max(noise.share, 1e-12)))
        yield ["mtcnn-cpp", "diff", *sides, "--tolerance", f"1e{power}share"]
        return
    if full:
        yield ["mtcnn-cpp", "doctor", report.b.source, "--against", report.a.source]
    first = report.first_divergence
    if full and first is not None and first.statistics is not None and first.statistics.worst is not None:
        if first.name in layer_inputs(report.a.names):
            at = ",".join(map(str, first.statistics.worst.index))
            yield ["mtcnn-cpp", "explain", *sides, first.name, "--at", at]
        else:
            yield ["mtcnn-cpp", "inspect", report.b.source, first.name]
