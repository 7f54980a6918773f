"""Fused multiply-add, exactly: one rounding of a * b + c, of float32 and of float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .types import DoubleArray, FloatArray

SPLITTER = 134217729.0  # 2^27 + 1
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


def fma_of_doubles(a: npt.ArrayLike, b: npt.ArrayLike, c: npt.ArrayLike) -> DoubleArray:
    """`a * b + c` of float64 with one rounding, where no product below overflows or underflows.

    Boldo and Melquiond, "Emulation of a FMA and correctly rounded sums: proved algorithms using rounding to
    odd" (IEEE Transactions on Computers 57, 2008): a * b = high + low exactly, t + t_low = c + low and
    v + v_low = high + t exactly, so a * b + c = v + (v_low + t_low) exactly. The sum in parentheses is
    rounded to odd; then the last sum rounds as the exact one does.
    """
    a, b, c = (np.asarray(values, np.float64) for values in (a, b, c))
    high, low = two_product(a, b)
    t, t_low = two_sum(c, low)
    v, v_low = two_sum(high, t)
    return v + sum_to_odd(t_low, v_low)


def two_product(a: DoubleArray, b: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
    """a * b rounded, and its error (Dekker), exact where nothing overflows or underflows."""
    product = a * b
    (a_high, a_low), (b_high, b_low) = split(a), split(b)
    error = a_low * b_low - (((product - a_high * b_high) - a_low * b_high) - a_high * b_low)
    return product, error


def split(a: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
    """a as a sum of two doubles of 26 bits each (Veltkamp): their products are exact."""
    scaled = SPLITTER * a
    high = scaled - (scaled - a)
    return high, a - high


def two_sum(a: DoubleArray, b: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
    """a + b rounded, and its error (Knuth), which is exact; NaN beside infinities."""
    total = a + b
    back = total - a
    return total, (a - (total - back)) + (b - back)


def sum_to_odd(a: DoubleArray, b: DoubleArray) -> DoubleArray:
    """a + b rounded to odd: where inexact, the neighbouring double whose last bit is 1.

    A later rounding to 51 bits or fewer then gives what rounding the exact sum would give.
    """
    return round_to_odd(*two_sum(a, b))


def round_to_odd(total: DoubleArray, error: DoubleArray) -> DoubleArray:
    """total + error, whose nearest double is total, rounded to odd; total where error is 0 or NaN."""
    bits = np.asarray(total).view(np.int64)
    even_and_inexact = ((error < 0) | (error > 0)) & ((bits & 1) == 0)
    step = np.where((error < 0) == (total < 0), 1, -1)  # one ulp outward or inward, toward the error
    odd: DoubleArray = (bits + step * even_and_inexact).view(np.float64)
    return odd
