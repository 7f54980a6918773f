"""Statistics of differences, ULP distances, statistics of tensors."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from mtcnn_cpp.trace.comparison.statistics import difference_statistics, greatest_magnitude, ulp_distance
from mtcnn_cpp.trace.comparison.tolerances import Tolerance, compare_values
from mtcnn_cpp.trace.manifest import Statistics

F = np.float32
finite = st.floats(allow_nan=False, allow_infinity=False, width=32)
pairs = st.integers(1, 30).flatmap(
    lambda n: st.tuples(*[hnp.arrays(np.float32, n, elements=finite) for _ in range(2)])
)


def count_ulp_steps(a: np.float32, b: np.float32) -> int:
    steps = 0
    while a != b:
        with np.errstate(over="ignore", under="ignore"):
            a = np.nextafter(a, b)
        steps += 1
    return steps


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (1.0, 1.0),
        (0.0, -0.0),
        (1.0, np.nextafter(F(1), F(2))),
        (-1e-45, 1e-45),
        (1.0, np.nextafter(F(1), F(0))),
        (-3e-43, 2e-43),
        (np.finfo(F).max, np.inf),
        (0.99999, 1.00001),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ulp_distance_is_the_number_of_steps(a: float, b: float, dtype: type) -> None:
    x, y = np.array([a], F), np.array([b], F)
    if dtype is np.float64:  # neighbours in float64
        x = x.astype(dtype)
        y = np.array([x[0]])
        for _ in range(3):
            y = np.nextafter(y, dtype(b))
    expected = count_ulp_steps(x[0], y[0])
    assert ulp_distance(x, y)[0] == expected
    assert ulp_distance(y, x)[0] == expected


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_ulp_distance_around_zero(dtype: type) -> None:
    """All pairs of the seven floats around zero."""
    step = np.finfo(dtype).smallest_subnormal
    values = np.array([step * k for k in range(-3, 4)], dtype)
    for i, a in enumerate(values):
        expected = [abs(i - j) for j in range(7)]
        assert ulp_distance(np.full(7, a, dtype), values).tolist() == expected


def test_ulp_distance_of_the_extremes_of_float64() -> None:
    biggest = np.array([np.finfo(np.float64).max])
    assert ulp_distance(-biggest, biggest)[0] == pytest.approx(2.0 * 0x7FEFFFFFFFFFFFFF)


def test_ulp_distance_of_integers_is_their_difference() -> None:
    assert ulp_distance(np.array([3, 7], np.int32), np.array([5, 7], np.int32)).tolist() == [2, 0]


def test_difference_statistics_of_a_small_example() -> None:
    a = np.array([[[1, 2], [3, 4]], [[0, 0], [0, 8]]], F)
    b = a.copy()
    b[0, 1, 0] = 3.5
    b[1, 0, 1] = 0.25
    f = difference_statistics(a, b, "channel, y, x")
    assert (f.elements, f.differing, f.nans) == (8, 2, 0)
    assert f.absolute.maximum == 0.5
    assert f.absolute.mean == 0.75 / 8
    assert (f.absolute.median, f.absolute.p90) == (0.0, 0.5)
    assert f.relative.maximum == math.inf
    assert f.rmse == math.sqrt((0.25 + 0.0625) / 8)
    assert f.snr_db == pytest.approx(10 * math.log10(94 / 0.3125))
    assert f.within == (0.75,) * 4
    assert f.worst is not None
    assert (f.worst.index, f.worst.a, f.worst.b) == ((0, 1, 0), 3.0, 3.5)
    assert str(f.worst) == "at (0, 1, 0): a = 3.0 (0x1.8000000000000p+1), b = 3.5 (0x1.c000000000000p+1)"
    assert f.cosine == pytest.approx(float(np.vdot(a, b) / np.linalg.norm(a) / np.linalg.norm(b)))
    expected = [np.corrcoef(a[i].ravel(), b[i].ravel())[0, 1] for i in range(2)]
    assert f.correlation == pytest.approx(expected)
    assert (f.pass_atol, f.pass_rtol, f.pass_ulp) == (0.5, math.inf, float(0x3E800000))


def test_shares_within_the_limits() -> None:
    """Differences that are equal to a limit or one float64 above it."""
    limits = np.array([1e-7, 1e-6, 1e-5, 1e-4])
    b = np.stack([limits, np.nextafter(limits, 1)])
    assert difference_statistics(np.zeros_like(b), b).within == (1 / 8, 3 / 8, 5 / 8, 7 / 8)


@pytest.mark.parametrize(
    ("values", "expected"),
    [([], 0.0), ([math.nan, math.inf], 0.0), ([-3, 2, -math.inf, math.nan], 3.0), ([-1, 2], 2.0)],
)
def test_greatest_magnitude(values: list[float], expected: float) -> None:
    assert greatest_magnitude(np.array(values, F)) == expected


def test_correlation_of_a_table_is_per_column() -> None:
    a = np.arange(12, dtype=F).reshape(3, 4)
    b = a.copy()
    b[:, 2] *= -1
    b[:, 3] = 7
    assert difference_statistics(a, b, "box, (x y width height)").correlation == pytest.approx(
        (1, 1, -1, math.nan), nan_ok=True
    )


def test_correlation_of_a_channel_without_numbers() -> None:
    """It is not a number; the other channels have theirs, and NumPy does not warn."""
    a = np.array([[np.nan, np.inf, np.nan], [1, 2, 4]], F)
    expected = pytest.approx((math.nan, 1), nan_ok=True)
    assert difference_statistics(a, a, "channel, x").correlation == expected


def test_nan_and_infinity_in_both_are_ignored() -> None:
    a = np.array([np.nan, np.inf, 1, 2], F)
    b = np.array([np.nan, np.inf, 1, 3], F)
    f = difference_statistics(a, b)
    assert (f.differing, f.nans, f.absolute.maximum, f.ulp.maximum) == (1, 1, 1.0, 2.0**22)
    assert f.worst is not None
    assert f.worst.index == (3,)


def test_empty_arrays() -> None:
    empty = np.zeros((0, 4), F)
    assert difference_statistics(empty, empty).pass_both == 0
    assert compare_values(empty, empty, Tolerance(), "?")[0] == "identical"


@given(pairs)
def test_the_smallest_passing_tolerance_passes_and_a_smaller_one_fails(
    pair: tuple[np.ndarray, np.ndarray],
) -> None:
    a, b = pair
    f = difference_statistics(a, b)
    for name, value in (
        ("ulp", f.pass_ulp),
        ("atol", f.pass_atol),
        ("rtol", f.pass_rtol),
    ):
        if not math.isfinite(value):
            continue
        assert compare_values(a, b, Tolerance(**{name: value}), "?")[1]
        if f.differing:
            smaller = value - 1 if name == "ulp" else math.nextafter(value, 0)
            assert not compare_values(a, b, Tolerance(**{name: smaller * (1 - 1e-15)}), "?")[1]
    assert compare_values(a, b, Tolerance(atol=f.pass_both, rtol=f.pass_both), "?")[1]


def test_the_smallest_passing_tolerance_includes_its_rounding() -> None:
    """t + t * |a| rounds twice: |a - b| / (1 + |a|) is slightly too small for one pair in a hundred."""
    rng = np.random.default_rng(0)
    for a in rng.standard_normal((500, 1)).astype(F):
        b = a + F(1e-3) * rng.standard_normal(1).astype(F)
        both = difference_statistics(a, b).pass_both
        assert compare_values(a, b, Tolerance(atol=both, rtol=both), "?")[1]


@given(pairs)
def test_difference_statistics_against_plain_definitions(pair: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = pair
    f = difference_statistics(a, b)
    x, y = a.astype(np.float64), b.astype(np.float64)
    assert f.differing == sum(p != q for p, q in zip(x, y, strict=True))
    assert f.absolute.maximum == max(abs(x - y))
    assert f.absolute.median == sorted(abs(x - y))[math.ceil((len(x) - 1) / 2)]
    if f.worst is not None:
        assert abs(f.worst.a - f.worst.b) == f.absolute.maximum


def test_statistics_count_values_that_are_not_finite() -> None:
    found = Statistics.of(np.array([[0, 1, -3, np.nan], [np.inf, -np.inf, np.nan, 4]], F))
    assert found == Statistics(-3.0, 4.0, 0.5, math.sqrt(6.25), 1, 2, 2)
    assert Statistics.from_json(found.to_json()) == found
    nothing = Statistics.of(np.zeros(0, F))
    assert nothing.to_json() == {
        "minimum": None,
        "maximum": None,
        "mean": None,
        "standard_deviation": None,
        "zeros": 0,
        "nans": 0,
        "infinities": 0,
    }
