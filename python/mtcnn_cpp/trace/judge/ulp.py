"""Distance of two floats in units of the last place."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_INTEGERS = {2: np.int16, 4: np.int32, 8: np.int64}


def ulp_distance(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    """How many representable values lie between a and b, elementwise; 0 for -0 and +0.

    Both of one float dtype and shape, without NaN (infinity is the neighbour of the largest number).
    Integers: the plain difference. As float64: exact up to 2^53, beyond which only float64 inputs reach.
    """
    if a.dtype.kind != "f":
        return np.asarray(np.abs(a.astype(np.float64) - b.astype(np.float64)))
    first, second = _rank(a), _rank(b)
    same_sign = (first < 0) == (second < 0)
    near = np.where(same_sign, first, second) - second  # the difference where it cannot overflow, elsewhere 0
    far = np.where(same_sign, 0.0, np.abs(first.astype(np.float64)) + np.abs(second.astype(np.float64)))
    return np.asarray(np.abs(near).astype(np.float64) + far)


def _rank(values: NDArray[Any]) -> NDArray[np.int64]:
    """A whole number per float, in the order of the floats, neighbours differing by one, both zeros 0."""
    bits = np.ascontiguousarray(values).view(_INTEGERS[values.dtype.itemsize])
    magnitude = (bits & np.iinfo(bits.dtype).max).astype(np.int64)
    return np.asarray(np.where(bits < 0, -magnitude, magnitude))
