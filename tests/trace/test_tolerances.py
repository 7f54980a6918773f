"""Tolerances: by name, from dicts and TOML files, and as a share of a layer's greatest magnitude."""

from __future__ import annotations

import math
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mtcnn_cpp import MissingExtra
from mtcnn_cpp.trace import ComparisonOptions, Tolerance, Trace, TraceError, compare
from mtcnn_cpp.trace.comparison.tolerances import Tolerances

RNG = np.random.default_rng(6)
CONV1 = "pnet/level00/conv1"
TENSORS = {
    "pnet/level00/input": RNG.standard_normal((3, 5, 6)).astype(np.float32),
    CONV1: RNG.standard_normal((3, 5, 6)).astype(np.float32),
    "pnet/level00/prelu1": RNG.standard_normal((3, 5, 6)).astype(np.float32),
    "pnet/level00/pool1": RNG.standard_normal((3, 5, 6)).astype(np.float32),
    "pnet/level00/heat_map": RNG.random((5, 6), np.float32),
    "pnet/nms_keep": np.array([3, 1], np.int32),
}


def trace(changes: dict[str, Any] | None = None) -> Trace:
    return Trace.from_arrays({**TENSORS, **(changes or {})})


def altered(name: str, index: tuple[int, ...], value: float) -> dict[str, Any]:
    array = TENSORS[name].copy()
    array[index] = value
    return {name: array}


def neighbour(value: np.float32, steps: int) -> np.float32:
    for _ in range(steps):
        value = np.nextafter(value, np.float32(np.inf))
    return value


def test_a_share_is_relative_to_the_layer_in_all_levels() -> None:
    large, small = np.array([1000, -2000], np.float32), np.array([1, 2], np.float32)
    a = Trace.from_arrays({"pnet/level00/conv1": large, "pnet/level01/conv1": small, "pnet/scores": small})
    b = a.replace({name: a[name] + np.float32(1) for name in a})
    report = compare(a, b, tolerances={"*": {"share": 0.0006}})
    assert [row.label for row in report.tensors] == ["close", "close", "different"]
    assert str(report.tensors[0].tolerance) == "share 0.0006"
    assert not compare(a, b, tolerances={"*": {"share": 0.0004}}).tensors[1].ok
    alone = compare(a, b, tolerances={"*": {"share": 0.0006}}, only=["*/level01/*"])
    assert alone.counts == {"close": 1}


def test_the_last_matching_pattern_sets_the_tolerance() -> None:
    changed = trace(
        {name: array + np.float32(0.001) for name, array in TENSORS.items() if array.dtype == np.float32}
    )
    rules = {"*": 0, "pnet/*": {"atol": 0.01}, "*/conv1": {"ulp": 1}, "*_keep": 0}
    report = compare(trace(), changed, tolerances=rules)
    assert [row.ok for row in report.tensors] == [True, False, True, True, True, True]
    assert report.headline.endswith("elements differ by more than ulp 1")


needs_toml = pytest.mark.skipif(
    find_spec("tomllib") is None and find_spec("tomli") is None, reason="TOML needs Python 3.11 or tomli"
)


@needs_toml
def test_tolerances_from_toml(tmp_path: Path) -> None:
    path = tmp_path / "tolerances.toml"
    path.write_text('"*" = 1e-9\n["*/conv1"]\nulp = 2\n')
    near = neighbour(TENSORS[CONV1][0, 0, 0], 2)
    assert compare(trace(), trace(altered(CONV1, (0, 0, 0), near)), tolerances=path).ok
    near = neighbour(TENSORS[CONV1][0, 0, 0], 3)
    assert not compare(trace(), trace(altered(CONV1, (0, 0, 0), near)), tolerances=path).ok


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (-1.0, "tolerance atol must be a number >= 0, got -1.0"),
        (math.nan, "tolerance atol must be a number >= 0, got nan"),
        (
            {"pnet/level01/*": 1},
            r"pattern 'pnet/level01/\*' matches no tensor name; the nearest: pnet/level\*/",
        ),
        ({"*": {"ulps": 1}}, r"tolerance of '\*': expected ulp, atol, rtol, share, got ulps"),
        (
            {"*": "1"},
            r"tolerance of '\*' must be a number, or a table with ulp, atol, rtol or share, got '1'",
        ),
        ({"*": True}, "must be a number"),
        ({"*": {"rtol": "x"}}, "tolerance rtol must be a number >= 0, got 'x'"),
    ],
)
def test_bad_tolerances(given: Any, message: str) -> None:
    with pytest.raises(TraceError, match=message):
        compare(trace(), trace(), tolerances=given)


@needs_toml
def test_a_file_that_is_not_toml(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"missing.toml: the tolerances are not readable \(No such file"):
        compare(trace(), trace(), tolerances=tmp_path / "missing.toml")
    (tmp_path / "t.toml").write_text("a = ")
    with pytest.raises(TraceError, match=r"t.toml is not TOML"):
        compare(trace(), trace(), tolerances=tmp_path / "t.toml")


def test_error_without_a_toml_parser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("tomllib", "tomli"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=r"t.toml: reading TOML in Python 3.10 .*pip install tomli$"):
        compare(trace(), trace(), tolerances=tmp_path / "t.toml")


def test_a_path_may_be_text(tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text('"*" = 1e-5')
    rules = Tolerances.of(str(tmp_path / "t.toml"))
    assert rules["x"] == Tolerances.of(tmp_path / "t.toml")["x"] == Tolerance(atol=1e-5, rtol=1e-5)
    with pytest.raises(TraceError, match=r"no\.toml: the tolerances are not readable"):
        ComparisonOptions(str(tmp_path / "no.toml"))
