"""What is found of a step that is wrong: figures, and the words for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .effect import Effect
from .search import Fit

EQUAL = 1e-6  # distances below it are the last bits of another order of the sums


@dataclass(frozen=True)
class Guilty:
    """A kind of step whose outcome is not what its inputs give.

    fits: the faults that give it, the best first, alone or in pairs; none where none is known. places, of: at
    how many levels or crops it is wrong, and how many were looked at. values: how many numbers were compared.
    ulp: how far they are from ours with the first of the faults. distance: how far from the right ones, as a
    share of the greatest magnitude, infinite where shapes differ. effect: of the first of the faults alone.
    """

    kind: str
    first: str
    fits: tuple[Fit, ...]
    places: int
    of: int
    values: int
    ulp: float
    distance: float
    found: str
    effect: Effect | None = None

    @property
    def names(self) -> tuple[tuple[str, str, str], ...]:
        """The faults that are named: kind of step, knob and value of each."""
        best = self.fits[0].faults if self.fits else ()
        return tuple((kind, fault.knob, fault.value) for kind, fault in best)

    @property
    def text(self) -> str:
        """What was done, in a sentence."""
        if not self.fits:
            return f"no fault that is known here, alone or with another, gives these values; {self.found}"
        exact = f"{self.ulp:,.0f} ULP" if self.fits[0].distance == 0 else f"{self.fits[0].distance:.1e} apart"
        return f"yours equals ours with {words(self.fits[0], self.kind)}: {exact} over {self.values:,} values"

    @property
    def advice(self) -> str:
        """What to change; empty where it is not known."""
        return "; ".join(dict.fromkeys(fault.fix for _, fault in self.fits[0].faults)) if self.fits else ""

    @property
    def equals(self) -> tuple[Fit, ...]:
        """The faults that give the same values here as the best, which goes first."""
        best = max(self.fits[0].distance, EQUAL) if self.fits else 0.0
        return tuple(fit for fit in self.fits if fit.distance <= best)

    @property
    def others(self) -> tuple[str, ...]:
        """Other faults that give the same values here, so that these cannot tell them apart."""
        return tuple(words(fit, self.kind) for fit in self.equals[1:])

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON through `trace.judge.plain`."""
        return {
            "step": self.kind,
            "first": self.first,
            "text": self.text,
            "advice": self.advice,
            "faults": [{"step": kind, "knob": knob, "value": value} for kind, knob, value in self.names],
            "others": self.others,
            "places": self.places,
            "of": self.of,
            "values": self.values,
            "ulp": self.ulp,
            "distance": self.distance,
            "effect": None if self.effect is None else vars(self.effect),
        }


def words(fit: Fit, kind: str) -> str:
    """The faults, joined; the step is said where it is another one."""
    return ", and ".join(
        fault.text if where == kind else f"{fault.text} (at {where})" for where, fault in fit.faults
    )
