"""The plan: levels compared with exact arithmetic, and shapes compared with those of the computed maps."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from core_strategies import crop_networks, planar_networks, thorough
from hypothesis import given
from hypothesis import strategies as st
from mtcnn_cpp.reference import network as reference
from mtcnn_cpp.reference.model import Network
from mtcnn_cpp.reference.options import Options
from mtcnn_cpp.reference.plan import iterate_layers, map_size, pyramid, stage_name

# min_face, side, scale_factor, number of levels: min_face / side is a power of the factor.
POWERS = [(1.0, 2**k, 0.5, k + 1) for k in range(2, 12)] + [(3.0, 3 * 4**k, 0.25, k + 1) for k in range(1, 7)]


@pytest.mark.parametrize(("min_face", "side", "factor", "count"), POWERS)
def test_a_side_that_is_a_power_has_that_level(min_face: float, side: int, factor: float, count: int) -> None:
    options = Options(min_face, scale_factor=factor)
    assert len(pyramid(side, side + 5, options)) == count
    assert len(pyramid(side + 5, side, options)) == count
    assert len(pyramid(side - 1, side, options)) == count - 1


@thorough(300)
@given(st.floats(1, 400), st.integers(1, 5000), st.just(0.709) | st.floats(0.05, 0.95), st.integers(0, 9))
def test_levels_by_their_definition(min_face: float, side: int, factor: float, wider: int) -> None:
    """Level i exists if factor^i >= min_face / side, in exact arithmetic."""
    found = pyramid(side, side + wider, Options(min_face, scale_factor=factor))
    least, power = Fraction(min_face / side), Fraction(1)
    expected = []
    while power >= least:
        expected.append(12 / min_face * float(power))
        power *= Fraction(factor)
    assert [level.scale for level in found] == expected
    assert [level.height for level in found] == [math.ceil(side * scale) for scale in expected]
    assert [level.width for level in found] == [math.ceil((side + wider) * scale) for scale in expected]


def test_more_than_a_thousand_levels() -> None:
    """The number of levels is checked after the thousandth level."""
    factor, quotient = 1 - 2.0**-10, 60 / 200
    powers = itertools.takewhile(
        lambda power: power >= Fraction(quotient), (Fraction(factor) ** i for i in itertools.count())
    )
    assert len(pyramid(200, 300, Options(60, scale_factor=factor))) == sum(1 for _ in powers) == 1233


def check_shapes(network: Network, height: int, width: int) -> None:
    maps = np.zeros((3, height, width), np.float32)
    shapes = [maps.shape]
    for layer in network.layers:
        maps = reference.run(layer, maps)
        shapes.append(maps.shape)
    steps = list(iterate_layers(network, (height, width)))
    assert [steps[0].input.shape, *(step.output.shape for step in steps)] == shapes
    assert [step.flattens for step in steps] == [
        len(before) > len(after) for before, after in itertools.pairwise(shapes)
    ]


@thorough(60)
@given(planar_networks(), st.integers(1, 30), st.integers(1, 30))
def test_shapes_on_maps(network: Network, height: int, width: int) -> None:
    size = map_size(network, height, width)
    if size is None:
        with pytest.raises(ValueError, match="expected"):
            check_shapes(network, height, width)
    else:
        check_shapes(network, height, width)
        assert list(iterate_layers(network, (height, width)))[-1].output.size == size


@thorough(30)
@given(crop_networks(24, 6))
def test_shapes_of_crops(network: Network) -> None:
    check_shapes(network, 24, 24)


def test_unknown_shapes_and_stages() -> None:
    first = next(iterate_layers(Network((reference.Conv2d(np.ones((2, 3, 1, 1)), np.ones(2)),)), None))
    with pytest.raises(ValueError, match="known shape"):
        first.output.shape  # noqa: B018
    with pytest.raises(ValueError, match="no network 'xnet', expected pnet, rnet or onet"):
        stage_name("xnet")
