"""Pictures and backends that several test files use."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mtcnn_cpp import sample_image

ROOT = Path(__file__).resolve().parents[1]
GOLD = ROOT.parent / "shared" / "gold"

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


def gold_cases(names: tuple[str, ...] | None = None) -> list[dict[str, Any]]:
    """Detections of the original, all or those of some pictures; none where the gold folder is absent."""
    if not GOLD.exists():
        return []
    cases = json.loads((GOLD / "detections.json").read_text())["detections"]
    return [case for case in cases if names is None or case["image"] in names]
