"""exp of float32, correctly rounded, by a fixed sequence of double operations, none of them fused.

    x = k ln2 + r, |r| <= 0.3466       k = rint(x * INVERSE_LN2)
    exp(x) = 2^k * exp(r)              exp(r) = 1 + r + r^2/2 + r^3 * (1/3! + r/4! + … + r^12/15!)

The first three terms are summed without error, the rest is below 2^-7 and carries an error near 2^-60, so
that the sum, rounded to odd, is right to some 59 bits. All floats whose exp is neither 0, 1 nor infinite
were compared with a truth of 64 bits and more: every one is rounded correctly.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from .fma import round_to_odd
from .types import DoubleArray, FloatArray

INVERSE_LN2 = float.fromhex("0x1.71547652b82fep+0")
LN2_HIGH = float.fromhex("0x1.62e42fefa2000p-1")  # 40 bits: k * LN2_HIGH is exact, and so is x - k * LN2_HIGH
LN2_LOW = float.fromhex("0x1.9ef35793c7673p-41")  # LN2 - LN2_HIGH
SPLITTER = 134217729.0  # 2^27 + 1
TAIL = [1.0 / math.factorial(n) for n in range(15, 2, -1)]  # 1/15! … 1/3!, each the double nearest


def exp(values: npt.ArrayLike) -> FloatArray:
    """exp of float32 values of any shape, correctly rounded to float32; NaN stays NaN."""
    values = np.asarray(values, dtype=np.float32)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return np.where(np.isnan(values), values, exp_of_numbers(values))


def exp_of_numbers(values: FloatArray) -> FloatArray:
    # Beyond these ends the result is 0 or infinity anyway.
    x: DoubleArray = np.fmin(np.fmax(values.astype(np.float64), -110.0), 100.0)
    k = np.rint(x * INVERSE_LN2)
    r = x - k * LN2_HIGH
    r_low = -(k * LN2_LOW)

    # r^2 without error (Veltkamp, Dekker): square + square_low.
    c = r * SPLITTER
    a = c - (c - r)
    b = r - a
    square = r * r
    square_low = ((a * a - square) + 2.0 * (a * b)) + b * b

    tail = np.full_like(r, TAIL[0])
    for coefficient in TAIL[1:]:
        tail = tail * r + coefficient
    tail = tail * (square * r)

    # 1 + r, then + r^2/2: the larger first, so that the error of each sum is exact (Fast2Sum).
    one = 1.0 + r
    one_low = r - (one - 1.0)
    half = 0.5 * square
    two = one + half
    two_low = half - (two - one)

    low = ((one_low + two_low) + 0.5 * square_low) + tail
    low = low + r_low * (two + low)
    high = two + low
    result = round_to_odd(high, low - (high - two))
    return np.ldexp(result, k.astype(np.int32)).astype(np.float32)
