"""The two exponential functions: exact arithmetic, the C library and the core as references."""

from __future__ import annotations

import ctypes
import functools
import json
import math
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from exact_numbers import random_floats, rounded
from gold_results import HERE
from mtcnn_cpp.reference import exp
from mtcnn_cpp.reference.fma import fma_of_doubles

F = np.float32
GOLD = json.loads((HERE / "exp.json").read_text())
TABLES = {name: [float.fromhex(value) for value in values] for name, values in GOLD.items()}
# For these values, unfused sums in exp_glibc give another float.
FUSED = {"0x1.04845ep+5": "0x1.f93e38p+46", "-0x1.f8cbb2p+5": "0x1.f45326p-92"}


def floats(hexadecimal: object) -> np.ndarray:
    return np.array(list(map(float.fromhex, hexadecimal)), F)  # type: ignore[call-overload]


def to_double(value: Fraction) -> Fraction:
    return Fraction(rounded(value, 53, -1074, 1024))


def to_float(value: Fraction) -> Fraction:
    return Fraction(rounded(value))


def double(hexadecimal: str) -> Fraction:
    return Fraction(float.fromhex(hexadecimal))


@functools.cache
def defined_exp_glibc(x: float) -> float:
    scale = double("0x1.71547652b82fep+5")
    k = round(to_double(scale * Fraction(x)))
    r = to_double(scale * Fraction(x) - k)
    s = Fraction(TABLES["T32"][k % 32]) * Fraction(2) ** (k // 32)
    low = to_double(double("0x1.62e42ff0c52d6p-6") * r + 1)
    high = to_double(double("0x1.c6af84b912394p-20") * r + double("0x1.ebfce50fac4f3p-13"))
    return rounded(to_double(to_double(high * to_double(r * r) + low) * s))


@functools.cache
def defined_exp_opencv(x: float) -> float:
    log2_e, a0 = 1.4426950408889634, 0.009670371139572337
    limit = F(3000 / log2_e)
    z = to_float(Fraction(float(np.clip(F(x), -limit, limit))) * Fraction(float(F(64 * log2_e))))
    i = round(z)
    z = to_float((z - i) / 64)
    exponent = min(max((i >> 6) + 127, 0), 255)
    power = Fraction(2) ** (exponent - 127) if exponent else Fraction(0)
    y = to_float(Fraction(TABLES["T64"][i & 63]) * power)
    others = (0.05550339366753125, 0.24022651095133016, 0.6931471805521448, 1.0000000000000024)
    a1, a2, a3, a4 = (Fraction(float(F(value / a0))) for value in others)
    p = to_float(to_float(to_float(to_float(z + a1) * z + a2) * z + a3) * z + a4)
    return math.inf if exponent == 255 else rounded(p * y)


DEFINITIONS = {"exp_opencv": defined_exp_opencv, "exp_glibc": defined_exp_glibc}


@pytest.mark.parametrize("name", DEFINITIONS)
def test_definition(components: SimpleNamespace, name: str) -> None:
    rng = np.random.default_rng(2)
    values = np.concatenate([rng.uniform(-104, 89, 500), rng.uniform(-1, 1, 300)]).astype(F)
    values = np.concatenate([values, random_floats(rng, 300, -40, 5), floats(FUSED)])
    expected = np.array([DEFINITIONS[name](float(v)) for v in values], F)
    assert np.array_equal(getattr(components, name)(values), expected)


@pytest.mark.parametrize("name", DEFINITIONS)
def test_borders(components: SimpleNamespace, name: str) -> None:
    """Values at which the result becomes infinite, subnormal, 0 or 1, or at which the table index changes."""
    places = [88.72284, -87.33655, -103.97208, -103.27893, -88.02969, -87.68, 2.0**-24, -(2.0**-25), 1e-45]
    places += [(k + 0.5) * math.log(2) / n for n in (32, 64) for k in range(-2900, 2800, 41)]
    for step in (-2, -1, 0, 1, 2):
        values = (np.array(places, F).view(np.int32) + step).view(F)
        values = values[~np.isnan(values)]
        expected = np.array([DEFINITIONS[name](float(v)) for v in values], F)
        assert np.array_equal(getattr(components, name)(values), expected)


@pytest.mark.parametrize("name", DEFINITIONS)
def test_special_values(components: SimpleNamespace, name: str) -> None:
    values = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 3.4e38, -3.4e38, 1e-45, -1e-45], F)
    expected = np.array([1, 1, np.inf, 0, np.nan, np.inf, 0, 1, 1], F)
    assert np.array_equal(getattr(components, name)(values), expected, equal_nan=True)


def test_tables() -> None:
    assert exp.OPENCV_POWERS.tolist() == TABLES["T64"]
    assert exp.GLIBC_POWERS.tolist() == TABLES["T32"]


def test_exp_glibc_is_fused(components: SimpleNamespace) -> None:
    assert np.array_equal(components.exp_glibc(floats(FUSED)), floats(FUSED.values()))


def test_exp_glibc_equals_the_c_library(components: SimpleNamespace) -> None:
    try:
        expf = ctypes.CDLL("libm.so.6").expf
    except OSError:
        pytest.skip("the C library is not glibc")
    expf.argtypes, expf.restype = [ctypes.c_float], ctypes.c_float
    if [expf(v) for v in floats(FUSED)] != floats(FUSED.values()).tolist():
        pytest.skip("expf of the C library is not the variant for CPUs with FMA")
    rng = np.random.default_rng(6)
    values = np.concatenate([rng.uniform(-106, 90, 40000).astype(F), random_floats(rng, 10000, -149, 127)])
    assert np.array_equal(components.exp_glibc(values), np.array([expf(v) for v in values], F))


def test_fma_of_doubles() -> None:
    """There is one rounding, also if the exact sum is almost half way between two doubles, or cancels."""
    rng = np.random.default_rng(7)
    a, b = (np.ldexp(rng.uniform(-2, 2, 4000), rng.integers(-60, 60, 4000)) for _ in range(2))
    far = np.ldexp(rng.uniform(-2, 2, 4000), rng.integers(-140, 140, 4000))
    half = np.ldexp(a * b, 53) * (1 + rng.integers(-2, 3, 4000) * 2.0**-52)  # a * b is near half of its ulp
    for c in (far, -(a * b) * (1 + rng.integers(-3, 4, 4000) * 2.0**-52), half, -half, np.zeros(4000)):
        exact = [Fraction(x) * Fraction(y) + Fraction(z) for x, y, z in zip(a, b, c, strict=True)]
        expected = [rounded(value, 53, -1074, 1024) for value in exact]
        assert fma_of_doubles(a, b, c).tolist() == expected


@pytest.mark.slow
@pytest.mark.parametrize("name", DEFINITIONS)
def test_core_equals_reference_for_all_floats(name: str) -> None:
    """All floats whose result is neither 0, 1 nor infinite."""
    core = pytest.importorskip("mtcnn_cpp._core")._testing
    for first, last in ((2.0**-27, 90.0), (-(2.0**-27), -106.0)):
        begin, end = (int(F(v).view(np.uint32)) for v in (first, last))
        for start in range(begin, end, 1 << 16):
            values = np.arange(start, min(start + (1 << 16), end), dtype=np.uint32).view(F)
            same = np.array_equal(getattr(core, name)(values), getattr(exp, name)(values))
            assert same, f"floats from {values[0]!r}"
