"""Faults: the knobs of a step, and the values at which each of them is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
# The knobs that are not right, by name; an empty mapping is OpenFace's way.
Knobs: TypeAlias = Mapping[str, str]
RIGHT: Knobs = {}


@dataclass(frozen=True)
class Fault:
    """A knob at a wrong value. `text`: what was done, as in "ours with …"; `fix`: what to do instead."""

    knob: str
    value: str
    text: str
    fix: str


def table(knob: str, fix: str, faults: Mapping[str, str]) -> tuple[Fault, ...]:
    """The faults of one knob: value -> text. All are put right in the same way."""
    return tuple(Fault(knob, value, text, fix) for value, text in faults.items())
