"""How far one tensor is from another, in numbers: every element, all in float64, never a sample."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .ulp import ulp_distance

WITHIN = (1e-7, 1e-6, 1e-5, 1e-4)
PERCENTILES = (50.0, 90.0, 99.0, 99.9)


@dataclass(frozen=True)
class Spread:
    """Maximum, mean and percentiles of a difference. Percentiles are values that occur (no interpolation)."""

    maximum: float
    mean: float
    median: float
    p90: float
    p99: float
    p99_9: float

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> Spread:
        """Of a flat array; zeros for an empty one."""
        if values.size == 0:
            return cls(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
        points = np.percentile(values, PERCENTILES, method="higher")
        return cls(float(values.max()), float(values.mean()), *map(float, points))


@dataclass(frozen=True)
class Worst:
    """The element with the largest absolute difference."""

    index: tuple[int, ...]
    a: float
    b: float
    ulp: float

    def __str__(self) -> str:
        at = ", ".join(map(str, self.index))
        return f"at ({at}): a = {self.a!r} ({self.a.hex()}), b = {self.b!r} ({self.b.hex()})"


@dataclass(frozen=True)
class Figures:
    """b measured against a. NaN in both at one place counts as equal and is left out of every sum.

    `relative` is |a - b| / |a| (0 where a == b, infinite where only a is 0). `within` holds the fractions of
    elements whose absolute difference is at most 1e-7, 1e-6, 1e-5, 1e-4. `correlation` is per channel (per
    column for tables), NaN where a side is constant. `pass_*` are the smallest tolerances that b
    would have passed: `pass_ulp`, `pass_atol`, `pass_rtol` each alone, `pass_both` as atol and rtol at once.
    `magnitude` is the greatest |a|.
    """

    elements: int
    differing: int
    nans: int
    ulp: Spread
    absolute: Spread
    relative: Spread
    within: tuple[float, ...]
    rmse: float
    snr_db: float
    cosine: float
    correlation: tuple[float, ...]
    worst: Worst | None
    pass_ulp: float
    pass_atol: float
    pass_rtol: float
    pass_both: float
    magnitude: float


def figures(a: NDArray[Any], b: NDArray[Any], axes: str = "?") -> Figures:
    """Figures of two arrays of one shape and dtype whose NaN and infinities stand at the same places.

    `axes` is the layout of the manifest; it says what a channel is.
    """
    good = ~np.isnan(a)
    flat_a, flat_b = a[good], b[good]
    # Equal infinities are taken out of the sums as 0 - 0; unequal ones do not reach this function.
    infinite = np.isinf(flat_a)
    x, y = flat_a.astype(np.float64), flat_b.astype(np.float64)
    x[infinite] = y[infinite] = 0.0
    absolute = np.abs(x - y)
    ulps = ulp_distance(flat_a, flat_b)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(absolute == 0, 0.0, absolute / np.abs(x))
    count = max(x.size, 1)
    error, power = _product(absolute, absolute), _product(x, x)
    return Figures(
        elements=a.size,
        differing=int(np.count_nonzero(flat_a != flat_b)),
        nans=a.size - x.size,
        ulp=Spread.of(ulps),
        absolute=Spread.of(absolute),
        relative=Spread.of(relative),
        within=tuple(float(np.count_nonzero(absolute <= limit) / count) for limit in WITHIN),
        rmse=math.sqrt(error / count),
        snr_db=_decibel(power, error),
        cosine=_cosine(x, y, power),
        correlation=correlation(a, b, axes),
        worst=_worst(a, b, good, absolute, ulps),
        pass_ulp=float(ulps.max(initial=0.0)),
        pass_atol=float(absolute.max(initial=0.0)),
        pass_rtol=_smallest(absolute, np.abs(x), 0.0),
        pass_both=_smallest(absolute, np.abs(x), 1.0),
        magnitude=float(np.abs(x).max(initial=0.0)),
    )


def correlation(a: NDArray[Any], b: NDArray[Any], axes: str = "?") -> tuple[float, ...]:
    """Pearson correlation per channel of maps, per column of a table; one figure for any other array."""
    if a.size == 0:
        return ()
    x, y = _channels(a, axes), _channels(b, axes)
    finite = np.isfinite(x)
    counts = np.maximum(finite.sum(axis=1, keepdims=True), 1)
    x, y = (
        np.where(finite, side - np.sum(side, axis=1, keepdims=True, where=finite) / counts, 0.0)
        for side in (x, y)
    )
    products, x_squares, y_squares = (np.einsum("ij,ij->i", p, q) for p, q in ((x, y), (x, x), (y, y)))
    with np.errstate(invalid="ignore"):
        return tuple((products / (np.sqrt(x_squares) * np.sqrt(y_squares))).tolist())


def _channels(array: NDArray[Any], axes: str) -> NDArray[np.float64]:
    values = array.astype(np.float64)
    if axes.startswith("channel") and array.ndim > 1:
        return values.reshape(len(values), -1)
    if axes.startswith("box") and array.ndim > 1:
        return values.reshape(len(values), -1).T
    return values.reshape(1, -1)


def _product(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """The sum of x * y, infinite where it overflows. Not by BLAS, whose last bits depend on its threads."""
    with np.errstate(over="ignore", invalid="ignore"):
        return float((x * y).sum())


def _decibel(power: float, error: float) -> float:
    if error == 0:
        return math.inf
    return 10 * math.log10(power / error) if power > 0 else -math.inf


def _cosine(x: NDArray[np.float64], y: NDArray[np.float64], power: float) -> float:
    """`power`: the sum of x's squares."""
    norm = math.sqrt(power) * math.sqrt(_product(y, y))
    return _product(x, y) / norm if norm > 0 else math.nan


def _worst(
    a: NDArray[Any],
    b: NDArray[Any],
    good: NDArray[np.bool_],
    absolute: NDArray[np.float64],
    ulps: NDArray[np.float64],
) -> Worst | None:
    if absolute.size == 0 or not (absolute.any() or ulps.any()):
        return None
    place = int(np.argmax(absolute)) if absolute.any() else int(np.argmax(ulps))
    index = np.unravel_index(int(np.flatnonzero(good)[place]), a.shape)
    return Worst(tuple(map(int, index)), float(a[index]), float(b[index]), float(ulps[place]))


def _smallest(absolute: NDArray[np.float64], size: NDArray[np.float64], atol_share: float) -> float:
    """The smallest t with |a - b| <= atol_share * t + t * |a| everywhere, as that formula rounds."""
    if not absolute.any():
        return 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        t = float(np.max(np.where(absolute == 0, 0.0, absolute / (atol_share + size))))
    while math.isfinite(t) and not bool(np.all(absolute <= atol_share * t + t * size)):
        t = math.nextafter(t, math.inf)
    return t
