"""The cascade without the gold images: names and order of tensors, the pyramid, unusual networks."""

from __future__ import annotations

import contextlib
import functools
import re
from fractions import Fraction

import numpy as np
import pytest
from gold_results import same_bits
from images import BACKENDS, portrait
from mtcnn_cpp import Model
from mtcnn_cpp.backends import make_backend
from mtcnn_cpp.backends.engine import Backend, Request
from mtcnn_cpp.model import Conv2d, FullyConnected, MaxPool, Network, PReLU, Sigmoid
from mtcnn_cpp.reference.options import Options
from mtcnn_cpp.reference.types import Cancelled

F = np.float32
Tensors = dict[str, np.ndarray]
FEW = Options(min_face=100)  # the face of the portrait, in two levels and a few crops
# Thresholds of 0: every position is a box; some boxes and squares extend beyond the image.
NOISE = (
    np.random.default_rng(0).integers(0, 256, (26, 24, 3)).astype(np.uint8),
    Options(min_face=16, thresholds=(0.0, 0.0, 0.0)),
)
CUSTOM = portrait()[:60, :50], Options(min_face=30, thresholds=(0.5, 0.1, 0.1))

STAGES = ["boxes", "scores", "offsets", "nms_keep"]
LEVEL = ["heat_map", *STAGES]
RNET = ["boxes_in", "scores", "offsets", "keep", "nms_keep"]
ONET = ["boxes_in", "scores", "offsets", "keep", "landmarks", "nms_keep", "boxes_out"]
FINAL = ["boxes", "scores", "landmarks"]
EMPTY = {
    "pnet/boxes": (0, 4), "pnet/scores": (0,), "pnet/offsets": (0, 4), "pnet/nms_keep": (0,),
    "rnet/boxes_in": (0, 4), "rnet/scores": (0,), "rnet/offsets": (0, 4), "rnet/keep": (0,),
    "rnet/nms_keep": (0,),
    "onet/boxes_in": (0, 4), "onet/scores": (0,), "onet/offsets": (0, 4), "onet/keep": (0,),
    "onet/landmarks": (0, 5, 2), "onet/nms_keep": (0,), "onet/boxes_out": (0, 4),
    "final/boxes": (0, 4), "final/scores": (0,), "final/landmarks": (0, 5, 2),
}  # fmt: skip


@pytest.fixture(params=BACKENDS)
def name(request: pytest.FixtureRequest) -> str:
    backend: str = request.param
    return backend


def record(
    backend: Backend, image: np.ndarray, options: Options | None = None, is_rgb: bool = False
) -> Tensors:
    """Return all tensors of a detection in execution order."""
    seen: Tensors = {}

    def hook(name: str, array: np.ndarray) -> None:
        assert name not in seen
        assert not array.flags.writeable
        seen[name] = array.copy()

    faces = backend.detect(Request(image, options or Options(), is_rgb, hook=hook))
    for part, array in zip(FINAL, faces, strict=True):
        assert same_bits(array, seen[f"final/{part}"])
    return seen


@functools.cache
def noise_by_reference() -> Tensors:
    return record(make_backend("reference", Model.default()), *NOISE)


@functools.cache
def custom_networks_by_reference() -> Tensors:
    return record(make_backend("reference", custom_model()), *CUSTOM)


def differing(a: Tensors, b: Tensors) -> list[str]:
    assert list(a) == list(b)
    return [name for name in a if not same_bits(a[name], b[name])]


def test_a_hook_cannot_change_the_result(name: str) -> None:
    """A hook cannot make the arrays writeable, nor the arrays that they are views of."""
    backend, image = make_backend(name, Model.default()), portrait()
    expected = backend.detect(Request(image, FEW))

    def hook(_: str, array: np.ndarray) -> None:
        while isinstance(array, np.ndarray):
            with contextlib.suppress(ValueError):
                array.flags.writeable = True
                array[...] = 0
            array = array.base

    found = backend.detect(Request(image, FEW, hook=hook))
    assert len(found[0]) == 1
    assert all(same_bits(a, b) for a, b in zip(found, expected, strict=True))


def test_names_and_order(name: str) -> None:
    model = Model.default()
    seen = record(make_backend(name, model), portrait())
    levels = sum(key.endswith("/heat_map") for key in seen)
    expected = [
        f"pnet/level{level:02d}/{part}"
        for level in range(levels)
        for part in ["input", *model.pnet.names, *LEVEL]
    ]
    expected += [f"pnet/{part}" for part in STAGES]
    for stage, network, parts in (("rnet", model.rnet, RNET), ("onet", model.onet, ONET)):
        crops = len(seen[f"{stage}/boxes_in"])
        assert crops > 0
        expected += [f"{stage}/{parts[0]}"]
        expected += [
            f"{stage}/crop{crop:03d}/{part}" for crop in range(crops) for part in ["input", *network.names]
        ]
        expected += [f"{stage}/{part}" for part in parts[1:]]
    expected += [f"final/{part}" for part in FINAL]
    assert list(seen) == expected
    assert len(seen["final/boxes"]) == 1
    for key, array in seen.items():
        assert array.dtype == (np.int32 if key.endswith("keep") else F), key


@pytest.mark.parametrize("shape", [(1, 1), (5, 5), (11, 11), (59, 300), (1, 10000)])
def test_smaller_than_a_face(name: str, shape: tuple[int, int]) -> None:
    seen = record(make_backend(name, Model.default()), np.full((*shape, 3), 128, np.uint8))
    assert {key: array.shape for key, array in seen.items()} == EMPTY


def test_black_has_levels_and_no_faces(name: str) -> None:
    seen = record(make_backend(name, Model.default()), np.zeros((70, 65, 3), np.uint8))
    assert {key: seen[key].shape for key in EMPTY} == EMPTY
    assert seen["pnet/level00/boxes"].shape == (0, 4)


def test_levels(name: str) -> None:
    image = np.zeros((97, 110, 3), np.uint8)
    for min_face, factor in ((97.0, 0.709), (96.9, 0.5), (13.7, 0.9), (24.25, 0.5)):
        seen = record(
            make_backend(name, Model.default()), image, Options(min_face=min_face, scale_factor=factor)
        )
        shapes = [array.shape for key, array in seen.items() if re.fullmatch(r"pnet/level\d\d/input", key)]
        count = int(np.floor(np.log(min_face / 97) / np.log(factor))) + 1
        scales = [12 / min_face * float(Fraction(factor) ** i) for i in range(count)]
        assert shapes == [(3, int(np.ceil(97 * s)), int(np.ceil(110 * s))) for s in scales]


def test_rgb_floats_and_strides(name: str) -> None:
    backend = make_backend(name, Model.default())
    image = portrait()
    expected = record(backend, image, FEW)
    assert len(expected["final/boxes"]) == 1
    rgb = np.ascontiguousarray(image[:, :, ::-1])
    assert differing(record(backend, rgb, FEW, is_rgb=True), expected) == []
    assert differing(record(backend, image.astype(F), FEW), expected) == []
    wide = np.full((2 * image.shape[0], 2 * image.shape[1], 4), 99, np.uint8)
    wide[::2, ::2, :3] = image
    assert differing(record(backend, wide[::2, ::2], FEW), expected) == []


def test_noise_and_every_proposal(name: str) -> None:
    seen = record(make_backend(name, Model.default()), *NOISE)
    assert len(seen["pnet/level00/boxes"]) == seen["pnet/level00/heat_map"].size
    assert len(seen["onet/boxes_in"]) > 3
    assert differing(seen, noise_by_reference()) == []


def layer(
    kind: type, *shapes: tuple[int, ...], scale: float = 0.2, seed: int = 0
) -> Conv2d | FullyConnected | PReLU:
    rng = np.random.default_rng(seed)
    result: Conv2d | FullyConnected | PReLU = kind(
        *[rng.normal(0, scale, shape).astype(F) for shape in shapes]
    )
    return result


def custom_model(offset: float | None = None) -> Model:
    """Return networks with other shapes. `offset` moves the boxes of PNet, in units of their size."""
    head = layer(FullyConnected, (4, 6), (6,), seed=5)
    if offset is not None:
        head = FullyConnected(np.zeros((4, 6), F), np.array([0, 9, *[offset] * 4], F))
    pnet = [layer(Conv2d, (4, 3, 5, 2), (4,)), MaxPool(2, 3, 1, 2), layer(PReLU, (4,)), head]
    rnet = [
        MaxPool(5, 4, 4, 5),
        layer(FullyConnected, (90, 7), (7,)),
        Sigmoid(),
        layer(FullyConnected, (7, 6), (6,)),
    ]
    onet = [layer(Conv2d, (2, 3, 48, 48), (2,), scale=0.01), layer(FullyConnected, (2, 16), (16,))]
    return Model(Network(tuple(pnet)), Network(tuple(rnet)), Network(tuple(onet)))


def test_custom_networks(name: str) -> None:
    seen = record(make_backend(name, custom_model()), *CUSTOM)
    assert len(seen["rnet/boxes_in"]) > 3
    assert len(seen["onet/boxes_in"]) > 0
    assert differing(seen, custom_networks_by_reference()) == []


@pytest.mark.parametrize("offset", [1e38, -1e38, 3e7, np.inf, -np.inf, np.nan])
def test_unusable_boxes_are_dropped(name: str, offset: float) -> None:
    """Boxes that are not finite or not below 2^30."""
    seen = record(make_backend(name, custom_model(offset)), portrait()[:60, :50], Options(min_face=50))
    assert len(seen["pnet/nms_keep"]) > 0
    assert {key: seen[key].shape for key in EMPTY if not key.startswith("pnet/")} == {
        key: shape for key, shape in EMPTY.items() if not key.startswith("pnet/")
    }


@pytest.mark.parametrize("offset", [1e5, -1e5, 1e7])
def test_boxes_far_outside_are_dropped(name: str, offset: float) -> None:
    seen = record(make_backend(name, custom_model(offset)), portrait()[:60, :50], Options(min_face=50))
    assert len(seen["pnet/nms_keep"]) > 0
    assert seen["rnet/boxes_in"].shape == (0, 4)


def test_levels_too_small_for_the_network_are_skipped(name: str) -> None:
    """A PNet that needs 20 pixels runs on the first level only."""
    head = layer(FullyConnected, (2, 6), (6,))
    pnet = Network((layer(Conv2d, (2, 3, 20, 20), (2,), scale=0.01), head))
    model = Model(pnet, Model.default().rnet, Model.default().onet)
    seen = record(make_backend(name, model), portrait()[:40, :40], Options(min_face=20))
    assert [key for key in seen if key.endswith("/input") and key.startswith("pnet/")] == [
        "pnet/level00/input"
    ]
    options = Options(min_face=40)
    assert {
        key: array.shape
        for key, array in record(make_backend(name, model), portrait()[:40, :40], options).items()
    } == EMPTY


def test_too_many_levels(name: str) -> None:
    options = Options(scale_factor=1 - 1e-9)
    with pytest.raises(
        ValueError, match=r"^scale_factor is too close to 1: the pyramid would have more than 10000 levels$"
    ):
        record(make_backend(name, Model.default()), np.zeros((100, 100, 3), np.uint8), options)


def test_a_level_too_large(name: str) -> None:
    image = np.zeros((1, 1 << 24, 3), np.uint8)
    with pytest.raises(
        ValueError, match=r"^min_face is too small .*: a level of the pyramid would be 12 x 201326592$"
    ):
        record(make_backend(name, Model.default()), image, Options(min_face=1))


def test_cancellation(name: str) -> None:
    """All backends raise the same exception and remain usable."""
    backend = make_backend(name, Model.default())
    cancellation = backend.make_cancellation()
    assert len(backend.detect(Request(portrait(), FEW, cancellation=cancellation))[0]) == 1
    cancellation.set()
    assert cancellation.is_set()
    with pytest.raises(Cancelled, match=r"^the detection was cancelled$"):
        backend.detect(Request(portrait(), FEW, cancellation=cancellation))
    assert len(backend.detect(Request(portrait(), FEW, cancellation=backend.make_cancellation()))[0]) == 1
