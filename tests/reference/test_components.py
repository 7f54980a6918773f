"""Each component compared with its definition, in exact arithmetic if rounding matters."""

from __future__ import annotations

import functools
from collections.abc import Callable
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from exact_numbers import random_floats, rounded
from gold_results import same_bits
from mtcnn_cpp.reference.fma import fma
from mtcnn_cpp.reference.resize import normalise

F = np.float32


def small_integers(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers with exact sums of products: a difference means a wrong index."""
    return rng.integers(-4, 5, shape).astype(F)


# --- fma ---


def check_fma(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> None:
    expected = [
        rounded(Fraction(float(x)) * Fraction(float(y)) + Fraction(float(z)))
        for x, y, z in zip(a, b, c, strict=True)
    ]
    assert np.array_equal(fma(a, b, c), np.array(expected, F))


@pytest.mark.parametrize(("low", "high"), [(-3, 3), (-30, 30), (-70, -60), (-149, 127)])
def test_fma_is_one_rounding(low: int, high: int) -> None:
    rng = np.random.default_rng(0)
    check_fma(*(random_floats(rng, 1000, low, high) for _ in range(3)))


def test_fma_beside_half_way() -> None:
    """a * b is half an ulp of c plus or minus a small rest, which two roundings would lose."""
    rng = np.random.default_rng(1)
    trace = rng.choice([-1, 0, 1], 1000)
    c = random_floats(rng, 1000, -3, 3)
    half = np.spacing(np.abs(c)) / F(2)
    a = (1 + trace * 2.0**-23).astype(F)
    b = half * (1 - trace * 2.0**-23 + np.abs(trace) * 2.0**-24 * rng.choice([0, 1], 1000)).astype(F)
    check_fma(a, b, c)
    check_fma(-a, b, c)
    twice_rounded = (a.astype(np.float64) * b + c).astype(F)
    assert not np.array_equal(fma(a, b, c), twice_rounded)  # otherwise this would test nothing


def test_fma_beside_half_way_of_subnormals() -> None:
    """The same for subnormal c, with a spacing of 2^-149: a * b is 2^-150 * (1 - 2^-46)."""
    rng = np.random.default_rng(13)
    c = (rng.integers(1 << 21, 1 << 22, 1000) * 2.0**-149).astype(F)
    a = np.full(1000, (1 + 2.0**-23) * 2.0**-75, F)
    b = np.full(1000, (1 - 2.0**-23) * 2.0**-75, F)
    check_fma(a, b, c)
    check_fma(a, b, -c)
    assert not np.array_equal(fma(a, b, c), (a.astype(np.float64) * b + c).astype(F))


def test_fma_of_subnormals_zeros_and_infinities() -> None:
    tiny, big, inf = F(1e-45), F(3.4028235e38), F(np.inf)
    values = np.array([0.0, tiny, 3 * tiny, 1.1754944e-38, 0.5, 1.0, 1.5, big], F)
    a, b, c = (v.ravel() for v in np.meshgrid(values, values, np.concatenate([values, -values])))
    check_fma(a, b, c)
    special = np.array([inf, -inf, np.nan, 0.0, -0.0, 1.0], F)
    a, b, c = (v.ravel() for v in np.meshgrid(special, special, special))
    with np.errstate(invalid="ignore"):
        expected = a.astype(np.float64) * b + c
    found = fma(a, b, c)
    assert np.array_equal(found, expected.astype(F), equal_nan=True)
    numbers = ~np.isnan(expected)
    assert np.array_equal(np.signbit(found[numbers]), np.signbit(expected[numbers]))


# --- layers ---


def expected_conv2d(maps: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    maps_out, maps_in, kernel_y, kernel_x = kernel.shape
    h, w = maps.shape[1] - kernel_y + 1, maps.shape[2] - kernel_x + 1
    result = np.empty((maps_out, h, w), F)
    for o, y, x in np.ndindex(result.shape):
        acc = 0.0
        for c in range(maps_in):
            for kx in range(kernel_x):
                for ky in range(kernel_y):
                    a, b = float(maps[c, y + ky, x + kx]), float(kernel[o, c, ky, kx])
                    acc = rounded(Fraction(a) * Fraction(b) + Fraction(acc))
        result[o, y, x] = F(acc) + bias[o]
    return result


@functools.cache
def convolution(
    shape: tuple[int, ...], fill: Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
) -> tuple[np.ndarray, ...]:
    """Return maps, kernel, bias and the expected output."""
    maps_in, maps_out, kernel_y, kernel_x, height, width = shape
    rng = np.random.default_rng(3)
    maps = fill(rng, (maps_in, height, width))
    kernel = fill(rng, (maps_out, maps_in, kernel_y, kernel_x))
    bias = fill(rng, (maps_out,))
    return maps, kernel, bias, expected_conv2d(maps, kernel, bias)


CONVOLUTIONS = [(3, 10, 3, 3, 7, 6), (1, 1, 1, 1, 1, 1), (2, 17, 2, 5, 4, 9), (5, 3, 4, 1, 4, 1)]


@pytest.mark.parametrize("shape", CONVOLUTIONS)
@pytest.mark.parametrize("fill", [small_integers, lambda rng, shape: random_floats(rng, shape, -6, 2)])
def test_conv2d(components: SimpleNamespace, shape: tuple[int, ...], fill: Callable[..., np.ndarray]) -> None:
    *arguments, expected = convolution(shape, fill)
    assert same_bits(components.conv2d(*arguments), expected)


def test_conv2d_larger_than_a_tile(components: SimpleNamespace) -> None:
    rng = np.random.default_rng(4)
    maps, kernel = small_integers(rng, (2, 90, 111)), small_integers(rng, (33, 2, 3, 2))
    windows = np.lib.stride_tricks.sliding_window_view(maps, (3, 2), axis=(1, 2))
    expected = np.einsum("chwyx,ocyx->ohw", windows, kernel).astype(F)
    assert same_bits(components.conv2d(maps, kernel, np.zeros(33, F)), expected)


def test_prelu(components: SimpleNamespace) -> None:
    maps = np.array([[[-2.0, -0.0], [0.0, 3.0]], [[-1.0, np.inf], [-np.inf, 5.0]]], F)
    expected = np.array([[[-0.5, -0.0], [0.0, 3.0]], [[2.0, np.inf], [np.inf, 5.0]]], F)
    assert same_bits(components.prelu(maps, np.array([0.25, -2.0], F)), expected)
    assert same_bits(
        components.prelu(np.array([-4.0, 4.0], F), np.array([0.5, 0.5], F)), np.array([-2.0, 4.0], F)
    )


# size, kernel, stride -> windows: (size - kernel) / stride rounded half away from zero, plus 1
POOLS = [
    (22, 3, 2, 11),
    (9, 3, 2, 4),
    (46, 3, 2, 23),
    (21, 3, 2, 10),
    (8, 2, 2, 4),
    (10, 2, 2, 5),
    (11, 2, 2, 6),
]
POOLS += [(5, 5, 1, 1), (6, 5, 2, 2), (7, 1, 1, 7), (4, 5, 3, 1), (2, 1, 2, 1), (9, 2, 5, 2), (9, 3, 4, 3)]


@pytest.mark.parametrize(("size", "kernel", "stride", "windows"), POOLS)
def test_max_pool(components: SimpleNamespace, size: int, kernel: int, stride: int, windows: int) -> None:
    maps = random_floats(np.random.default_rng(5), (3, size, 13), -3, 3)
    expected = np.empty((3, windows, 6), F)
    for c, y, x in np.ndindex(expected.shape):
        expected[c, y, x] = maps[c, y * stride : y * stride + kernel, x * 2 : x * 2 + 3].max()
    assert same_bits(components.max_pool(maps, 3, kernel, 2, stride), expected)
    transposed = np.ascontiguousarray(maps.swapaxes(1, 2))
    found = components.max_pool(transposed, kernel, 3, stride, 2)
    assert same_bits(np.ascontiguousarray(found.swapaxes(1, 2)), expected)


def test_max_pool_keeps_the_first_of_equals(components: SimpleNamespace) -> None:
    maps = np.array([[[-0.0, 0.0, 0.0, -0.0], [0.0, 0.0, -0.0, -0.0]]], F)
    assert same_bits(components.max_pool(maps, 2, 2, 2, 2), np.array([[[-0.0, 0.0]]], F))


def test_fully_connected_on_maps(components: SimpleNamespace) -> None:
    """The sum is rounded to float before the bias is added: 1 + 2^-24 + 2^-24 stays 1."""
    maps = np.ones((2, 3, 2), F)
    weights = np.array([[1.0, 2.0], [2.0**-24, 3.0]], F)
    found = components.fully_connected(maps, weights, np.array([2.0**-24, 4.0], F))
    assert same_bits(found, np.stack([np.full((3, 2), 1, F), np.full((3, 2), 9, F)]))


def test_fully_connected_on_all_values(components: SimpleNamespace) -> None:
    """The order is channel, x, y. The bias is added before the sum is rounded: 1 + 2^-24 + 2^-24 > 1."""
    rng = np.random.default_rng(6)
    maps, weights = small_integers(rng, (3, 2, 4)), small_integers(rng, (24, 5))
    expected = [
        sum(
            maps[c, y, x] * weights[(c * 4 + x) * 2 + y, o]
            for c in range(3)
            for y in range(2)
            for x in range(4)
        )
        for o in range(5)
    ]
    assert same_bits(components.fully_connected(maps, weights, np.zeros(5, F)), np.array(expected, F))
    weights = np.array([[1.0], [2.0**-24]], F)
    found = components.fully_connected(np.ones(2, F), weights, np.array([2.0**-24], F))
    assert same_bits(found, np.array([1 + 2.0**-23], F))


def test_fully_connected_sums_in_order_in_double(components: SimpleNamespace) -> None:
    """Adding 2^-53 to 1 twice gives 1 in double; in the opposite order the sum is larger."""
    maps = np.array([2.0**30, 2.0**-23, 2.0**-23], F)
    weights = np.ones((3, 1), F)
    assert same_bits(components.fully_connected(maps, weights, np.array([-(2.0**30)], F)), np.zeros(1, F))
    backwards = components.fully_connected(
        np.ascontiguousarray(maps[::-1]), weights, np.array([-(2.0**30)], F)
    )
    assert same_bits(backwards, np.array([2.0**-22], F))


def test_sigmoid(components: SimpleNamespace) -> None:
    values = random_floats(np.random.default_rng(7), (2, 5, 5), -4, 6)
    expected = F(1) / (F(1) + components.exp_opencv(-values.ravel()).reshape(values.shape))
    assert same_bits(components.sigmoid(values), expected)
    assert same_bits(components.sigmoid(np.array([0, 200, -200], F)), np.array([0.5, 1, 0], F))


# --- resize ---


def expected_resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Compute each output pixel separately."""
    result = np.empty((height, width, image.shape[2]), F)
    image = image.astype(F)
    h, w = image.shape[:2]
    for y, x in np.ndindex(height, width):
        fx, fy = (F((d + 0.5) * (1 / (dst / src)) - 0.5) for d, dst, src in ((x, width, w), (y, height, h)))
        sx, sy = int(np.floor(fx)), int(np.floor(fy))
        fx, fy = fx - F(sx), fy - F(sy)
        if sx < 0:
            sx, fx = 0, F(0)
        if sx >= w - 1:
            sx, fx = w - 1, F(0)
        right = min(sx + 1, w - 1)
        rows = [min(max(sy, 0), h - 1), min(max(sy + 1, 0), h - 1)]
        upper, lower = (image[row, sx] * (F(1) - fx) + image[row, right] * fx for row in rows)
        result[y, x] = upper * (F(1) - fy) + lower * fy
    return result


SIZES = [(7, 9, 24, 24), (31, 17, 12, 12), (20, 20, 10, 9), (1, 1, 5, 4), (2, 50, 3, 49)]
SIZES += [(40, 30, 20, 30), (5, 8, 5, 9)]  # half or the same size in one direction only


@pytest.mark.parametrize(("height", "width", "to_height", "to_width"), SIZES)
@pytest.mark.parametrize("dtype", [np.uint8, F])
def test_resize(
    components: SimpleNamespace, height: int, width: int, to_height: int, to_width: int, dtype: type
) -> None:
    image = np.random.default_rng(8).uniform(0, 255, (height, width, 3)).astype(dtype)
    assert same_bits(
        components.resize(image, to_height, to_width), expected_resize(image, to_height, to_width)
    )


def test_resize_to_the_same_size_and_to_half(components: SimpleNamespace) -> None:
    image = np.random.default_rng(9).uniform(0, 255, (6, 8, 3)).astype(F)
    assert same_bits(components.resize(image, 6, 8), image)
    a, b, c, d = (image[y::2, x::2] for y in (0, 1) for x in (0, 1))
    assert same_bits(components.resize(image, 3, 4), (((a + b) + c) + d) * F(0.25))


def test_normalise() -> None:
    image = np.arange(256, dtype=F).reshape(16, 16, 1).repeat(3, axis=2)
    assert same_bits(normalise(image), (image - F(127.5)) / F(128))


def test_cut(components: SimpleNamespace) -> None:
    image = np.random.default_rng(10).integers(1, 256, (6, 7, 3)).astype(np.uint8)
    patch = components.cut(image, np.array([-1, 3, 4, 4], F))
    expected = np.zeros((5, 5, 3), F)
    expected[:4, 2:] = image[2:6, :3]
    assert np.array_equal(patch, expected)


@pytest.mark.parametrize("box", [(1, 1, 5, 5), (-3, 2, 23, 23), (3, -40, 47, 47), (0, 0, 4, 4), (5, 6, 2, 2)])
def test_cut_resize_is_cut_then_resize(components: SimpleNamespace, box: tuple[int, ...]) -> None:
    """24 is also the size of one patch and half the size of another."""
    image = np.random.default_rng(11).integers(0, 256, (6, 7, 3)).astype(np.uint8)
    patch = components.cut(image, np.array(box, F))
    assert same_bits(components.cut_resize(image, np.array(box, F), 24), components.resize(patch, 24, 24))


def test_cut_resize_of_a_huge_square(components: SimpleNamespace) -> None:
    """Only the needed pixels of a patch of 2^60 pixels are computed."""
    image = np.full((6, 7, 3), 200, np.uint8)
    square = np.array([-(1 << 29), -(1 << 29), (1 << 30) - 64, (1 << 30) - 64], F)
    assert components.cut_resize(image, square, 48).shape == (48, 48, 3)


# --- boxes ---


def expected_suppression(boxes: np.ndarray, scores: np.ndarray, threshold: float, mode: str) -> list[int]:
    integers = [[round(float(v)) for v in box] for box in boxes]
    left = sorted(range(len(boxes)), key=lambda i: (scores[i], i))
    picked = []
    while left:
        best = left.pop()
        picked.append(best)
        keep = []
        for i in left:
            (ax, ay, aw, ah), (bx, by, bw, bh) = integers[best], integers[i]
            across = min(ax + aw, bx + bw) - max(ax, bx)
            down = min(ay + ah, by + bh) - max(ay, by)
            shared = F(across * down if across > 0 and down > 0 else 0)
            whole = F(aw * ah + bw * bh) - shared if mode == "union" else F(min(aw * ah, bw * bh))
            with np.errstate(invalid="ignore", divide="ignore"):
                if not shared / whole > F(threshold):
                    keep.append(i)
        left = keep
    return picked


@pytest.mark.parametrize("mode", ["union", "minimum"])
@pytest.mark.parametrize("threshold", [-0.5, 0.0, 0.5, 0.7])
def test_non_maximum_suppression(components: SimpleNamespace, mode: str, threshold: float) -> None:
    rng = np.random.default_rng(12)
    boxes = np.concatenate([rng.uniform(0, 60, (200, 2)), rng.uniform(-3, 40, (200, 2))], axis=1).astype(F)
    boxes[::5] = np.rint(boxes[::5]) + F(0.5)  # half way between two integers
    scores = rng.choice(np.linspace(0.5, 1, 12), 200).astype(F)
    found = components.non_maximum_suppression(boxes, scores, threshold, mode)
    assert found.dtype == np.int32
    assert found.tolist() == expected_suppression(boxes, scores, threshold, mode)


def test_of_equal_scores_the_last_is_picked_first(components: SimpleNamespace) -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 10], [50, 0, 10, 10]], F)
    found = components.non_maximum_suppression(boxes, np.full(3, 0.9, F), 0.5, "union")
    assert found.tolist() == [2, 1]


def test_an_overlap_at_the_threshold_stays(components: SimpleNamespace) -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 5]], F)
    scores = np.array([0.8, 0.9], F)
    assert components.non_maximum_suppression(boxes, scores, 0.5, "union").tolist() == [1, 0]
    assert components.non_maximum_suppression(boxes, scores, 0.4999999, "union").tolist() == [1]


def test_boxes_without_area_stay(components: SimpleNamespace) -> None:
    boxes = np.zeros((2, 4), F)
    assert components.non_maximum_suppression(boxes, np.array([0.8, 0.9], F), 0.5, "minimum").tolist() == [
        1,
        0,
    ]


def test_no_boxes(components: SimpleNamespace) -> None:
    found = components.non_maximum_suppression(np.empty((0, 4), F), np.empty(0, F), 0.5, "union")
    assert same_bits(found, np.empty(0, np.int32))


def test_nan_scores_are_rejected(components: SimpleNamespace) -> None:
    with pytest.raises(ValueError, match="scores: expected numbers, found NaN"):
        components.non_maximum_suppression(np.zeros((1, 4), F), np.array([np.nan], F), 0.5, "union")


def test_apply_offsets(components: SimpleNamespace) -> None:
    boxes = np.array([[10.5, 11.5, 20.4, 20.6], [-2.5, 0, 3, 7]], F)
    offsets = np.array([[0.1, -0.2, 0.3, 0.4], [1, 1, -1, -1]], F)
    for add_one in (False, True):
        found = components.apply_offsets(boxes, offsets, add_one)
        for (x, y, w, h), (dx1, dy1, dx2, dy2), row in zip(np.rint(boxes), offsets, found, strict=True):
            w, h = w + F(add_one), h + F(add_one)
            left, top, right, bottom = x + dx1 * w, y + dy1 * h, (x + w) + w * dx2, (y + h) + h * dy2
            assert same_bits(row, np.array([left, top, right - left, bottom - top], F))


def test_make_square(components: SimpleNamespace) -> None:
    boxes = np.array([[10.75, 3.5, 20.5, 11.25], [-7.9, -1.5, 3, 6.9], [0.2, 0, 1, 1.9]], F)
    expected = np.array([[10, -1, 20, 20], [-9, -1, 6, 6], [0, 0, 1, 1]], F)
    assert same_bits(components.make_square(boxes), expected)  # truncated toward zero, never -0.0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 5e18, -(2.0**30)])
def test_boxes_too_large_for_integers_are_rejected(components: SimpleNamespace, value: float) -> None:
    boxes = np.array([[0, 0, 5, 5], [0, value, 5, 5]], F)
    message = r"^boxes: expected finite numbers below 2\^30, found another in row 1$"
    with pytest.raises(ValueError, match=message):
        components.non_maximum_suppression(boxes, np.array([0.5, 0.6], F), 0.5, "union")
    with pytest.raises(ValueError, match=message):
        components.apply_offsets(boxes, np.zeros((2, 4), F), False)
    with pytest.raises(ValueError, match=message):
        components.make_square(boxes)
