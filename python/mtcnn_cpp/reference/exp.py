"""The two float32 exponential functions that OpenFace uses. The results have the same bits as in OpenFace.

Some results of both functions are not correctly rounded. Both functions write x as (i + r) * ln 2 / n, where
i is an integer. They read 2^(i/n) from a table and compute the remaining factor 2^(r/n) with a polynomial.
Every operation rounds its result. `fma` and `fma_of_doubles` multiply and add, but round only once.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from .fma import fma, fma_of_doubles
from .types import DoubleArray, FloatArray


def power_of_two(numerator: int, denominator: int) -> float:
    """Return 2^(numerator/denominator), rounded to double. The denominator must be a power of two.

    The root is computed with integers and truncated to 60 binary digits after the point. Then it is rounded
    to double. The result is correctly rounded, because none of these powers is close to the middle between
    two adjacent doubles.
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
    """Return e^x as `cv::exp` of OpenCV 3.4 to 4.10 computes it for float maps on a CPU with FMA.

    All steps are computed in float32. PNet's probabilities and the sigmoid layer use this function. The
    function is not monotone. Its results equal those of OpenCV 4.6.0 for all 4,278,190,082 floats that are
    not NaN, both in maps that fill whole vectors and in shorter ones. There are 520,093,698 floats with 2^-27
    <= |x| <= 16. For 178,183,668 of them, the result differs from the correctly rounded value, by at most 16
    units in the last place. Outside this range, the difference is at most 108 units, except for results that
    are subnormal or nearly subnormal: there it can be greater.

    Args:
        values: float32 array of any shape. The result for NaN is NaN. In OpenCV, the result for NaN depends
            on its position in the map.

    Returns:
        float32 array of the same shape.
    """
    values = np.asarray(values, np.float32)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        x = np.fmin(np.fmax(values, -OPENCV_LIMIT), OPENCV_LIMIT)
        scaled = x * OPENCV_SCALE
        whole = np.rint(scaled)
        i = whole.astype(np.int32)
        z = (scaled - whole) * np.float32(1 / 64)
        exponent = np.clip((i >> 6) + 127, 0, 255)  # of 2^(i >> 6): 0 means 0.0, 255 means infinity
        y = OPENCV_POWERS[i & 63] * (exponent << 23).view(np.float32)
        a1, a2, a3, a4 = OPENCV_COEFFICIENTS
        p = fma(fma(fma(z + a1, z, a2), z, a3), z, a4)
        return np.where(np.isnan(values), values, p * y)


def exp_glibc(values: npt.ArrayLike) -> FloatArray:
    """Return e^x as `expf` of glibc 2.27 or later computes it on a CPU with FMA.

    The value is computed in double and rounded to float32 once. The scores of RNet and ONet use this
    function. Its results equal those of glibc 2.36 for all 4,278,190,082 floats that are not NaN. There are
    562,167,808 floats whose exponential is not 0, 1 or infinity (2^-27 <= |x| and -104 < x < 89). For 170,648
    of them, the result differs from the correctly rounded value, by one unit in the last place.

    Args:
        values: float32 array of any shape. The result for NaN is NaN.

    Returns:
        float32 array of the same shape.
    """
    values = np.asarray(values, np.float32)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        # Outside this range the result is 0 or infinity.
        x: DoubleArray = np.fmin(np.fmax(values.astype(np.float64), -110.0), 100.0)
        k = np.rint(GLIBC_SCALE * x)
        r = fma_of_doubles(GLIBC_SCALE, x, -k)
        i = k.astype(np.int64)
        s = np.ldexp(GLIBC_POWERS[i & 31], i >> 5)
        c0, c1, c2 = GLIBC_COEFFICIENTS
        y = fma_of_doubles(fma_of_doubles(c0, r, c1), r * r, fma_of_doubles(c2, r, 1.0))
        return np.where(np.isnan(values), values, (y * s).astype(np.float32))
