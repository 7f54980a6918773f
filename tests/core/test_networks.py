"""Random models on random images: every tensor of the core has the bits of the reference, on every variant
and with any number of threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from core_strategies import (
    F,
    crop_networks,
    detector_arguments,
    fill,
    planar_networks,
    same,
    scenes,
    seeds,
    thorough,
)
from hypothesis import given
from hypothesis import strategies as st
from mtcnn_cpp.model import Conv2d, FullyConnected, Model, Network
from mtcnn_cpp.reference import cascade
from mtcnn_cpp.reference.network import Networks, forward, run
from mtcnn_cpp.reference.options import Options
from mtcnn_cpp.reference.plan import map_size

_core = pytest.importorskip("mtcnn_cpp._core")

# A failing example with a large network causes this warning, which would hide the failure.
pytestmark = pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")

Tensors = list[tuple[str, np.ndarray]]
Faces = tuple[np.ndarray, np.ndarray, np.ndarray]
DEFAULT = Model.default()
# The tests below that have a variant in their name skip unsupported ones.
SUPPORTED = [variant["name"] for variant in _core.isa_variants() if variant["supported"]]


@pytest.fixture(
    params=[
        pytest.param(
            v["name"],
            marks=pytest.mark.skipif(not v["supported"], reason=f"this CPU cannot run {v['name']}"),
        )
        for v in _core.isa_variants()
    ],
    scope="module",
)
def isa(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def first_difference(found: Tensors, expected: Tensors) -> str | None:
    """Describe the first difference in execution order, or return None if there is none."""
    for (name, array), (expected_name, expected_array) in zip(found, expected, strict=False):
        if name != expected_name:
            return f"{name} where {expected_name} was expected"
        if not same(array, expected_array):
            return f"{name} {array.shape} where {expected_array.shape} was expected, or in its numbers"
    return None if len(found) == len(expected) else f"{len(found)} tensors, expected {len(expected)}"


def by_reference(
    model: Model, image: np.ndarray, options: Options, is_rgb: bool = False
) -> tuple[Faces, Tensors]:
    tensors: Tensors = []
    faces = cascade.detect(
        Networks(model.pnet, model.rnet, model.onet),
        image,
        is_rgb=is_rgb,
        options=options,
        hook=lambda name, array: tensors.append((name, array)),
    )
    return faces, tensors


def by_core(model: Model, isa: str, image: np.ndarray, options: Options, **changes: Any) -> Tensors:
    tensors: Tensors = []
    detector = _core.Detector(model.pnet, model.rnet, model.onet, isa)
    arguments = detector_arguments(image, options, **changes)
    detector.detect(**arguments, hook=lambda name, array: tensors.append((name, array)))
    return tensors


def test_detections_of_random_models() -> None:
    boxes = []  # of every example: boxes into RNet, boxes into ONet, faces

    @given(scene=scenes(), is_rgb=st.booleans())
    @thorough(20)
    def check(scene: tuple[Model, np.ndarray, Options], is_rgb: bool) -> None:
        model, image, options = scene
        expected, tensors = by_reference(model, image, options, is_rgb)
        sizes = {name: len(array) for name, array in tensors}
        boxes.append((sizes["rnet/boxes_in"], sizes["onet/boxes_in"], len(expected[0])))
        for isa in SUPPORTED:
            found = by_core(model, isa, image, options, is_rgb=is_rgb)
            assert first_difference(found, tensors) is None, isa
            detector = _core.Detector(model.pnet, model.rnet, model.onet, isa)
            for threads in (1, 2, 7):
                arguments = detector_arguments(image, options, is_rgb=is_rgb, threads=threads)
                for array, wanted in zip(detector.detect(**arguments), expected, strict=True):
                    assert same(array, wanted), (isa, threads)

    check()
    # The examples are meaningful: many boxes enter each network, and there are faces.
    into_rnet, into_onet, faces = (sum(1 for counts in boxes if counts[i] > 1) for i in range(3))
    assert into_rnet >= 10, boxes
    assert into_onet >= 6, boxes
    assert faces >= 4, boxes


@given(network=planar_networks(), seed=seeds, height=st.integers(1, 20), width=st.integers(1, 40))
@thorough(60)
def test_networks_on_maps_of_any_size(isa: str, network: Network, seed: int, height: int, width: int) -> None:
    detector = _core.Detector(network, DEFAULT.rnet, DEFAULT.onet, isa)
    maps = np.random.default_rng(seed).uniform(-1, 1, (2, 3, height, width)).astype(F)
    if not map_size(network, height, width):
        with pytest.raises(ValueError, match="maps must be large enough for PNet"):
            detector.forward("pnet", maps)
        return
    assert same(detector.forward("pnet", maps), forward(network, maps))


@given(network=crop_networks(24, 6), other=crop_networks(48, 16), seed=seeds, crops=st.integers(1, 30))
@thorough(15)
def test_networks_on_crops(isa: str, network: Network, other: Network, seed: int, crops: int) -> None:
    detector = _core.Detector(DEFAULT.pnet, network, other, isa)
    rng = np.random.default_rng(seed)
    maps = fill(rng, "uniform", crops, 3, 24, 24)
    few = fill(rng, "wild", min(crops, 3), 3, 48, 48)
    reference = Networks(DEFAULT.pnet, network, other)
    assert same(detector.forward("rnet", maps), reference.forward("rnet", maps))
    assert same(detector.forward("onet", few), reference.forward("onet", few))


@given(network=crop_networks(24, 6), seed=seeds)
@thorough(15)
def test_single_layers(isa: str, network: Network, seed: int) -> None:
    detector = _core.Detector(DEFAULT.pnet, network, DEFAULT.onet, isa)
    maps = fill(np.random.default_rng(seed), "uniform", 3, 24, 24)
    for name, layer in zip(network.names, network.layers, strict=True):
        expected = run(layer, maps)
        assert same(detector.layer("rnet", name, maps), expected), name
        maps = expected


def test_one_weight_off_by_one_ulp_is_found(isa: str) -> None:
    """The tests above detect a fault in one number, at the layer of this number."""
    rng = np.random.default_rng(3)
    image = rng.integers(0, 256, (30, 32, 3), dtype=np.uint8)
    options = Options(min_face=14)
    kernel = DEFAULT.pnet.layers[3]
    assert isinstance(kernel, Conv2d)
    numbers = kernel.kernel.copy()
    numbers[5, 4, 1, 2] = np.nextafter(numbers[5, 4, 1, 2], F(9))
    layers = [*DEFAULT.pnet.layers]
    layers[3] = Conv2d(numbers, kernel.bias)
    faulty = Model(Network(tuple(layers)), DEFAULT.rnet, DEFAULT.onet)
    _, expected = by_reference(DEFAULT, image, options)
    found = by_core(DEFAULT, isa, image, options)
    assert first_difference(found, expected) is None
    found = by_core(faulty, isa, image, options)
    assert str(first_difference(found, expected)).startswith("pnet/level00/conv2 (16, 10, 11)")
    assert first_difference(found[:-1], found) == f"{len(found) - 1} tensors, expected {len(found)}"
    found[3], found[4] = found[4], found[3]
    assert str(first_difference(found, expected)).startswith("pnet/level00/conv2 where pnet/level00/pool1")


def test_transposed_fully_connected_input_is_found(isa: str) -> None:
    """The first fully connected layer of RNet with its input in the order channel, y, x."""
    fc = DEFAULT.rnet.layers[8]
    assert isinstance(fc, FullyConnected)
    weights = fc.weights.reshape(64, 3, 3, 128).swapaxes(1, 2).reshape(576, 128)
    layers = [*DEFAULT.rnet.layers]
    layers[8] = FullyConnected(weights, fc.bias)
    detector = _core.Detector(DEFAULT.pnet, Network(tuple(layers)), DEFAULT.onet, isa)
    maps = fill(np.random.default_rng(4), "uniform", 64, 3, 3)
    expected = run(fc, maps)
    assert not same(detector.layer("rnet", "fc1", maps), expected)
    assert same(detector.layer("rnet", "fc1", maps.swapaxes(1, 2).copy()), expected)
