"""Checks the floating-point mode of the calling thread.

The core sets the default mode for each detection. NumPy cannot set the mode, so the reference raises an error
if the mode of the thread is not the default.
"""

from __future__ import annotations

import numpy as np

ONE = np.ones(1, np.float32)
QUARTER_STEP = np.array([2.0**-25], np.float32)  # a quarter of the distance from 1 to the next float
SUBNORMAL = np.array([1 << 9], np.uint32).view(np.float32)  # 2^-140, created without arithmetic


def require_default_mode() -> None:
    """Raise RuntimeError if this thread does not round to nearest, or flushes subnormal numbers to zero."""
    nearest = (
        (ONE + QUARTER_STEP == ONE).all()
        and (-ONE - QUARTER_STEP == -ONE).all()
        and (ONE + 3 * QUARTER_STEP > ONE).all()
    )
    if not nearest:
        raise RuntimeError(
            "the calling thread does not round to nearest (another library has called fesetround), and the "
            "reference cannot change the mode; use backend 'core', which can"
        )
    if not (SUBNORMAL * ONE > 0).all():
        raise RuntimeError(
            "the calling thread flushes subnormal numbers to zero (another library has enabled this mode), "
            "and the reference cannot change it; use backend 'core', which can"
        )
