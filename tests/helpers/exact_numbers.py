"""Rounding of exact numbers to floats, and random floats of any size."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np


def rounded(value: Fraction, digits: int = 24, smallest: int = -149, infinite: int = 128) -> float:
    """Round to the nearest float, ties to even, with subnormal and infinite results as in IEEE 754."""
    if value == 0:
        return 0.0
    exponent = math.floor(math.log2(abs(value)))  # may be wrong by one; corrected below
    exponent += (abs(value) >= Fraction(2) ** (exponent + 1)) - (abs(value) < Fraction(2) ** exponent)
    unit = Fraction(2) ** max(exponent - digits + 1, smallest)
    result = round(value / unit) * unit
    return math.copysign(math.inf, value) if abs(result) >= 2**infinite else float(result)


def random_floats(rng: np.random.Generator, shape: int | tuple[int, ...], low: int, high: int) -> np.ndarray:
    """Return random floats of both signs with exponents from low to high."""
    mantissa = rng.integers(1 << 23, 1 << 24, shape) * rng.choice([-1, 1], shape)
    return np.ldexp(mantissa.astype(np.float64), rng.integers(low, high + 1, shape) - 23).astype(np.float32)
