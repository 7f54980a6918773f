"""Statistics of the difference of two tensors. They use every element and are computed in float64."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..names import template
from ..trace import Trace

WITHIN = (1e-7, 1e-6, 1e-5, 1e-4)
PERCENTILES = (50.0, 90.0, 99.0, 99.9)


@dataclass(frozen=True)
class Distribution:
    """Distribution of the differences of all elements. Percentiles are not interpolated.

    Attributes:
        maximum: Greatest difference.
        mean: Mean difference.
        median: 50th percentile.
        p90: 90th percentile.
        p99: 99th percentile.
        p99_9: 99.9th percentile.
    """

    maximum: float
    mean: float
    median: float
    p90: float
    p99: float
    p99_9: float

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> Distribution:
        """Return the distribution of a flat array. For an empty array, all its numbers are 0."""
        if values.size == 0:
            return cls(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
        points = np.percentile(values, PERCENTILES, method="higher")
        return cls(float(values.max()), float(values.mean()), *map(float, points))


@dataclass(frozen=True)
class WorstElement:
    """The element with the largest absolute difference.

    Attributes:
        index: Index in the tensor.
        a: Value in the reference.
        b: Value in the candidate.
        ulp: Difference in units in the last place.
    """

    index: tuple[int, ...]
    a: float
    b: float
    ulp: float

    def __str__(self) -> str:
        at = ", ".join(map(str, self.index))
        return f"at ({at}): a = {self.a!r} ({self.a.hex()}), b = {self.b!r} ({self.b.hex()})"


@dataclass(frozen=True)
class DifferenceStatistics:
    """Statistics of the difference of b from the reference a. NaN in both counts as equal.

    Attributes:
        elements: Number of elements.
        differing: Number of elements that differ.
        nans: Number of elements that are NaN in both tensors. Sums exclude these elements.
        ulp: Distances in units in the last place.
        absolute: |a - b|.
        relative: |a - b| / |a|. It is 0 if a == b, and infinite if a is 0 and b is not.
        within: Fractions of elements with |a - b| at most 1e-7, 1e-6, 1e-5, 1e-4.
        rmse: Root mean square of a - b.
        snr_db: Signal-to-noise ratio, in dB.
        cosine: Cosine similarity.
        correlation: Pearson correlation of each channel, or of each column of a table. NaN if a or b is
            constant.
        worst: The element with the largest absolute difference, or None if all are equal.
        pass_ulp: Smallest tolerance with which the tensor passes if only `ulp` is set.
        pass_atol: Smallest tolerance with which the tensor passes if only `atol` is set.
        pass_rtol: Smallest tolerance with which the tensor passes if only `rtol` is set.
        pass_both: Smallest value with which the tensor passes if `atol` and `rtol` are set to this value.
        magnitude: Greatest |a|.
    """

    elements: int
    differing: int
    nans: int
    ulp: Distribution
    absolute: Distribution
    relative: Distribution
    within: tuple[float, ...]
    rmse: float
    snr_db: float
    cosine: float
    correlation: tuple[float, ...]
    worst: WorstElement | None
    pass_ulp: float
    pass_atol: float
    pass_rtol: float
    pass_both: float
    magnitude: float


def difference_statistics(a: NDArray[Any], b: NDArray[Any], axes: str = "?") -> DifferenceStatistics:
    """Compare two arrays that have the same shape and dtype, and NaN and infinities at the same places.

    axes: The layout of the tensor in the manifest; it states which axis holds the channels.
    """
    valid = ~np.isnan(a)
    flat_a, flat_b = a[valid], b[valid]
    # In the sums, equal infinities are replaced by 0. Callers exclude unequal infinities.
    infinite = np.isinf(flat_a)
    x, y = flat_a.astype(np.float64), flat_b.astype(np.float64)
    x[infinite] = y[infinite] = 0.0
    absolute = np.abs(x - y)
    ulps = ulp_distance(flat_a, flat_b)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(absolute == 0, 0.0, absolute / np.abs(x))
    count = max(x.size, 1)
    error, power = _product(absolute, absolute), _product(x, x)
    return DifferenceStatistics(
        elements=a.size,
        differing=int(np.count_nonzero(flat_a != flat_b)),
        nans=a.size - x.size,
        ulp=Distribution.of(ulps),
        absolute=Distribution.of(absolute),
        relative=Distribution.of(relative),
        within=tuple(float(np.count_nonzero(absolute <= limit) / count) for limit in WITHIN),
        rmse=math.sqrt(error / count),
        snr_db=_decibel(power, error),
        cosine=_cosine(x, y, power),
        correlation=correlation(a, b, axes),
        worst=_worst(a, b, valid, absolute, ulps),
        pass_ulp=float(ulps.max(initial=0.0)),
        pass_atol=float(absolute.max(initial=0.0)),
        pass_rtol=_smallest(absolute, np.abs(x), 0.0),
        pass_both=_smallest(absolute, np.abs(x), 1.0),
        magnitude=float(np.abs(x).max(initial=0.0)),
    )


def correlation(a: NDArray[Any], b: NDArray[Any], axes: str = "?") -> tuple[float, ...]:
    """Return one Pearson correlation per channel (maps) or per column (tables), otherwise one in total."""
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
    """Return the sum of x * y. The result is infinite if the sum overflows.

    BLAS is not used, because the last bits of its sums depend on the number of threads.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return float((x * y).sum())


def _decibel(power: float, error: float) -> float:
    if error == 0:
        return math.inf
    return 10 * math.log10(power / error) if power > 0 else -math.inf


def _cosine(x: NDArray[np.float64], y: NDArray[np.float64], power: float) -> float:
    """Return the cosine similarity. power: The sum of the squares of x."""
    norm = math.sqrt(power) * math.sqrt(_product(y, y))
    return _product(x, y) / norm if norm > 0 else math.nan


def _worst(
    a: NDArray[Any],
    b: NDArray[Any],
    valid: NDArray[np.bool_],
    absolute: NDArray[np.float64],
    ulps: NDArray[np.float64],
) -> WorstElement | None:
    if absolute.size == 0 or not (absolute.any() or ulps.any()):
        return None
    place = int(np.argmax(absolute)) if absolute.any() else int(np.argmax(ulps))
    index = np.unravel_index(int(np.flatnonzero(valid)[place]), a.shape)
    return WorstElement(tuple(map(int, index)), float(a[index]), float(b[index]), float(ulps[place]))


def _smallest(absolute: NDArray[np.float64], size: NDArray[np.float64], atol_share: float) -> float:
    """Return the smallest t with |a - b| <= atol_share * t + t * |a| everywhere, in float64 arithmetic."""
    if not absolute.any():
        return 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        t = float(np.max(np.where(absolute == 0, 0.0, absolute / (atol_share + size))))
    while math.isfinite(t) and not bool(np.all(absolute <= atol_share * t + t * size)):
        t = math.nextafter(t, math.inf)
    return t


def greatest_magnitude(array: NDArray[Any]) -> float:
    """Return the greatest magnitude of the finite elements, or 0 if no element is finite."""
    finite = array[np.isfinite(array)]
    return float(max(finite.max(), -float(finite.min()))) if finite.size else 0.0


class LayerMagnitudes:
    """Maps the name of a tensor to the greatest magnitude of its layer over all levels or crops.

    The tensors of a layer are read when this layer is accessed for the first time.
    """

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._names: dict[str, list[str]] = defaultdict(list)
        self._found: dict[str, float] = {}
        for name in trace:
            self._names[template(name)].append(name)

    def __getitem__(self, name: str) -> float:
        layer = template(name)
        if layer not in self._found:
            self._found[layer] = max(greatest_magnitude(self._trace[each]) for each in self._names[layer])
        return self._found[layer]


_INTEGERS = {2: np.int16, 4: np.int32, 8: np.int64}


def ulp_distance(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    """Return, for each element, the distance of a and b in units in the last place (ULP).

    -0 and +0 have the distance 0. a and b have the same shape and dtype, and contain no NaN. Infinity is
    adjacent to the largest finite number. For integers the result is the absolute difference. The float64
    result is exact up to 2^53.
    """
    if a.dtype.kind != "f":
        return np.asarray(np.abs(a.astype(np.float64) - b.astype(np.float64)))
    first, second = _rank(a), _rank(b)
    same_sign = (first < 0) == (second < 0)
    # if the signs differ, the subtraction could overflow: then `difference` is 0, and `total` is the distance
    difference = np.where(same_sign, first, second) - second
    total = np.where(same_sign, 0.0, np.abs(first.astype(np.float64)) + np.abs(second.astype(np.float64)))
    return np.asarray(np.abs(difference).astype(np.float64) + total)


def _rank(values: NDArray[Any]) -> NDArray[np.int64]:
    """Map floats to integers in the same order. Adjacent floats become adjacent integers.

    -0 and +0 both become 0.
    """
    bits = np.ascontiguousarray(values).view(_INTEGERS[values.dtype.itemsize])
    magnitude = (bits & np.iinfo(bits.dtype).max).astype(np.int64)
    return np.asarray(np.where(bits < 0, -magnitude, magnitude))
