"""The core in a floating-point mode that another library has set: equal bits, and the mode is restored.

These tests set rounding directions by the C library. cpp/tests/test_float_mode.cpp also tests flush-to-zero.
"""

from __future__ import annotations

import ctypes
import functools
import platform
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from core_strategies import F, detector_arguments
from images import portrait
from mtcnn_cpp import Model
from mtcnn_cpp.model import write_network
from mtcnn_cpp.reference.options import Options

_core = pytest.importorskip("mtcnn_cpp._core")

MODEL = Model.default()
# Values of FE_UPWARD, FE_DOWNWARD and FE_TOWARDZERO in <fenv.h>.
DIRECTIONS = {
    "x86_64": {"up": 0x800, "down": 0x400, "zero": 0xC00},
    "aarch64": {"up": 0x400000, "down": 0x800000, "zero": 0xC00000},
}.get({"arm64": "aarch64"}.get(platform.machine(), platform.machine()), {})
SUPPORTED = [variant["name"] for variant in _core.isa_variants() if variant["supported"]]

if platform.system() == "Windows" or not DIRECTIONS:
    pytest.skip(
        "the values of the rounding directions are unknown for this C library", allow_module_level=True
    )
LIBM = ctypes.CDLL(None)
NEAREST = 0


@pytest.fixture(params=DIRECTIONS)
def run(request: pytest.FixtureRequest) -> Iterator[Callable[[Callable[[], Any]], Any]]:
    """Run a function in a mode and check that the mode is the same afterwards."""
    direction = DIRECTIONS[request.param]

    def run(function: Callable[[], Any]) -> Any:
        try:
            assert LIBM.fesetround(direction) == 0
            result = function()
            after = LIBM.fegetround(), rounded_up(), rounded_down()
        finally:
            LIBM.fesetround(NEAREST)
        assert after == (direction, request.param == "up", request.param != "up")
        return result

    yield run
    LIBM.fesetround(NEAREST)


def rounded_up() -> bool:
    return bool(np.add(np.ones(1, F), F(1e-30))[0] > 1)


def rounded_down() -> bool:
    return bool(np.subtract(np.ones(1, F), F(1e-30))[0] < 1)


def same(found: Any, expected: Any) -> bool:
    if isinstance(found, tuple):
        return all(same(*pair) for pair in zip(found, expected, strict=True))
    return found.tobytes() == expected.tobytes() if isinstance(found, np.ndarray) else found == expected


@functools.cache  # computed once, in the default mode
def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(3).uniform(-1, 1, shape).astype(F)


BOXES = (numbers(50, 4) * F(40) + F([50, 50, 60, 60])).astype(F)
SQUARE = F([30, 40, 50, 50])
OVERLAPPING = F([[0, 0, 2, 1], [1, 0, 2, 1]])  # their intersection is one third of their union
COMPONENTS: dict[str, Callable[[Any, str], Any]] = {
    "resize": lambda components, isa: components.resize(portrait(), 71, 83, isa=isa),
    "half": lambda components, isa: components.resize(numbers(20, 40, 3), 10, 20, isa=isa),
    "cut_resize": lambda components, isa: components.cut_resize(portrait(), SQUARE, 24, isa=isa),
    "conv2d": lambda components, isa: components.conv2d(
        numbers(3, 9, 9), numbers(10, 3, 3, 3), numbers(10), isa=isa, lanes="pixels"
    ),
    "conv2d, channels": lambda components, isa: components.conv2d(
        numbers(3, 9, 9), numbers(10, 3, 3, 3), numbers(10), isa=isa, lanes="channels"
    ),
    "prelu": lambda components, isa: components.prelu(numbers(3, 9, 9), numbers(3), isa=isa),
    "fully_connected": lambda components, isa: components.fully_connected(
        numbers(30), numbers(30, 20), numbers(20), isa=isa
    ),
    "fully_connected, maps": lambda components, isa: components.fully_connected(
        numbers(30, 4, 4), numbers(30, 20), numbers(20), isa=isa
    ),
    "sigmoid": lambda components, isa: components.sigmoid(numbers(9)),
    "exp_opencv": lambda components, isa: components.exp_opencv(numbers(1000)),
    "exp_glibc": lambda components, isa: components.exp_glibc(numbers(1000)),
    "non_maximum_suppression": lambda components, isa: components.non_maximum_suppression(
        OVERLAPPING, OVERLAPPING[:, 1].copy(), 1 / 3, "union"
    ),
    "apply_offsets": lambda components, isa: components.apply_offsets(BOXES, numbers(50, 4), False),
    "make_square": lambda components, isa: components.make_square(F([[10, 10, 1e-8, 60], [9, 9, 60, 1e-8]])),
}


@pytest.mark.parametrize("isa", SUPPORTED)
@pytest.mark.parametrize("component", COMPONENTS)
def test_components(run: Any, component: str, isa: str) -> None:
    expected = COMPONENTS[component](_core._testing, isa)
    assert same(run(lambda: COMPONENTS[component](_core._testing, isa)), expected)


@pytest.mark.parametrize("isa", SUPPORTED)
def test_networks(run: Any, isa: str) -> None:
    detector = _core.Detector(MODEL.pnet, MODEL.rnet, MODEL.onet, isa)
    for stage, side in (("pnet", 30), ("rnet", 24), ("onet", 48)):
        maps = numbers(2, 3, side, side)
        for call in (
            lambda stage=stage, maps=maps: detector.forward(stage, maps),
            lambda stage=stage, maps=maps: detector.layer(stage, "conv1", maps[0]),
        ):
            assert same(run(call), call())


@pytest.mark.parametrize("isa", SUPPORTED)
@pytest.mark.parametrize("threads", [1, 3])
def test_detections(run: Any, isa: str, threads: int) -> None:
    def detect() -> Any:
        detector = _core.Detector(MODEL.pnet, MODEL.rnet, MODEL.onet, isa)
        return detector.detect(**detector_arguments(portrait(), Options(min_face=40), threads=threads))

    expected = detect()
    assert len(expected[0]) == 1
    assert same(run(detect), expected)


def test_a_hook_runs_in_the_callers_mode(run: Any) -> None:
    detector = _core.Detector(MODEL.pnet, MODEL.rnet, MODEL.onet)
    seen = []

    def detect() -> Any:
        def hook(name: str, array: np.ndarray) -> None:
            seen.append((rounded_up(), rounded_down()))

        return detector.detect(**detector_arguments(portrait(), Options(min_face=60), hook=hook))

    expected = detect()
    assert set(seen) == {(False, False)}
    seen.clear()
    assert same(run(detect), expected)
    assert len(seen) > 100
    assert len(set(seen)) == 1
    assert set(seen) != {(False, False)}


def test_a_file_of_doubles(run: Any) -> None:
    """A file with one PReLU layer, whose float64 slope is rounded to float32."""
    data = np.array([1, 3, 1, 1, 6], "<i4").tobytes() + np.array([0.1], "<f8").tobytes()
    expected = _core._testing.read_network(data, "file")
    found = run(lambda: _core._testing.read_network(data, "file"))
    assert write_network(found) == write_network(expected)
