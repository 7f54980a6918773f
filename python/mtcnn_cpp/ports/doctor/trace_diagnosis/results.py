"""Result of the diagnosis of a trace: faulty steps, effects of faults, and undetectable faults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .search import Match

SAME_DISTANCE = 1e-6  # sums in a different order can cause a smaller difference


@dataclass(frozen=True)
class FaultEffect:
    """Effect of a fault on the final boxes if it is the only fault.

    Attributes:
        moved: Largest change of a coordinate or size of a box, in pixels.
        lost: Number of faces that are found only without the fault.
        beside: Number of faces that are found only with the fault.
    """

    moved: float
    lost: int
    beside: int

    def __str__(self) -> str:
        parts = [
            f"moves the final boxes by up to {self.moved:.3g} px" if self.moved else "moves no final box"
        ]
        for count, verb in ((self.lost, "loses"), (self.beside, "adds")):
            if count:
                parts.append(f"{verb} {count} face{'s' * (count > 1)}")
        return ", ".join(parts)


@dataclass(frozen=True)
class UndetectableFault:
    """A fault that would not change any value of a trace.

    Attributes:
        kind: Kind of step.
        parameter: Parameter of the fault; empty if no tensor of this kind of step could be checked.
        text: Description of the fault; empty if `parameter` is empty.
    """

    kind: str
    parameter: str = ""
    text: str = ""


@dataclass(frozen=True)
class FaultyStep:
    """A kind of step whose recorded outputs are not the correct result for its inputs.

    Attributes:
        kind: Kind of step.
        first: Name of the first wrong tensor.
        matches: Faults that explain the values, sorted by distance; empty if no known fault explains them.
        wrong: Number of levels or crops at which the step is wrong.
        compared: Number of levels or crops at which the step was computed.
        values: Number of compared values.
        ulp: Largest difference, in ULP, between the values and those of the reference implementation with the
            faults of the first match.
        distance: Largest difference from the correct values, as a share of the greatest magnitude; infinite
            if the shapes differ.
        difference: Description of the difference from the correct values.
        effect: Effect of the faults of the first match if the port has no other faults. None if the effect
            cannot be computed.
    """

    kind: str
    first: str
    matches: tuple[Match, ...]
    wrong: int
    compared: int
    values: int
    ulp: float
    distance: float
    difference: str
    effect: FaultEffect | None = None

    @property
    def faults(self) -> tuple[tuple[str, str, str], ...]:
        """The best match: kind of step, parameter and value of each fault."""
        best = self.matches[0].faults if self.matches else ()
        return tuple((kind, fault.parameter, fault.value) for kind, fault in best)

    @property
    def text(self) -> str:
        """The faults, and the difference that remains if the reference implementation has the same faults."""
        if not self.matches:
            return f"no known fault and no pair of faults gives these values; {self.difference}"
        best = self.matches[0]
        relative = f"{best.distance:.1e} of the greatest magnitude"
        difference = f"{self.ulp:,.0f} ULP" if best.distance == 0 else relative
        faults = "this fault" if len(best.faults) == 1 else "these faults"
        return (
            f"{match_text(best, self.kind)}; the reference with {faults} gives your {self.values:,} values "
            f"(maximum difference {difference})"
        )

    @property
    def advice(self) -> str:
        """What to change in the port. It is empty if the fault is unknown."""
        if not self.matches:
            return ""
        return "; ".join(dict.fromkeys(fault.fix for _, fault in self.matches[0].faults))

    @property
    def equivalent_matches(self) -> tuple[Match, ...]:
        """The matches that give the same values as the best match. The best match is the first."""
        best = max(self.matches[0].distance, SAME_DISTANCE) if self.matches else 0.0
        return tuple(match for match in self.matches if match.distance <= best)

    @property
    def alternatives(self) -> tuple[str, ...]:
        """Other faults that give the same values in this trace."""
        return tuple(match_text(match, self.kind) for match in self.equivalent_matches[1:])

    def to_dict(self) -> dict[str, Any]:
        """Return a dict that `to_json_value` converts to values for JSON."""
        return {
            "step": self.kind,
            "first": self.first,
            "text": self.text,
            "advice": self.advice,
            "faults": [
                {"step": kind, "knob": parameter, "value": value} for kind, parameter, value in self.faults
            ],
            "others": self.alternatives,
            "places": self.wrong,
            "of": self.compared,
            "values": self.values,
            "ulp": self.ulp,
            "distance": self.distance,
            "effect": None if self.effect is None else vars(self.effect),
        }


def match_text(match: Match, kind: str) -> str:
    """Return the texts of the faults.

    If a fault belongs to a kind of step other than `kind`, its text contains the name of that kind of step.
    """
    return ", and ".join(
        fault.text if step == kind else f"{fault.text} (at {step})" for step, fault in match.faults
    )


@dataclass(frozen=True)
class TraceDiagnosis:
    """Result of the diagnosis of a trace.

    Attributes:
        source: File of the trace.
        faulty_steps: The faulty steps in execution order.
        right: Number of tensors that are correct for the inputs of their steps.
        values: Number of values in these tensors.
        notes: Notes on tensors that could not be checked, and on conversions.
        undetectable: Faults that would not change this trace, and kinds of steps of which no tensor could be
            checked. They are in execution order. None if not requested.
    """

    source: str
    faulty_steps: tuple[FaultyStep, ...]
    right: int
    values: int
    notes: tuple[str, ...]
    undetectable: tuple[UndetectableFault, ...] | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong. It is False if nothing was compared."""
        return not self.faulty_steps and self.values > 0

    @property
    def headline(self) -> str:
        """The verdict in one line."""
        if not self.faulty_steps:
            if not self.values:
                return "nothing could be checked"
            right = f"{self.right:,} tensors follow from their inputs ({self.values:,} values)"
            return f"nothing is wrong: {right}{'; ' if self.limits else ''}{self.limits}"
        first, count = self.faulty_steps[0], len(self.faulty_steps)
        more = f" (and {count - 1} more faulty step{'s' * (count > 2)})" if count > 1 else ""
        return f"{first.kind}: {first.text}{more}"

    @property
    def limits(self) -> str:
        """Sentence on faults that the trace cannot show and kinds of steps that were not checked, or ""."""
        undetectable = self.undetectable or ()
        absent = sum(not one.parameter for one in undetectable)
        parts = []
        if len(undetectable) > absent:
            parts.append(f"{len(undetectable) - absent} faults would not change this trace")
        if absent:
            parts.append(f"{absent} kinds of steps could not be checked")
        return ", and ".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Return a dict that `to_json_value` converts to values for JSON."""
        unseen = None
        if self.undetectable is not None:
            unseen = [
                {"kind": one.kind, "knob": one.parameter, "text": one.text} for one in self.undetectable
            ]
        return {
            "source": self.source,
            "ok": self.ok,
            "headline": self.headline,
            "right": self.right,
            "values": self.values,
            "guilty": [one.to_dict() for one in self.faulty_steps],
            "notes": list(self.notes),
            "unseen": unseen,
        }
