"""Images and backends for several test files."""

from __future__ import annotations

import functools
import os
from pathlib import Path

import numpy as np
import pytest
from mtcnn_cpp import Detections, sample_image

ROOT = Path(__file__).resolve().parents[2]

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
# Runs the same tests on a backend with another order of sums: MTCNN_TEST_BACKEND=onnx pytest ...
OTHER_BACKEND = os.environ.get("MTCNN_TEST_BACKEND", "")
if OTHER_BACKEND:
    BACKENDS = [OTHER_BACKEND]
FAST = "core" if "core" in BACKENDS else "reference"  # used if the backend does not matter


def nearly_equal(found: object, expected: object) -> bool:
    """Compare faces with the tolerance of other runtimes: 0.01 px, scores 1e-5."""
    assert isinstance(found, Detections)
    assert isinstance(expected, Detections)
    return len(found) == len(expected) and all(
        np.allclose(getattr(found, name), getattr(expected, name), rtol=0, atol=atol)
        for name, atol in (("boxes", 0.01), ("landmarks", 0.01), ("scores", 1e-5))
    )


@functools.cache
def portrait() -> np.ndarray:
    """Return the face of the sample image, (160, 176, 3) uint8 BGR, read-only; small and fast in NumPy."""
    image = np.ascontiguousarray(sample_image()[52:212, 136:312])
    image.flags.writeable = False
    return image
