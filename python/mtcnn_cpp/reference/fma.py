"""Fused multiply-add of float32, exactly: one rounding of a * b + c."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .types import DoubleArray, FloatArray

SMALLEST_NORMAL = float(np.finfo(np.float32).smallest_normal)
# The 29 bits that a double has beyond a float, and their value half way between two (normal) floats.
EXTRA_BITS, HALF_WAY = (1 << 29) - 1, 1 << 28


def fma(a: npt.NDArray[Any], b: npt.NDArray[Any], c: npt.NDArray[Any]) -> FloatArray:
    """`a * b + c` with one rounding; float32 values (as float32 or float64 arrays, broadcast), float32
    result.

    The product of two float32 is exact in float64; only the sum is rounded there. Rounding that again to
    float32 goes wrong only where the float64 sum fell exactly half way between two floats: there it is
    rounded to odd first.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        product = np.multiply(a, b, dtype=np.float64)
        total = np.asarray(product + c)
        half_way = (total.view(np.int64) & EXTRA_BITS) == HALF_WAY
        half_way |= np.abs(total) < SMALLEST_NORMAL  # subnormal floats are spaced otherwise: take them all
        if half_way.any():
            c = np.broadcast_to(c, total.shape)[half_way].astype(np.float64)
            total[half_way] = sum_to_odd(np.broadcast_to(product, total.shape)[half_way], c)
        return total.astype(np.float32)


def sum_to_odd(a: DoubleArray, b: DoubleArray) -> DoubleArray:
    """a + b rounded to odd: where inexact, the neighbouring double whose last bit is 1.

    A later rounding to 51 bits or fewer then gives what rounding the exact sum would give.
    """
    total = a + b
    back = total - a
    # TwoSum: total + error is the exact sum (the error is NaN beside infinities).
    error = (a - (total - back)) + (b - back)
    return round_to_odd(total, error)


def round_to_odd(total: DoubleArray, error: DoubleArray) -> DoubleArray:
    """total + error, whose nearest double is total, rounded to odd; total where error is 0 or NaN."""
    bits = total.view(np.int64)
    even_and_inexact = ((error < 0) | (error > 0)) & ((bits & 1) == 0)
    step = np.where((error < 0) == (total < 0), 1, -1)  # one ulp outward or inward, toward the error
    odd: DoubleArray = (bits + step * even_and_inexact).view(np.float64)
    return odd
