"""The WebAssembly module: the same bits as the Python package, and its errors."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mtcnn_cpp import Detections, Detector, Model, Trace, sample_image
from mtcnn_cpp.reference.dat import write_network
from mtcnn_cpp.reference.model import Conv2d, Network
from numpy.typing import NDArray

Runner = Callable[..., list[Any]]


def write_case(path: Path, image: NDArray[np.uint8], **options: Any) -> dict[str, Any]:
    """Writes a BGR image as RGBA with any alpha and returns its case."""
    alpha = np.random.default_rng(1).integers(0, 256, image.shape[:2], np.uint8)
    np.dstack([image[..., ::-1], alpha]).tofile(path)
    return {"image": str(path), "width": image.shape[1], "height": image.shape[0], "options": options}


def check_faces(faces: list[Any], expected: Detections) -> None:
    boxes = [[face[name] for name in ("x", "y", "width", "height")] for face in faces]
    points = [[[point["x"], point["y"]] for point in face["landmarks"]] for face in faces]
    assert boxes == expected.boxes.tolist()
    assert [face["score"] for face in faces] == expected.scores.tolist()
    assert points == expected.landmarks.tolist()


def random_image(random: np.random.Generator) -> NDArray[np.uint8]:
    """A part of the sample on noise, with faces of any size."""
    sample = sample_image()
    top, left = random.integers(0, 200, 2)
    step = int(random.integers(1, 4))
    part = sample[top::step, left::step]
    part = part[: random.integers(40, 300), : random.integers(40, 300)]
    return np.ascontiguousarray(part[:, :: random.choice([-1, 1])])


def test_random_images(run_cases: Runner, tmp_path: Path) -> None:
    """60 images and options: every bit is equal, and the memory does not grow."""
    random = np.random.default_rng(25)
    cases, expected = [], []
    for number in range(60):
        image = random_image(random)
        thresholds = tuple(float(np.float32(t)) for t in random.uniform([0.3, 0.3, 0.3], [0.7, 0.8, 0.9]))
        min_face, factor = float(random.uniform(12, 80)), float(random.uniform(0.6, 0.8))
        options = {"minFace": min_face, "thresholds": thresholds, "scaleFactor": factor}
        cases.append(write_case(tmp_path / f"{number}.rgba", image, **options))
        detector = Detector(min_face=min_face, thresholds=thresholds, scale_factor=factor, threads=1)
        expected.append(detector.detect(image))
    results = run_cases([*cases, *cases])
    assert sum(len(faces) for faces in expected) > 10
    for result, faces in zip(results, expected, strict=False):
        check_faces(result["faces"], faces)
    assert results[119]["memory"] == results[59]["memory"]


def check_trace(result: dict[str, Any], values: Path, expected: Trace) -> None:
    assert [tensor["name"] for tensor in result["tensors"]] == list(expected)
    data = values.read_bytes()
    for tensor, entry in zip(result["tensors"], expected.manifest.tensors, strict=True):
        array = np.ascontiguousarray(expected[entry.name])
        assert (tensor["shape"], tensor["dtype"]) == (list(array.shape), str(array.dtype)), entry.name
        assert tensor["layout"] == entry.layout, entry.name
        assert data[: array.nbytes] == array.tobytes(), entry.name
        data = data[array.nbytes :]
    assert data == b""


def test_trace(run_cases: Runner, tmp_path: Path) -> None:
    """Every tensor of a trace, and its description."""
    image = np.ascontiguousarray(sample_image()[:240, 100:340])
    values = tmp_path / "values"
    case = write_case(tmp_path / "image.rgba", image, minFace=30)
    result = run_cases([{**case, "tensors": str(values)}])[0]
    detector = Detector(min_face=30)
    check_faces(result["faces"], detector.detect(image))
    check_trace(result, values, detector.trace(image))


@pytest.mark.parametrize(("exponent", "share"), [(-128, 0.5), (-121, 0.01)])
def test_subnormal_sums(exponent: int, share: float, run_cases: Runner, tmp_path: Path) -> None:
    """Sums of each first convolution lie below 2^-126. The second one makes them large again.

    With the exponent -128 all sums of doubles are exact, and with -121 they are not.
    """
    networks = {}
    for stage, network in Detector().model.networks.items():
        layers = list(network.layers)
        convolutions = [i for i, layer in enumerate(layers) if isinstance(layer, Conv2d)]
        for i, power in zip(convolutions, (exponent, -1 - exponent), strict=False):
            layer = layers[i]
            assert isinstance(layer, Conv2d)
            bias = layer.bias * np.float32(2.0**power) if power < 0 else layer.bias
            scaled = (layer.kernel.astype(np.float64) * 2.0**power).astype(np.float32)
            layers[i] = dataclasses.replace(layer, kernel=scaled, bias=bias)
        networks[stage] = Network(tuple(layers))
    image = np.ascontiguousarray(sample_image()[90:130, 200:240])
    case = write_case(tmp_path / "image.rgba", image, minFace=20, thresholds=[0, 0, 0])
    values = tmp_path / "values"
    weights = {stage: encoded(write_network(network)) for stage, network in networks.items()}
    result = run_cases([{**case, "tensors": str(values)}], load=weights)[0]
    detector = Detector(Model(**networks), min_face=20, thresholds=(0, 0, 0))
    trace = detector.trace(image)
    first = trace["pnet/level00/conv1"]
    assert ((first != 0) & (abs(first) < 2.0**-126)).mean() > share
    check_trace(result, values, trace)


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"length": 15}, "image", "expected 2 x 2 x 4 = 16 bytes (red, green, blue, alpha), found 15"),
        ({"length": 12}, "image", "found 12: RGB without alpha"),
        ({"width": 0}, "image", "expected a width and a height of 1 or more, found 0 and 2"),
        ({"width": 1.5}, "image", "found 1.5 and 2"),
        ({"options": {"minFace": 0}}, "option", "minFace: expected a number of pixels of 1 or more, found 0"),
        ({"options": {"thresholds": [0, 1]}}, "option", "thresholds: expected three numbers from 0 to 1"),
        (
            {"options": {"scaleFactor": 1}},
            "option",
            "scaleFactor: expected a number between 0 and 1, found 1",
        ),
        (
            {"options": {"memoryLimit": -1}},
            "option",
            "memoryLimit: expected a number of bytes, or 0, found -1",
        ),
    ],
)
def test_errors(run_cases: Runner, change: dict[str, Any], code: str, message: str) -> None:
    case = {"length": 16, "width": 2, "height": 2, "options": {}, **change}
    error, closed = run_cases([case])
    assert (error["error"]["name"], error["error"]["code"]) == ("MtcnnError", code)
    assert message in error["error"]["message"]
    assert closed["error"]["code"] == "closed"


def test_memory(run_cases: Runner, tmp_path: Path) -> None:
    """An exceeded limit and an image that is too large are errors, and the detector remains usable."""
    case = write_case(tmp_path / "image.rgba", sample_image())
    limited = {**case, "options": {"memoryLimit": 1000}}
    huge = {"length": 1 << 31, "width": 1 << 15, "height": 1 << 14, "options": {}}
    results = run_cases([limited, huge, case])
    assert [result["error"]["code"] for result in results[:2]] == ["memory", "memory"]
    assert "the limit is 1.0 kB" in results[0]["error"]["message"]
    check_faces(results[2]["faces"], Detector().detect(sample_image()))


def test_broken_weights(run_cases: Runner) -> None:
    (result,) = run_cases([], load={"rnet": encoded(b"\x03\0\0\0")})
    assert result["error"]["code"] == "load"
    assert result["error"]["message"].startswith("RNet.dat: byte 4: expected ")
