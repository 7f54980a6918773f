"""Report: what a comparison found."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from ..file.manifest import Entry
from ..file.trace import Trace
from .figures import Figures
from .plain import plain
from .tolerances import Tolerance
from .verdict import Verdict


@dataclass(frozen=True)
class Row:
    """One tensor compared. a and b are None where that trace lacks it, figures where nothing was measured.

    reordered: b has the same boxes in another order, and the figures are those of the same boxes.
    """

    name: str
    verdict: Verdict
    ok: bool
    reason: str
    a: Entry | None
    b: Entry | None
    tolerance: Tolerance
    figures: Figures | None = None
    reordered: bool = False

    @property
    def words(self) -> str:
        """The verdict as it is printed: ``ulp`` says how many were allowed."""
        return f"ulp<={self.tolerance.ulp:g}" if self.verdict == "ulp" else self.verdict


@dataclass(frozen=True)
class Report:
    """What a comparison of b with the reference a found: a row for each tensor, in execution order.

    mode: "end to end" (each side ran on its own, errors add up), "isolated" (every layer of b was fed a's
    input) or "chained" (every network of b was).
    """

    a: Trace
    b: Trace
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    mode: str = "end to end"

    def close(self) -> None:
        """Close the files of both traces; pictures and sums of the report cannot be made any more."""
        self.a.close()
        self.b.close()

    @property
    def ok(self) -> bool:
        """Whether every tensor passed."""
        return all(row.ok for row in self.rows)

    @property
    def first_divergence(self) -> Row | None:
        """The first tensor, in execution order, that did not pass."""
        return next((row for row in self.rows if not row.ok), None)

    @property
    def compared(self) -> tuple[Row, ...]:
        """The rows of tensors that both traces hold."""
        return tuple(row for row in self.rows if row.a is not None and row.b is not None)

    @property
    def counts(self) -> dict[str, int]:
        """How many tensors got which verdict."""
        return dict(Counter(row.words for row in self.rows))

    @property
    def headline(self) -> str:
        """The result in one sentence."""
        first = self.first_divergence
        looked_at = [row for row in self.rows if not row.ok or (row.a is not None and row.b is not None)]
        if first is None:
            counted = Counter(row.words for row in looked_at)
            words = ", ".join(f"{count} {words}" for words, count in counted.items())
            return f"no divergence in {len(looked_at)} tensors ({words or 'nothing was compared'})"
        failed = sum(not row.ok for row in self.rows)
        place = looked_at.index(first) + 1
        return (
            f"first divergence: {first.name} (tensor {place} of {len(looked_at)}; {failed} failed): "
            f"{first.words}: {first.reason}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values for JSON, see `plain`."""
        rows = [plain(row) | {"verdict": row.words} for row in self.rows]
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
            "tensors": rows,
        }
