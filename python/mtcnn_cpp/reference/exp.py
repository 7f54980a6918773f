"""The two exponentials of the original, float32, to the bit. Neither is correctly rounded.

Both split x into (i + r) * ln 2 / n with an integer i, look 2^(i/n) up in a table, and compute the rest by a
polynomial. Every step is rounded as written here; `fma` and `fma_of_doubles` round once.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from .fma import fma, fma_of_doubles
from .types import DoubleArray, FloatArray


def power_of_two(numerator: int, denominator: int) -> float:
    """Return 2^(numerator/denominator) rounded to double, for a denominator that is a power of two.

    The root is computed in integers, with 60 bits after the point, so the conversion to double is the only
    rounding. (None of these powers lies near half way between two doubles.)
    """
    root = 1 << (numerator + 60 * denominator)
    for _ in range(denominator.bit_length() - 1):
        root = math.isqrt(root)
    return math.ldexp(float(root), -60)


LOG2_E = 1.4426950408889634
A0 = 0.9670371139572337719125840413672004409288e-2
OPENCV_LIMIT = np.float32(3000 / LOG2_E)
OPENCV_SCALE = np.float32(64 * LOG2_E)
OPENCV_COEFFICIENTS = np.array(
    [
        0.05550339366753125211915322047004666939128 / A0,
        0.2402265109513301490103372422686535526573 / A0,
        0.6931471805521448196800669615864774 / A0,
        1.000000000000002438532970795181890933776 / A0,
    ],
    np.float32,
)
OPENCV_POWERS = np.array([power_of_two(i, 64) * A0 for i in range(64)], np.float32)

GLIBC_SCALE = float.fromhex("0x1.71547652b82fep+5")  # 32 / ln 2
GLIBC_COEFFICIENTS = [
    float.fromhex(value)
    for value in ("0x1.c6af84b912394p-20", "0x1.ebfce50fac4f3p-13", "0x1.62e42ff0c52d6p-6")
]
GLIBC_POWERS = np.array([power_of_two(i, 32) for i in range(32)])


def exp_opencv(values: npt.ArrayLike) -> FloatArray:
    """Return e^x as `cv::exp` computes it for float maps (OpenCV 3.4 to 4.10 with FMA): all steps in float32.

    PNet's probabilities and the sigmoid layer use it. It is not monotone. Equal to OpenCV 4.6.0's in all
    4,278,190,082 floats that are not NaN, in long maps and in short ones. It differs from the correctly
    rounded value in 178,183,668 of the 520,093,698 floats with 2^-27 <= |x| <= 16, by at most 16 units in the
    last place; farther out by up to 108; where the result is subnormal, or nearly so, by more.

    Args:
        values: float32 of any shape. NaN stays NaN (OpenCV's own answer depends on the place in the map).

    Returns:
        float32 of the same shape.
    """
    values = np.asarray(values, np.float32)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        x = np.fmin(np.fmax(values, -OPENCV_LIMIT), OPENCV_LIMIT)
        scaled = x * OPENCV_SCALE
        whole = np.rint(scaled)
        i = whole.astype(np.int32)
        z = (scaled - whole) * np.float32(1 / 64)
        exponent = np.clip((i >> 6) + 127, 0, 255)  # of 2^(i >> 6); 0 and infinity beyond the ends
        y = OPENCV_POWERS[i & 63] * (exponent << 23).view(np.float32)
        a1, a2, a3, a4 = OPENCV_COEFFICIENTS
        p = fma(fma(fma(z + a1, z, a2), z, a3), z, a4)
        return np.where(np.isnan(values), values, p * y)


def exp_glibc(values: npt.ArrayLike) -> FloatArray:
    """Return e^x as glibc's `expf` computes it (2.27 or newer, on a processor with FMA): in double, rounded
    once to float32.

    The scores of RNet and ONet use it. Equal to glibc 2.36's in all 4,278,190,082 floats that are not NaN.
    It differs from the correctly rounded value in 170,648 of the 562,167,808 floats whose exponential is
    neither 0, 1 nor infinite (2^-27 <= |x|, -104 < x < 89), by one unit in the last place.

    Args:
        values: float32 of any shape; NaN stays NaN.

    Returns:
        float32 of the same shape.
    """
    values = np.asarray(values, np.float32)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        # Beyond these ends the result is 0 or infinity.
        x: DoubleArray = np.fmin(np.fmax(values.astype(np.float64), -110.0), 100.0)
        k = np.rint(GLIBC_SCALE * x)
        r = fma_of_doubles(GLIBC_SCALE, x, -k)
        i = k.astype(np.int64)
        s = np.ldexp(GLIBC_POWERS[i & 31], i >> 5)
        c0, c1, c2 = GLIBC_COEFFICIENTS
        y = fma_of_doubles(fma_of_doubles(c0, r, c1), r * r, fma_of_doubles(c2, r, 1.0))
        return np.where(np.isnan(values), values, (y * s).astype(np.float32))
