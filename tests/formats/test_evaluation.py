"""Layers in double precision: each output value equals the value that is computed from its own window."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from mtcnn_cpp.formats import evaluation
from mtcnn_cpp.formats.evaluation import apply_conv, apply_pool, possible_layouts
from mtcnn_cpp.formats.found import FoundConv, FoundPool

RANDOM = np.random.default_rng(3)
MAPS = RANDOM.normal(size=(2, 3, 9, 11))
PADS = (1, 0, 2, 1)
SIZES = [((2, 3), (1, 1)), ((3, 2), (2, 1)), ((1, 4), (3, 2))]


def window(
    at: tuple[int, int], size: tuple[int, int], strides: tuple[int, int], padding: float
) -> np.ndarray:
    """The inputs of the output at (y, x), for all images and channels."""
    top, left, bottom, right = PADS
    padded = np.pad(MAPS, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=padding)
    y, x = at[0] * strides[0], at[1] * strides[1]
    return padded[:, :, y : y + size[0], x : x + size[1]]


@pytest.mark.parametrize("block", [1, 40, 100, evaluation.BLOCK])
@pytest.mark.parametrize(("size", "strides"), SIZES)
def test_convolution(
    block: int, size: tuple[int, int], strides: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The blocks contain one position, a part of a row, several rows, or all positions."""
    monkeypatch.setattr(evaluation, "BLOCK", block)
    kernel, bias = RANDOM.normal(size=(4, 3, *size)).astype(np.float32), np.arange(4, dtype=np.float32)
    found = apply_conv(FoundConv("conv1", kernel, bias, PADS, strides), MAPS)
    assert found.shape == (2, 4, (12 - size[0]) // strides[0] + 1, (12 - size[1]) // strides[1] + 1)
    for at in np.ndindex(*found.shape[2:]):
        products = window(at, size, strides, 0)[:, None] * kernel
        np.testing.assert_allclose(found[:, :, at[0], at[1]], products.sum((2, 3, 4)) + bias, atol=1e-12)


@pytest.mark.parametrize("mode", ["floor", "ceil"])
@pytest.mark.parametrize(("size", "strides"), SIZES)
def test_pooling(size: tuple[int, int], strides: tuple[int, int], mode: str) -> None:
    layer = FoundPool("pool1", size, strides, PADS, mode)
    found = apply_pool(layer, MAPS)
    assert found.shape[2:] == (layer.windows(9, 0)[1], layer.windows(11, 1)[1])
    for at in np.ndindex(*found.shape[2:]):
        expected = window(at, size, strides, -np.inf).max((2, 3))
        assert np.array_equal(found[:, :, at[0], at[1]], expected)


def test_without_padding() -> None:
    kernel = np.ones((1, 3, 9, 11), np.float32)
    np.testing.assert_allclose(
        apply_conv(FoundConv("conv1", kernel, None), MAPS)[:, 0, 0, 0], MAPS.sum((1, 2, 3)), atol=1e-12
    )
    pooled = apply_pool(FoundPool("pool1", (9, 11), (1, 1)), MAPS)
    assert np.array_equal(pooled[:, :, 0, 0], MAPS.max((2, 3)))


def test_layers_that_do_not_fit() -> None:
    kernel = np.ones((2, 4, 3, 3), np.float32)
    with pytest.raises(ValueError, match="conv1: expected 4 maps, found 3"):
        apply_conv(FoundConv("conv1", kernel, None), MAPS)
    with pytest.raises(ValueError, match="conv1: expected maps at least as large as the kernel"):
        apply_conv(FoundConv("conv1", np.ones((2, 3, 10, 3), np.float32), None), MAPS)
    with pytest.raises(ValueError, match="pool1: expected maps at least as large as the kernel"):
        apply_pool(FoundPool("pool1", (10, 2), (2, 2), mode="floor"), MAPS)


def test_possible_layouts() -> None:
    """The original axis order has no name. Maps of one value have only one order."""
    values = np.arange(24.0).reshape(1, 2, 3, 4)
    found = {name: array.shape for name, array in possible_layouts(values, (1, 2, 3, 4))}
    assert found == {"": (1, 2, 3, 4)}
    found = {name: array.shape for name, array in possible_layouts(values, (1, 3, 4, 2))}
    assert found == {"yxc": (1, 3, 4, 2)}
    assert {name for name, _ in possible_layouts(values, (1, 24))} == {
        "".join(order) for order in itertools.permutations("cyx")
    }
    assert {name for name, _ in possible_layouts(np.arange(5.0).reshape(1, 5, 1, 1), (1, 5))} == {""}
    assert list(possible_layouts(values, (1, 25))) == []
