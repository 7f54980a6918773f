"""Invalid arguments of the core: it can be used without the Python package and must never crash."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from core_strategies import F, detector_arguments
from mtcnn_cpp import Model
from mtcnn_cpp.model import Conv2d, FullyConnected, Network
from mtcnn_cpp.reference.options import Options

_core = pytest.importorskip("mtcnn_cpp._core")

MODEL = Model.default()
PIXELS = np.zeros((70, 80, 3), np.uint8)
IMAGE = r"image must be \(H, W, 3 or more\) uint8 or \(H, W, 3\) float32"


@pytest.fixture(scope="module")
def detector() -> Any:
    return _core.Detector(MODEL.pnet, MODEL.rnet, MODEL.onet)


@pytest.mark.parametrize(
    ("image", "found"),
    [
        (PIXELS[:, :, 0], "uint8 (70, 80)"),
        (PIXELS[0, 0], "uint8 (3,)"),
        (PIXELS[:, :, :2], "uint8 (70, 80, 2)"),
        (PIXELS.transpose(2, 0, 1), "uint8 (3, 70, 80)"),
        (PIXELS[None], "uint8 (1, 70, 80, 3)"),
        (PIXELS.astype(np.float64), "float64 (70, 80, 3)"),
        (PIXELS.astype(np.int8), "int8 (70, 80, 3)"),
        (PIXELS.astype(">f4"), ">f4 (70, 80, 3)"),
        (PIXELS.astype(bool), "bool (70, 80, 3)"),
        (PIXELS[:0], "uint8 (0, 80, 3)"),
        (PIXELS[:, :0], "uint8 (70, 0, 3)"),
        (PIXELS[::-1], "uint8 (70, 80, 3)"),
        (PIXELS[:, ::-1], "uint8 (70, 80, 3)"),
        (PIXELS[:, :, ::-1], "uint8 (70, 80, 3)"),
        (np.zeros((70, 80, 6), np.uint8)[:, :, ::2], "uint8 (70, 80, 3)"),
        (np.broadcast_to(PIXELS[:, :1], PIXELS.shape), "uint8 (70, 80, 3)"),
    ],
)
def test_images(detector: Any, image: np.ndarray, found: str) -> None:
    for call in (
        lambda: detector.detect(**detector_arguments(image)),
        lambda: _core._testing.resize(image, 5, 5),
        lambda: _core._testing.cut(image, np.zeros(4, F)),
        lambda: _core._testing.cut_resize(image, np.zeros(4, F), 24),
    ):
        with pytest.raises(ValueError, match=IMAGE) as raised:
            call()
        assert str(raised.value).endswith(f"got {found}")


@pytest.mark.parametrize("image", [None, [[1, 2, 3]], "photo.jpg", b"123", 7])
def test_images_of_another_type(detector: Any, image: Any) -> None:
    with pytest.raises(TypeError, match="incompatible function arguments"):
        detector.detect(**detector_arguments(image))


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("min_face", [0.0, 0.99, -60.0, NAN, INF]),
        ("thresholds", [(1.1, 0.7, 0.7), (0.6, -0.1, 0.7), (0.6, 0.7, NAN), (INF, 0.7, 0.7)]),
        ("scale_factor", [0.0, 1.0, -0.7, 1.5, NAN, INF]),
        ("threads", [0, -1]),
    ],
)
def test_options_out_of_range(detector: Any, option: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(ValueError, match=f"^{option} must be "):
            detector.detect(**detector_arguments(PIXELS, **{option: value}))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("min_face", "60"),
        ("thresholds", (0.6, 0.7)),
        ("threads", 1.5),
        ("threads", 2**40),
        ("thresholds", None),
    ],
)
def test_options_of_another_type(detector: Any, option: str, value: Any) -> None:
    with pytest.raises(TypeError, match="incompatible function arguments"):
        detector.detect(**detector_arguments(PIXELS, **{option: value}))


def test_too_many_levels(detector: Any) -> None:
    """An error as in the reference, not a detection of minutes."""
    message = "^scale_factor is too close to 1: the pyramid would have more than 10000 levels$"
    with pytest.raises(ValueError, match=message):
        detector.detect(**detector_arguments(PIXELS, scale_factor=1 - 1e-9))


def test_a_level_too_large(detector: Any) -> None:
    image = np.zeros((1, 1 << 24, 3), np.uint8)
    message = "^min_face is too small .*: a level of the pyramid would be 12 x 201326592$"
    with pytest.raises(ValueError, match=message):
        detector.detect(**detector_arguments(image, min_face=1))


def test_a_hook_that_cannot_be_called(detector: Any) -> None:
    with pytest.raises(TypeError, match="not callable"):
        detector.detect(**detector_arguments(PIXELS, hook=3))


def test_networks_in_the_wrong_place() -> None:
    for networks, message in (
        ((MODEL.rnet, MODEL.rnet, MODEL.onet), "PNet: expected fc1 with 64 inputs, for maps of any size"),
        ((MODEL.pnet, MODEL.pnet, MODEL.onet), "RNet: expected fc1 with outputs of 1 x 1"),
        ((MODEL.pnet, MODEL.rnet, MODEL.rnet), "ONet: expected "),
    ):
        with pytest.raises(ValueError, match=f"^{message}"):
            _core.Detector(*networks)


@pytest.mark.parametrize("value", [None, 3, MODEL, "PNet.dat"])
def test_networks_of_another_type(value: Any) -> None:
    with pytest.raises((TypeError, AttributeError)):
        _core.Detector(value, MODEL.rnet, MODEL.onet)
    with pytest.raises((TypeError, AttributeError)):
        _core._testing.write_network(value)


def test_maps(detector: Any) -> None:
    maps = np.zeros((2, 3, 24, 24), F)
    for stage, wrong in (("rnet", maps[:, :2]), ("rnet", maps[0]), ("onet", maps), ("pnet", maps[:, :, :5])):
        with pytest.raises(ValueError, match=r"^maps must be "):
            detector.forward(stage, np.ascontiguousarray(wrong))
    for wrong in (maps[:, ::-1], maps.astype(np.float64), maps.transpose(0, 1, 3, 2)[:, :, ::2]):
        with pytest.raises(ValueError, match=r"^maps must be C-contiguous float32 "):
            detector.forward("rnet", wrong)
    for call in (lambda: detector.forward("qnet", maps), lambda: detector.layer("qnet", "conv1", maps[0])):
        with pytest.raises(ValueError, match=r"^no network 'qnet', expected pnet, rnet or onet$"):
            call()
    names = ", ".join(MODEL.rnet.names)
    for name in ("conv9", "", 'it\'s "7"\n'):
        with pytest.raises(ValueError, match=f"^{re.escape(f'rnet has no layer {name!r}, it has {names}')}$"):
            detector.layer("rnet", name, maps[0])
    assert detector.forward("rnet", maps[:0]).shape == (0, 6)
    assert detector.forward("onet", np.zeros((0, 3, 48, 48), F)).shape == (0, 16)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        (
            "conv2d",
            (np.ones((1, 2, 2), F), np.ones((0, 1, 1, 1), F), np.ones(0, F)),
            "kernel must be not empty",
        ),
        ("conv2d", (np.ones((1, 2, 2), F), np.ones((1, 1, 1, 1), F), np.ones(2, F)), "bias must be "),
        ("conv2d", (np.ones((2, 2), F), np.ones((1, 1, 1, 1), F), np.ones(1, F)), "maps must be "),
        ("max_pool", (np.ones((1, 2, 2), F), 0, 1, 1, 1), "max_pool: kernel and stride must be 1 or more"),
        ("max_pool", (np.ones((1, 2, 2), F), 1, 1, 1, -1), "max_pool: kernel and stride must be 1 or more"),
        ("prelu", (np.ones((0, 2, 2), F), np.ones(0, F)), "maps must be not empty"),
        ("fully_connected", (np.ones(2, F), np.ones((0, 2), F), np.ones(2, F)), "weights must be not empty"),
        ("resize", (PIXELS, 0, 5), "height and width must be 1 or more"),
        ("resize", (PIXELS, 1, 1 << 30), "height and width must be below 2^30"),
        ("cut_resize", (PIXELS, np.array([0, 0, 5, 5], F), 1 << 30), "size must be below 2^30"),
        ("cut", (PIXELS, np.array([0, 0, NAN, 5], F)), "box must be finite"),
        ("cut", (PIXELS, np.array([0, 0, 1 << 20, 1 << 20], F)), "box must have sides"),
        ("cut_resize", (PIXELS, np.array([0, 0, 2.0**31, 5], F), 24), "box must be finite"),
        ("cut_resize", (PIXELS, np.array([0, 0, 5, 5], F), 0), "box and size must have sides"),
        ("non_maximum_suppression", (np.ones((2, 4), F), np.ones(3, F), 0.5, "union"), "scores must be "),
        ("non_maximum_suppression", (np.ones((2, 3), F), np.ones(2, F), 0.5, "union"), "boxes must be "),
        ("non_maximum_suppression", (np.ones((2, 4), F), np.ones(2, F), 0.5, "most"), "mode must be "),
        ("apply_offsets", (np.ones((2, 4), F), np.ones((3, 4), F), False), "offsets must be "),
        ("exp_opencv", (np.ones((2, 2), F),), "values must be "),
        ("exp_glibc", (np.ones((2, 2), F),), "values must be "),
    ],
)
def test_components(name: str, arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        getattr(_core._testing, name)(*arguments)


def test_layers_that_were_changed_after_their_check(detector: Any) -> None:
    """The dataclasses check their fields when they are created. The core checks them again."""
    conv = Conv2d(np.ones((1, 3, 1, 1), F), np.ones(1, F))
    object.__setattr__(conv, "bias", np.ones(5, F))
    fc = FullyConnected(np.ones((1, 6), F), np.ones(6, F))
    with pytest.raises(ValueError, match=r"^bias must be C-contiguous float32 \(1,\), got float32 \(5,\)$"):
        _core.Detector(Network((conv, fc)), MODEL.rnet, MODEL.onet)


@pytest.mark.parametrize(
    "changes",
    [
        {"min_face": 0.99},
        {"min_face": -60.0},
        {"min_face": 0.00001},
        {"min_face": -1e22},
        {"min_face": NAN},
        {"min_face": INF},
        {"thresholds": (1.1, 0.7, 0.7)},
        {"thresholds": (0.6, -0.123, 0.0)},
        {"thresholds": (0.6, 0.7, NAN)},
        {"scale_factor": 1.0},
        {"scale_factor": -0.7090000000000001},
    ],
)
def test_messages_equal_those_of_the_reference(detector: Any, changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be") as reference:
        Options(**changes)
    with pytest.raises(ValueError, match="must be") as core:
        detector.detect(**detector_arguments(PIXELS, **changes))
    assert str(core.value) == str(reference.value)


@pytest.fixture
def german(tmp_path: Path) -> dict[str, str]:
    """An environment with a locale that writes 0,5. Skips the test if the locale is unavailable."""
    if not shutil.which("localedef"):
        pytest.skip("needs localedef")
    made = subprocess.run(
        ["localedef", "-i", "de_DE", "-f", "UTF-8", str(tmp_path / "de_DE.UTF-8")],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip("localedef has no de_DE (Debian: apt install locales)")
    return {**os.environ, "LOCPATH": str(tmp_path), "LC_ALL": "de_DE.UTF-8"}


def test_messages_are_independent_of_the_locale(german: dict[str, str]) -> None:
    code = """
import locale
locale.setlocale(locale.LC_ALL, "")
assert locale.str(0.5) == "0,5"
import numpy as np
from mtcnn_cpp import Model, _core
model = Model.default()
detector = _core.Detector(model.pnet, model.rnet, model.onet)
try:
    detector.detect(np.zeros((20, 20, 3), np.uint8), False, 0.5, (0.6, 0.7, 0.7), 0.709, 1)
except ValueError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], env=german, capture_output=True, text=True, check=False
    )
    assert done.stdout.endswith("got 0.5\n"), done.stderr
