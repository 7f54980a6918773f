"""The floating-point mode that the calling thread computes in.

The core sets the default mode for each detection. NumPy cannot, so the reference refuses any other.
"""

from __future__ import annotations

import numpy as np

ONE = np.ones(1, np.float32)
QUARTER_STEP = np.array([2.0**-25], np.float32)  # a quarter of the distance from 1 to the next float
SUBNORMAL = np.array([1 << 9], np.uint32).view(np.float32)  # 2^-140, made without arithmetic


def require_default_mode() -> None:
    """Raise RuntimeError unless results are rounded to nearest and subnormal numbers are kept."""
    nearest = (
        (ONE + QUARTER_STEP == ONE).all()
        and (-ONE - QUARTER_STEP == -ONE).all()
        and (ONE + 3 * QUARTER_STEP > ONE).all()
    )
    if not nearest:
        raise RuntimeError(
            "the calling thread does not round to nearest (another library has called fesetround), and the "
            "reference cannot change that; use backend 'core', which can"
        )
    if not (SUBNORMAL * ONE > 0).all():
        raise RuntimeError(
            "the calling thread flushes subnormal numbers to zero (another library has switched that on), "
            "and the reference cannot change that; use backend 'core', which can"
        )
