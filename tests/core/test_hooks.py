"""Hooks of the core: tensors of the real model, their lifetime, and exceptions in hooks."""

from __future__ import annotations

import gc
import re
import weakref
import zlib
from typing import Any

import numpy as np
import pytest
from core_strategies import detector_arguments
from gold_results import load_image, same_bits
from images import ROOT, portrait
from mtcnn_cpp import Model
from mtcnn_cpp.reference import cascade
from mtcnn_cpp.reference.network import Networks
from mtcnn_cpp.reference.options import Options

_core = pytest.importorskip("mtcnn_cpp._core")

MODEL = Model.default()
VARIANTS = [
    pytest.param(
        variant["name"],
        marks=pytest.mark.skipif(not variant["supported"], reason=f"this CPU cannot run {variant['name']}"),
    )
    for variant in _core.isa_variants()
]


@pytest.fixture
def detector() -> Any:
    return _core.Detector(MODEL.pnet, MODEL.rnet, MODEL.onet)


@pytest.fixture(scope="module")
def reference_trace() -> list[tuple[str, np.ndarray]]:
    """All tensors of the detection in astronaut.png."""
    tensors: list[tuple[str, np.ndarray]] = []
    networks = Networks(MODEL.pnet, MODEL.rnet, MODEL.onet)
    image = load_image("astronaut.png")
    cascade.detect(
        networks, image, is_rgb=False, options=Options(), hook=lambda *tensor: tensors.append(tensor)
    )
    return tensors


@pytest.mark.parametrize("isa", VARIANTS)
def test_every_tensor_of_an_image(isa: str, reference_trace: list[tuple[str, np.ndarray]]) -> None:
    expected = iter(reference_trace)

    def hook(name: str, array: np.ndarray) -> None:
        expected_name, expected_array = next(expected)
        assert name == expected_name
        assert same_bits(np.ascontiguousarray(array), np.ascontiguousarray(expected_array)), name
        assert not array.flags.writeable

    detector = _core.Detector(MODEL.pnet, MODEL.rnet, MODEL.onet, isa)
    detector.detect(**detector_arguments(load_image("astronaut.png")), hook=hook)
    assert next(expected, None) is None
    assert len(reference_trace) > 300


def test_checksum_in_the_cpp_test() -> None:
    """cpp/tests/test_weights.cpp compares the core with this checksum of the reference, without Python."""
    data = (ROOT / "cpp" / "tests" / "face.ppm").read_bytes()
    magic, size, most, pixels = data.split(b"\n", 3)
    width, height = (int(side) for side in size.split())
    assert (magic, most) == (b"P6", b"255")
    image = np.frombuffer(pixels, np.uint8).reshape(height, width, 3)
    crc = 0

    def hook(name: str, array: np.ndarray) -> None:
        nonlocal crc
        crc = zlib.crc32(np.ascontiguousarray(array).tobytes(), zlib.crc32(name.encode(), crc))

    networks = Networks(MODEL.pnet, MODEL.rnet, MODEL.onet)
    cascade.detect(networks, image, is_rgb=True, options=Options(min_face=24), hook=hook)
    source = (ROOT / "cpp" / "tests" / "test_weights.cpp").read_text()
    recorded = re.search(r"kExpectedCrc = (0x[0-9a-f]+)", source)
    assert recorded is not None
    assert f"{crc:#x}" == recorded[1]


def test_arrays_that_are_kept_do_not_change(detector: Any) -> None:
    """The arrays own their memory. Later detections and the end of the detector do not change it."""
    kept: list[tuple[str, np.ndarray, bytes]] = []
    arguments = detector_arguments(portrait(), Options(min_face=40))
    detector.detect(**arguments, hook=lambda name, array: kept.append((name, array, array.tobytes())))
    for flipped in (False, True):
        image = np.ascontiguousarray(portrait()[::-1]) if flipped else portrait()
        detector.detect(**{**arguments, "image": image}, hook=lambda name, array: None)
    del detector
    gc.collect()
    assert len(kept) > 100
    assert [name for name, array, content in kept if array.tobytes() != content] == []


def test_arrays_that_are_not_kept_are_freed(detector: Any) -> None:
    alive: list[weakref.ref[np.ndarray]] = []
    most = 0

    def hook(name: str, array: np.ndarray) -> None:
        nonlocal most
        most = max(most, sum(reference() is not None for reference in alive))
        alive.append(weakref.ref(array))

    detector.detect(**detector_arguments(portrait(), Options(min_face=40)), hook=hook)
    assert most <= 1
    assert all(reference() is None for reference in alive)


class CustomError(Exception):
    """An exception that is not built into Python."""


@pytest.mark.parametrize(
    "at", ["pnet/level00/input", "pnet/level01/conv2", "pnet/nms_keep", "rnet/crop000/fc2", "final/landmarks"]
)
@pytest.mark.parametrize("error", [CustomError("custom"), KeyboardInterrupt(), MemoryError("mine")])
def test_an_exception_in_a_hook_reaches_the_caller(detector: Any, at: str, error: BaseException) -> None:
    names = []

    def hook(name: str, array: np.ndarray) -> None:
        names.append(name)
        if name == at:
            raise error

    arguments = detector_arguments(portrait(), Options(min_face=40))
    expected = detector.detect(**arguments)
    with pytest.raises(type(error)) as raised:
        detector.detect(**arguments, hook=hook)
    assert raised.value is error
    assert names[-1] == at  # the hook was not called again
    for array, wanted in zip(detector.detect(**arguments), expected, strict=True):
        assert same_bits(array, wanted)


def test_a_hook_may_detect(detector: Any) -> None:
    arguments = detector_arguments(portrait(), Options(min_face=40))
    expected = detector.detect(**arguments)
    seen = []

    def hook(name: str, array: np.ndarray) -> None:
        if name == "rnet/boxes_in":
            seen.append(detector.detect(**arguments))

    found = detector.detect(**arguments, hook=hook)
    for faces in (found, *seen):
        assert all(same_bits(array, wanted) for array, wanted in zip(faces, expected, strict=True))
    assert len(seen) == 1


def test_a_hook_receives_the_same_tensors_with_threads(detector: Any) -> None:
    def record(threads: int) -> list[tuple[str, bytes]]:
        seen: list[tuple[str, bytes]] = []
        arguments = detector_arguments(portrait(), Options(min_face=40), threads=threads)
        detector.detect(**arguments, hook=lambda name, array: seen.append((name, array.tobytes())))
        return seen

    assert record(7) == record(1)
