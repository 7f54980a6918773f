"""Fused multiply-add: computes a * b + c with only one rounding, for float32 and float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .types import DoubleArray, FloatArray

SPLITTER = 134217729.0  # 2^27 + 1
SMALLEST_NORMAL = float(np.finfo(np.float32).smallest_normal)
# EXTRA_BITS is a mask of the 29 bits that a double has in addition to the bits of a float. HALF_WAY is the
# value of these bits in the middle between two adjacent normal floats.
EXTRA_BITS, HALF_WAY = (1 << 29) - 1, 1 << 28


def fma(a: npt.NDArray[Any], b: npt.NDArray[Any], c: npt.NDArray[Any]) -> FloatArray:
    """Return `a * b + c` of float32 values with only one rounding.

    The product of two float32 numbers is exact in float64. The sum would be rounded twice: first to float64,
    then to float32. The second rounding can be wrong only if the float64 sum lies exactly in the middle
    between two adjacent floats. In this case, the sum is rounded to odd instead of to the nearest float64.

    Args:
        a: float32 values, as a float32 or float64 array.
        b: Values as for `a`. The shapes of `a`, `b` and `c` are broadcast.
        c: Values as for `a`.

    Returns:
        float32 array with the broadcast shape.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        product = np.multiply(a, b, dtype=np.float64)
        total = np.asarray(product + c)
        half_way = (total.view(np.int64) & EXTRA_BITS) == HALF_WAY
        half_way |= np.abs(total) < SMALLEST_NORMAL  # the spacing of subnormal floats differs, so include all
        if half_way.any():
            c = np.broadcast_to(c, total.shape)[half_way].astype(np.float64)
            total[half_way] = sum_to_odd(np.broadcast_to(product, total.shape)[half_way], c)
        return total.astype(np.float32)


def fma_of_doubles(a: npt.ArrayLike, b: npt.ArrayLike, c: npt.ArrayLike) -> DoubleArray:
    """Return `a * b + c` of float64 values with only one rounding. No product may overflow or underflow.

    The algorithm is from Boldo and Melquiond, "Emulation of a FMA and correctly rounded sums: proved
    algorithms using rounding to odd" (IEEE Transactions on Computers 57, 2008). The code computes three exact
    sums: high + low equals a * b, t + t_low equals c + low, and v + v_low equals high + t. Therefore, a * b +
    c equals v + (t_low + v_low) exactly. The sum in parentheses is rounded to odd. Then the sum of v and this
    value is correctly rounded.
    """
    a, b, c = (np.asarray(values, np.float64) for values in (a, b, c))
    high, low = two_product(a, b)
    t, t_low = two_sum(c, low)
    v, v_low = two_sum(high, t)
    return v + sum_to_odd(t_low, v_low)


def two_product(a: DoubleArray, b: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
    """Return the rounded product a * b and its rounding error (algorithm of Dekker).

    The error is exact if nothing overflows or underflows.
    """
    product = a * b
    (a_high, a_low), (b_high, b_low) = split(a), split(b)
    error = a_low * b_low - (((product - a_high * b_high) - a_low * b_high) - a_high * b_low)
    return product, error


def split(a: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
    """Split `a` into the sum of two doubles of 26 bits each (algorithm of Veltkamp).

    Products of such doubles are exact.
    """
    scaled = SPLITTER * a
    high = scaled - (scaled - a)
    return high, a - high


def two_sum(a: DoubleArray, b: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
    """Return the rounded sum a + b and its exact rounding error (algorithm of Knuth).

    The error is NaN if a value is infinite.
    """
    total = a + b
    back = total - a
    return total, (a - (total - back)) + (b - back)


def sum_to_odd(a: DoubleArray, b: DoubleArray) -> DoubleArray:
    """Return a + b, rounded to odd.

    If the exact sum is not a double, the result is the neighbouring double whose last bit is 1.

    If this result is later rounded to 51 bits or fewer, the outcome is the same as for the exact sum.
    """
    return round_to_odd(*two_sum(a, b))


def round_to_odd(total: DoubleArray, error: DoubleArray) -> DoubleArray:
    """Return `total + error`, rounded to odd. Return `total` if `error` is 0 or NaN.

    `total` must be the double nearest to the sum.
    """
    bits = np.asarray(total).view(np.int64)
    even_and_inexact = ((error < 0) | (error > 0)) & ((bits & 1) == 0)
    step = np.where((error < 0) == (total < 0), 1, -1)  # one ulp, in the direction of the error
    odd: DoubleArray = (bits + step * even_and_inexact).view(np.float64)
    return odd
