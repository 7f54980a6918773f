"""The bound of the heat map filter, against the proof in docs/heat-map-filter.md in rational arithmetic."""

from __future__ import annotations

from fractions import Fraction
from math import isqrt

import numpy as np
import pytest
from mtcnn_cpp import Model
from mtcnn_cpp._core import _testing
from mtcnn_cpp.model import Conv2d, FullyConnected, PReLU
from mtcnn_cpp.types import FloatArray

UNIT = Fraction(1, 2**24)
TINY = Fraction(1, 2**149)
INPUT_ROWS = [[4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0]]
INPUT_ROWS += [[0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1]]
INPUT_COLUMNS = [[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]]
ZERO, ONE = Fraction(0), Fraction(1)
QUARTER, SIXTH, HALF = ONE / 4, ONE / 6, ONE / 2
WEIGHT_ROWS = [[QUARTER, ZERO, ZERO], [-SIXTH, -SIXTH, -SIXTH], [-SIXTH, SIXTH, -SIXTH]]
WEIGHT_ROWS += [[SIXTH / 4, SIXTH / 2, SIXTH], [SIXTH / 4, -SIXTH / 2, SIXTH], [ZERO, ZERO, ONE]]
WEIGHT_COLUMNS = [[ONE, ZERO, ZERO], [HALF, HALF, HALF], [HALF, -HALF, HALF], [ZERO, ZERO, ONE]]
RESULT_ROWS = [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]
RESULT_COLUMNS = [[1, 1, 1, 0], [0, 1, -1, -1]]


def gamma(n: int) -> Fraction:
    return n * UNIT / (1 - n * UNIT)


def root(value: Fraction) -> Fraction:
    """Return the square root, with a relative error below 2^-100."""
    shift = 220 + max(0, value.denominator.bit_length() - value.numerator.bit_length())
    return Fraction(isqrt(value.numerator * 4**shift // value.denominator), 2**shift)


def exact(values: FloatArray) -> list[Fraction]:
    return [Fraction(float(value)) for value in values.ravel()]


class Linear:
    """The bound slope * norm + constant."""

    def __init__(self, slope: Fraction | int, constant: Fraction | int) -> None:
        self.slope, self.constant = Fraction(slope), Fraction(constant)

    def __add__(self, other: Linear | Fraction) -> Linear:
        other = other if isinstance(other, Linear) else Linear(0, other)
        return Linear(self.slope + other.slope, self.constant + other.constant)

    def __rmul__(self, factor: Fraction | int) -> Linear:
        return Linear(factor * self.slope, factor * self.constant)


def largest(bounds: list[Linear]) -> Linear:
    return Linear(max(one.slope for one in bounds), max(one.constant for one in bounds))


def bound_of_product(filter_: list[list[Fraction]], row: int, column: int) -> tuple[Linear, Linear]:
    """Return the bounds of the magnitude and of the error of one of the 24 sums."""
    window = root(Fraction(sum((a * b) ** 2 for a in INPUT_ROWS[row] for b in INPUT_COLUMNS[column])))
    weights = [a * b for a in WEIGHT_ROWS[row] for b in WEIGHT_COLUMNS[column]]
    sums = [sum((a * b for a, b in zip(weights, one, strict=True)), ZERO) for one in filter_]
    rounded = [abs(Fraction(float(np.float32(float(one))))) for one in sums]
    magnitudes = [sum((abs(a * b) for a, b in zip(weights, one, strict=True)), ZERO) for one in filter_]
    errors = [2 * UNIT * a + Fraction(1, 2**46) * b + TINY for a, b in zip(rounded, magnitudes, strict=True)]
    product = Linear(root(sum((one * one for one in rounded), ZERO)) * window, 0)
    of_window = gamma(6) * product + 16 * TINY * sum(rounded)
    of_weights = Linear(root(sum((one * one for one in errors), ZERO)) * window, 0)
    magnitude = product + of_window
    of_sum = gamma(len(filter_) + 1) * magnitude + 2 * len(filter_) * TINY
    return magnitude + of_sum, of_window + of_weights + of_sum


def bound_of_winograd(filter_: list[list[Fraction]]) -> tuple[Linear, Linear]:
    products = [[bound_of_product(filter_, row, column) for column in range(4)] for row in range(6)]
    magnitudes, errors = [], []
    for of_rows in RESULT_ROWS:
        for of_columns in RESULT_COLUMNS:
            magnitude = error = Linear(0, 0)
            for row in range(6):
                for column in range(4):
                    factor = abs(of_rows[row] * of_columns[column])
                    magnitude += factor * products[row][column][0]
                    error += factor * products[row][column][1]
            of_sum = gamma(8) * magnitude + 64 * TINY
            magnitudes.append(magnitude + of_sum)
            errors.append(error + of_sum)
    return largest(magnitudes), largest(errors)


def bound_of_exact(filter_: list[list[Fraction]]) -> tuple[Linear, Linear]:
    terms = [one for map_ in filter_ for one in map_]
    magnitude = Linear(root(sum((one * one for one in terms), ZERO)), 0)
    error = gamma(len(terms)) * magnitude + 2 * len(terms) * TINY
    return magnitude + error, error


def after_bias_and_prelu(
    bounds: tuple[Linear, Linear], bias: Fraction, slope: Fraction
) -> tuple[Linear, Linear]:
    magnitude = bounds[0] + abs(bias)
    rounding = UNIT * magnitude
    magnitude, error = magnitude + rounding, bounds[1] + rounding
    steepest = max(Fraction(1), abs(slope))
    magnitude, error = steepest * magnitude, steepest * error
    rounding = UNIT * magnitude + TINY
    return magnitude + rounding, error + rounding


def bound(
    kernel: FloatArray, bias: FloatArray, slopes: FloatArray, weights: FloatArray, fc_bias: FloatArray
) -> tuple[Fraction, Fraction]:
    out_maps, in_maps = kernel.shape[:2]
    error = Linear(0, 0)
    sums = Linear(0, sum(map(abs, exact(fc_bias[:2])), ZERO))
    for m in range(out_maps):
        filter_ = [exact(map_) for map_ in kernel[m]]
        parts = [
            after_bias_and_prelu(of_sum(filter_), exact(bias)[m], exact(slopes)[m])
            for of_sum in (bound_of_exact, bound_of_winograd)
        ]
        first, second = exact(weights[m])[:2]
        error += abs(first - second) * (parts[0][1] + parts[1][1])
        sums += (abs(first) + abs(second)) * (parts[0][0] + parts[1][0])
    error += 5 * UNIT * sums + 8 * TINY
    error += gamma(out_maps + 4) * sums + 4 * out_maps * TINY
    squares = 24 * in_maps
    relative = error.slope * (1 + gamma(squares + 8))
    absolute = (error.constant + error.slope * root(2 * squares * TINY)) * (1 + gamma(8)) + TINY
    return relative, absolute


def random_layers(in_maps: int, out_maps: int, scale: float) -> tuple[FloatArray, ...]:
    random = np.random.default_rng(in_maps * 100 + out_maps)
    shapes = [(out_maps, in_maps, 3, 3), (out_maps,), (out_maps,), (out_maps, 6), (6,)]
    return tuple((scale * random.standard_normal(shape)).astype(np.float32) for shape in shapes)


def pnet_layers() -> tuple[FloatArray, ...]:
    conv, prelu, fc = Model.default().pnet.layers[-3:]
    assert isinstance(conv, Conv2d)
    assert isinstance(prelu, PReLU)
    assert isinstance(fc, FullyConnected)
    return conv.kernel, conv.bias, prelu.slopes, fc.weights, fc.bias


@pytest.mark.parametrize(
    "layers",
    [
        pytest.param(pnet_layers(), id="PNet"),
        pytest.param(random_layers(1, 1, 1), id="1 to 1"),
        pytest.param(random_layers(3, 5, 0.01), id="3 to 5"),
        pytest.param(random_layers(2, 4, 1e-12), id="small weights"),
        pytest.param(random_layers(2, 4, 1e4), id="large weights"),
    ],
)
def test_bound_equals_the_proof(layers: tuple[FloatArray, ...]) -> None:
    # The core computes in double and rounds up. It may not be smaller than the exact bound.
    found = _testing.error_bound(*layers)
    assert found is not None
    for computed, expected in zip(found, bound(*layers), strict=True):
        assert expected <= Fraction(computed) <= expected * (1 + Fraction(1, 2**21))


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38])
@pytest.mark.parametrize("array", range(5))
def test_no_finite_bound(array: int, value: float) -> None:
    layers = random_layers(2, 3, 1)
    layers[array].flat[0] = value
    assert _testing.error_bound(*layers) is None
