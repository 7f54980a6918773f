"""Pickles of arrays in lists and tables: nothing but numbers is built, and no code of the file is run."""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import PortError, words
from .limits import Budget
from .machine import Machine
from .standins import Array

DEEPEST = 4  # a table of layers, each a table of arrays, in an array without axes
MOST = 100_000  # values in all containers


def unpickle(data: bytes, source: str) -> Any:
    """What a pickle holds: arrays and plain values, alone or in lists and tables. PortError where it is
    damaged or wants anything else."""
    budget = Budget()
    try:
        return Plain(budget).value(Machine(data, budget).run(), 0)
    except Exception as error:  # a damaged pickle can fail in any way
        raise PortError(f"{source}: refused: not a plain pickle of arrays ({words(error)})") from error


class Plain:
    """Puts arrays in the places of what stands for them. A pickle can hold one list in many places, and in
    itself: depth and number are limited, and numbers count as often as they are seen."""

    def __init__(self, budget: Budget) -> None:
        self.budget, self.seen = budget, 0

    def value(self, found: object, depth: int) -> object:
        self.seen += 1
        if depth > DEEPEST or self.seen > MOST:
            raise PortError("expected arrays in a list or a table, found containers without end")
        if isinstance(found, Array):
            return self.value(found.held, depth + 1)
        if isinstance(found, np.ndarray):
            self.budget.spend(4 * found.size, f"arrays of {4 * found.size} and more")
            return found
        if type(found) is list:
            return [self.value(item, depth + 1) for item in found]
        if type(found) is dict:
            return {key: self.value(item, depth + 1) for key, item in found.items()}
        if found is None or isinstance(found, (str, int, float)):
            return found
        raise PortError(f"expected arrays in a list or a table, found {type(found).__name__}")
