"""Pictures and backends that several test files use."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest
from mtcnn_cpp import sample_image

ROOT = Path(__file__).resolve().parents[1]

try:
    from mtcnn_cpp import _core
except ImportError as error:
    BACKENDS = [
        pytest.param("core", marks=pytest.mark.skip(reason=f"no compiled core: {error}")),
        "reference",
    ]
else:
    BACKENDS = [
        "core",
        *(
            pytest.param(
                isa["name"],
                marks=pytest.mark.skipif(not isa["supported"], reason=f"this CPU cannot run {isa['name']}"),
            )
            for isa in _core.isa_variants()
        ),
        "reference",
    ]


@functools.cache
def portrait() -> np.ndarray:
    """(160, 176, 3) uint8 BGR, read-only: the sample's face with what is around it; small, so that NumPy is
    quick."""
    image = np.ascontiguousarray(sample_image()[52:212, 136:312])
    image.flags.writeable = False
    return image
