"""The reference raises an error in a floating-point mode other than the default."""

from __future__ import annotations

import ctypes
import ctypes.util
import platform
from collections.abc import Iterator

import pytest
from images import portrait
from mtcnn_cpp import Detector
from mtcnn_cpp.reference.float_mode import require_default_mode

# FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO
DIRECTIONS = {
    "x86_64": (0x400, 0x800, 0xC00),
    "AMD64": (0x100, 0x200, 0x300),
    "aarch64": (0x800000, 0x400000, 0xC00000),
    "arm64": (0x800000, 0x400000, 0xC00000),
}
LIBRARY = ctypes.util.find_library("m")


@pytest.fixture(params=range(3), ids=["downward", "upward", "toward zero"])
def direction(request: pytest.FixtureRequest) -> Iterator[int]:
    if platform.machine() not in DIRECTIONS or LIBRARY is None:
        pytest.skip(f"the arguments of fesetround are unknown on {platform.system()} {platform.machine()}")
    library = ctypes.CDLL(LIBRARY)
    before = library.fegetround()
    mode = DIRECTIONS[platform.machine()][request.param]
    assert library.fesetround(mode) == 0
    yield mode
    library.fesetround(before)


def test_default_mode_passes() -> None:
    require_default_mode()


def test_other_directions_are_rejected(direction: int) -> None:
    with pytest.raises(RuntimeError, match=r"does not round to nearest .* use backend 'core'"):
        Detector(backend="reference").detect(portrait())
