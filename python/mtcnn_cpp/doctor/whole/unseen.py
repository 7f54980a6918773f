"""What a trace cannot show: faults that would leave the same numbers in it.

Pooling that rounds down gives the same maps if their sizes leave nothing to round; a suppression of one box
is the same at any limit; of a network that no box reached there is nothing at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from .search import Evidence
from .steps import Setting, Step


@dataclass(frozen=True)
class Unseen:
    """A fault at a kind of step that would leave the same numbers in a trace. `knob`, `text`: of the fault;
    both are empty if the trace has no tensor of that kind of step."""

    kind: str
    knob: str = ""
    text: str = ""


def unseen_faults(evidence: Evidence, steps: Sequence[Step]) -> Iterator[Unseen]:
    """Of right steps of one kind: each fault with which all of them still give what the trace has."""
    first = steps[0]
    for fault in first.faults:
        faults = {first.kind: {fault.knob: fault.value}}
        if all(evidence.distance(step, faults) <= step.tolerance for step in steps):
            yield Unseen(first.kind, fault.knob, fault.text)


def absent_kinds(setting: Setting, present: Iterable[str]) -> Iterator[Unseen]:
    """Each kind of step of a detection that a trace has nothing of."""
    there = set(present)
    for kind in dict.fromkeys(step.kind for step in setting.steps(lambda stage: 1)):
        if kind not in there:
            yield Unseen(kind)
