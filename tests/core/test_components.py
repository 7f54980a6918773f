"""Every component of the core and the reference on random shapes and numbers: equal bits, equal errors."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from core_strategies import FILLS, F, crop_networks, fill, planar_networks, same, seeds, thorough
from hypothesis import given
from hypothesis import strategies as st
from mtcnn_cpp.model import Network
from mtcnn_cpp.reference import boxes, dat, exp, layers, resize

_core = pytest.importorskip("mtcnn_cpp._core")

# A failing example with a large network causes this warning, which would hide the failure.
pytestmark = pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")

SUPPORTED = [variant["name"] for variant in _core.isa_variants() if variant["supported"]]
fills = st.sampled_from(FILLS)
sizes = st.integers(1, 5)


@pytest.mark.parametrize("isa", [variant["name"] for variant in _core.isa_variants()])
def test_supported_variants(isa: str) -> None:
    if isa not in SUPPORTED:
        pytest.skip(f"this CPU cannot run {isa}")


def outcome(
    component: Callable[..., np.ndarray], arguments: tuple[Any, ...]
) -> np.ndarray | tuple[type, str]:
    """Return the result of a component, or type and message of its exception."""
    try:
        return component(*arguments)
    except ValueError as error:
        return type(error), str(error)


def check(core: Callable[..., np.ndarray], reference: Callable[..., np.ndarray], *arguments: Any) -> None:
    """Require the same bits or the same exception from both."""
    found, expected = outcome(core, arguments), outcome(reference, arguments)
    if isinstance(found, np.ndarray) and isinstance(expected, np.ndarray):
        assert same(found, expected)
    else:
        assert found == expected


def check_layer(name: str, *arguments: Any) -> None:
    """Check a layer on every variant, with lanes over pixels and over channels."""
    for isa in SUPPORTED:
        for lanes in ("pixels", "channels"):

            def core(*given: Any, isa: str = isa, lanes: str = lanes) -> np.ndarray:
                result: np.ndarray = getattr(_core._testing, name)(*given, isa=isa, lanes=lanes)
                return result

            check(core, getattr(layers, name), *arguments)


@given(
    seed=seeds,
    how=fills,
    maps_in=st.integers(1, 8),
    maps_out=st.integers(1, 36),
    kernel=st.tuples(sizes, sizes),
    height=st.integers(1, 8),
    width=st.integers(1, 40),
)
@thorough(150)
def test_conv2d(
    seed: int, how: str, maps_in: int, maps_out: int, kernel: tuple[int, int], height: int, width: int
) -> None:
    rng = np.random.default_rng(seed)
    maps = fill(rng, how, maps_in, height, width)
    check_layer("conv2d", maps, fill(rng, how, maps_out, maps_in, *kernel), fill(rng, how, maps_out))


def test_conv2d_of_a_wrong_number_of_maps() -> None:
    check_layer("conv2d", np.ones((2, 5, 5), F), np.ones((4, 3, 2, 2), F), np.ones(4, F))


@given(
    seed=seeds,
    how=fills,
    maps=st.integers(1, 20),
    height=st.integers(1, 12),
    width=st.integers(1, 50),
    kernel=st.tuples(sizes, sizes),
    stride=st.tuples(sizes, sizes),
)
@thorough(150)
def test_max_pool(
    seed: int, how: str, maps: int, height: int, width: int, kernel: tuple[int, int], stride: tuple[int, int]
) -> None:
    values = fill(np.random.default_rng(seed), how, maps, height, width)
    check_layer("max_pool", values, *kernel, *stride)


@given(seed=seeds, maps=st.integers(1, 3), height=st.integers(2, 9), width=st.integers(2, 40))
@thorough(60)
def test_max_pool_beside_nan(seed: int, maps: int, height: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.choice(np.array([np.nan, 0.0, -0.0, 1.0, 2.0, -np.inf, np.inf], F), (maps, height, width))
    for kernel, stride in (((2, 2), (2, 2)), ((3, 3), (2, 2)), ((2, 3), (1, 1))):
        check_layer("max_pool", values, *kernel, *stride)


@given(seed=seeds, how=fills, shape=st.lists(st.integers(1, 20), min_size=3, max_size=3), flat=st.booleans())
@thorough(60)
def test_prelu(seed: int, how: str, shape: list[int], flat: bool) -> None:
    rng = np.random.default_rng(seed)
    maps = fill(rng, how, *(shape[:1] if flat else shape))
    check_layer("prelu", maps, fill(rng, how, shape[0]))


@given(
    seed=seeds,
    how=fills,
    shape=st.lists(st.integers(1, 12), min_size=3, max_size=3),
    outputs=st.integers(1, 40),
    kind=st.sampled_from(["on maps", "on all values", "vector", "mismatch"]),
)
@thorough(120)
def test_fully_connected(seed: int, how: str, shape: list[int], outputs: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    maps = fill(rng, how, *(shape[:1] if kind == "vector" else shape))
    inputs = {"on all values": maps.size, "mismatch": maps.size + 1}.get(kind, shape[0])
    check_layer("fully_connected", maps, fill(rng, how, inputs, outputs), fill(rng, how, outputs))


@given(seed=seeds, how=fills, shape=st.lists(st.integers(1, 12), min_size=3, max_size=3))
@thorough(40)
def test_sigmoid(seed: int, how: str, shape: list[int]) -> None:
    maps = fill(np.random.default_rng(seed), how, *shape) * F(20)
    check(_core._testing.sigmoid, layers.sigmoid, maps)
    check(_core._testing.sigmoid, layers.sigmoid, maps.ravel())


@given(bits=st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=50))
@thorough(200)
def test_exp(bits: list[int]) -> None:
    values = np.array(bits, np.uint32).view(F)
    check(_core._testing.exp_opencv, exp.exp_opencv, values)
    check(_core._testing.exp_glibc, exp.exp_glibc, values)


@st.composite
def images(draw: st.DrawFn) -> np.ndarray:
    """Images (H, W, 3) uint8 or float32; some are views of wider images."""
    rng = np.random.default_rng(draw(seeds))
    height, width, colours = draw(st.integers(1, 30)), draw(st.integers(1, 30)), draw(st.integers(3, 5))
    pixels = rng.uniform(0, 256, (height, width + 3, colours)).clip(0, 255)
    image = pixels.astype(np.uint8 if draw(st.booleans()) else F)[:, :width, :3]
    return np.ascontiguousarray(image) if draw(st.booleans()) else image


@given(
    image=images(), height=st.integers(1, 60), width=st.integers(1, 60), relation=st.sampled_from([0, 1, 2])
)
@thorough(150)
def test_resize(image: np.ndarray, height: int, width: int, relation: int) -> None:
    if relation:  # the same size, or half the size
        height, width = (max(1, side // relation) for side in image.shape[:2])
        image = image[: relation * height, : relation * width]
    for isa in SUPPORTED:
        check(partial(_core._testing.resize, isa=isa), resize.resize, image, height, width)


@given(
    image=images(),
    x=st.integers(-40, 40),
    y=st.integers(-40, 40),
    side=st.integers(1, 60),
    size=st.sampled_from([24, 48, 1, 7]),
)
@thorough(150)
def test_cut_and_cut_resize(image: np.ndarray, x: int, y: int, side: int, size: int) -> None:
    box = np.array([x, y, side, side], F)
    check(_core._testing.cut, resize.cut, image, box)
    for isa in SUPPORTED:
        check(partial(_core._testing.cut_resize, isa=isa), resize.cut_resize, image, box, size)


@st.composite
def box_sets(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Overlapping boxes (integers or not, some without area) and scores (with or without ties)."""
    rng = np.random.default_rng(draw(seeds))
    count, spread = draw(st.integers(0, 60)), draw(st.sampled_from([3, 30, 300, 1e6]))
    places = rng.uniform(-spread, spread, (count, 2))
    sides = rng.uniform(draw(st.sampled_from([-2, 1])), draw(st.sampled_from([4, 40, 4000])), (count, 2))
    boxes = np.concatenate([places, sides], axis=1).astype(F)
    if draw(st.booleans()):
        boxes = np.rint(boxes) + F(draw(st.sampled_from([0, 0.5])))
    scores = rng.choice(np.linspace(0, 1, 6), count) if draw(st.booleans()) else rng.random(count)
    return boxes, scores.astype(F)


thresholds = st.sampled_from([0.0, 0.3, 0.5, 0.7, 1.0])


@given(box_set=box_sets(), threshold=thresholds, mode=st.sampled_from(["union", "minimum"]))
@thorough(250)
def test_non_maximum_suppression(box_set: tuple[np.ndarray, np.ndarray], threshold: float, mode: str) -> None:
    check(_core._testing.non_maximum_suppression, boxes.non_maximum_suppression, *box_set, threshold, mode)


@given(box_set=box_sets(), seed=seeds, how=fills, add_one=st.booleans())
@thorough(100)
def test_apply_offsets_and_make_square(
    box_set: tuple[np.ndarray, np.ndarray], seed: int, how: str, add_one: bool
) -> None:
    offsets = fill(np.random.default_rng(seed), how, len(box_set[0]), 4)
    check(_core._testing.apply_offsets, boxes.apply_offsets, box_set[0], offsets, add_one)
    check(_core._testing.make_square, boxes.make_square, box_set[0])


@given(network=st.one_of(planar_networks(), crop_networks(24, 6)))
@thorough(40)
def test_networks_written_and_read(network: Network) -> None:
    data = dat.write_network(network)
    assert _core._testing.write_network(network) == data
    assert dat.write_network(_core._testing.read_network(data, "x.dat")) == data


@given(
    network=st.one_of(planar_networks(), crop_networks(24, 6)),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=3),
    cut=st.floats(0, 1) | st.none(),
    purpose=st.sampled_from([{}, {"outputs": 6}, {"input_size": 24, "outputs": 6}, {"input_size": 23}]),
)
@thorough(200)
def test_damaged_files_are_refused_alike(
    network: Network, changes: list[tuple[float, int]], cut: float | None, purpose: dict[str, int]
) -> None:
    data = bytearray(dat.write_network(network))
    for place, value in changes:
        data[int(place * place * (len(data) - 1))] = value  # more often where the sizes are
    damaged = bytes(data[: len(data) if cut is None else int(cut * len(data))])

    def rewritten(module: Any) -> np.ndarray:
        found = module.read_network(damaged, "x.dat", **purpose)
        return np.frombuffer(dat.write_network(found), np.uint8)

    check(lambda: rewritten(_core._testing), lambda: rewritten(dat))


@pytest.mark.slow
@pytest.mark.parametrize("isa", SUPPORTED)
def test_a_very_wide_row(isa: str) -> None:
    """The number of bytes of the collected pixels of this row exceeds 32 bits."""
    if not hasattr(os, "sysconf") or os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGESIZE") < 8 << 30:
        pytest.skip("needs 8 GB of free memory")
    image = np.array([[[1, 2, 3]]], F)
    assert (_core._testing.resize(image, 1, 10**8, isa=isa) == image).all()
