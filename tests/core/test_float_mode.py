"""The core where another library has changed the floating-point mode: the same bits, and the mode as it was.

Rounding directions only, set by the C library; cpp/tests/test_float_mode.cpp has flush-to-zero too.
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
from mtcnn_cpp import Model
from mtcnn_cpp.model import write_network
from mtcnn_cpp.reference.options import Options
from pictures import portrait

_core = pytest.importorskip("mtcnn_cpp._core")

MODEL = Model.default()
# Up, down, toward zero, as <fenv.h> has them.
DIRECTIONS = {
    "x86_64": {"up": 0x800, "down": 0x400, "zero": 0xC00},
    "aarch64": {"up": 0x400000, "down": 0x800000, "zero": 0xC00000},
}.get({"arm64": "aarch64"}.get(platform.machine(), platform.machine()), {})
SUPPORTED = [variant["name"] for variant in _core.isa_variants() if variant["supported"]]

if platform.system() == "Windows" or not DIRECTIONS:
    pytest.skip("how this C library names the rounding directions is not known here", allow_module_level=True)
LIBM = ctypes.CDLL(None)
NEAREST = 0


@pytest.fixture(params=DIRECTIONS)
def run(request: pytest.FixtureRequest) -> Iterator[Callable[[Callable[[], Any]], Any]]:
    """Runs a function in a mode and looks whether that mode holds afterwards."""
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


@functools.cache  # made once, in the default mode
def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(3).uniform(-1, 1, shape).astype(F)


BOXES = (numbers(50, 4) * F(40) + F([50, 50, 60, 60])).astype(F)
SQUARE = F([30, 40, 50, 50])
OVERLAPPING = F([[0, 0, 2, 1], [1, 0, 2, 1]])  # one third of their union
ROOMS: dict[str, Callable[[Any, str], Any]] = {
    "resize": lambda rooms, isa: rooms.resize(portrait(), 71, 83, isa=isa),
    "half": lambda rooms, isa: rooms.resize(numbers(20, 40, 3), 10, 20, isa=isa),
    "cut_resize": lambda rooms, isa: rooms.cut_resize(portrait(), SQUARE, 24, isa=isa),
    "conv2d": lambda rooms, isa: rooms.conv2d(
        numbers(3, 9, 9), numbers(10, 3, 3, 3), numbers(10), isa=isa, lanes="pixels"
    ),
    "conv2d, channels": lambda rooms, isa: rooms.conv2d(
        numbers(3, 9, 9), numbers(10, 3, 3, 3), numbers(10), isa=isa, lanes="channels"
    ),
    "prelu": lambda rooms, isa: rooms.prelu(numbers(3, 9, 9), numbers(3), isa=isa),
    "fully_connected": lambda rooms, isa: rooms.fully_connected(
        numbers(30), numbers(30, 20), numbers(20), isa=isa
    ),
    "fully_connected, maps": lambda rooms, isa: rooms.fully_connected(
        numbers(30, 4, 4), numbers(30, 20), numbers(20), isa=isa
    ),
    "sigmoid": lambda rooms, isa: rooms.sigmoid(numbers(9)),
    "exp_opencv": lambda rooms, isa: rooms.exp_opencv(numbers(1000)),
    "exp_glibc": lambda rooms, isa: rooms.exp_glibc(numbers(1000)),
    "non_maximum_suppression": lambda rooms, isa: rooms.non_maximum_suppression(
        OVERLAPPING, OVERLAPPING[:, 1].copy(), 1 / 3, "union"
    ),
    "apply_offsets": lambda rooms, isa: rooms.apply_offsets(BOXES, numbers(50, 4), False),
    "make_square": lambda rooms, isa: rooms.make_square(F([[10, 10, 1e-8, 60], [9, 9, 60, 1e-8]])),
}


@pytest.mark.parametrize("isa", SUPPORTED)
@pytest.mark.parametrize("room", ROOMS)
def test_rooms(run: Any, room: str, isa: str) -> None:
    expected = ROOMS[room](_core.rooms, isa)
    assert same(run(lambda: ROOMS[room](_core.rooms, isa)), expected)


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


def test_a_tap_runs_in_the_callers_mode(run: Any) -> None:
    detector = _core.Detector(MODEL.pnet, MODEL.rnet, MODEL.onet)
    seen = []

    def detect() -> Any:
        def tap(name: str, array: np.ndarray) -> None:
            seen.append((rounded_up(), rounded_down()))

        return detector.detect(**detector_arguments(portrait(), Options(min_face=60), tap=tap))

    expected = detect()
    assert set(seen) == {(False, False)}
    seen.clear()
    assert same(run(detect), expected)
    assert len(seen) > 100
    assert len(set(seen)) == 1
    assert set(seen) != {(False, False)}


def test_a_file_of_doubles(run: Any) -> None:
    """One PReLU layer of a float64 slope, which is rounded to float32."""
    data = np.array([1, 3, 1, 1, 6], "<i4").tobytes() + np.array([0.1], "<f8").tobytes()
    expected = _core.rooms.read_network(data, "file")
    found = run(lambda: _core.rooms.read_network(data, "file"))
    assert write_network(found) == write_network(expected)
