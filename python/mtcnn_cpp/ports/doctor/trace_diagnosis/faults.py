"""The faults that the doctor tries: for each parameter of a step, the wrong values that a port may use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
# Maps each faulty parameter of a step to its wrong value. A parameter that is not in the map is correct.
Parameters: TypeAlias = Mapping[str, str]
CORRECT: Parameters = {}
FaultTable: TypeAlias = Mapping[str, tuple[str, Mapping[str, str]]]  # parameter → (fix, {value: text})


@dataclass(frozen=True)
class Fault:
    """A wrong value of a parameter. `text` names the fault, `fix` says what to do instead."""

    parameter: str
    value: str
    text: str
    fix: str


def make_faults(table: FaultTable) -> tuple[Fault, ...]:
    return tuple(
        Fault(parameter, value, text, fix)
        for parameter, (fix, texts) in table.items()
        for value, text in texts.items()
    )
