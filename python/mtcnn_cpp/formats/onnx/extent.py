"""The size of an axis: a whole number times symbols, which stand for sizes that a graph leaves open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

BATCH = "N"


@dataclass(frozen=True)
class Extent:
    """`number` times the product of `symbols`, which are sorted."""

    number: int
    symbols: tuple[str, ...] = ()

    def __mul__(self, other: Extent) -> Extent:
        return Extent(self.number * other.number, tuple(sorted(self.symbols + other.symbols)))

    def divided_by(self, other: Extent) -> Extent | None:
        """The quotient; None if it is not a whole number times symbols."""
        left = Counter(self.symbols)
        left.subtract(other.symbols)
        if min(left.values(), default=0) < 0 or not other.number or self.number % other.number:
            return None
        return Extent(self.number // other.number, tuple(sorted(left.elements())))

    @property
    def is_known(self) -> bool:
        return not self.symbols

    def __str__(self) -> str:
        factors = [str(self.number)] if self.number != 1 or not self.symbols else []
        return "*".join([*factors, *self.symbols])


ONE = Extent(1)


def product(extents: Iterable[Extent]) -> Extent:
    result = ONE
    for extent in extents:
        result *= extent
    return result
