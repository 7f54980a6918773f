"""Trace: a mapping of names to arrays; patterns, changed copies, and errors for wrong names."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mtcnn_cpp.trace import Trace, TraceError, compare
from mtcnn_cpp.trace.file.npz import digest

RNG = np.random.default_rng(7)
IMAGE = RNG.integers(0, 256, (5, 7, 3), np.uint8)
TENSORS: dict[str, np.ndarray] = {
    "pnet/level00/input": RNG.standard_normal((3, 4, 5), np.float32),
    "pnet/level00/conv1": RNG.standard_normal((2, 3, 4), np.float32),
    "pnet/level00/heat_map": RNG.random((4, 5), np.float32),
    "pnet/boxes": np.zeros((0, 4), np.float32),
    "pnet/nms_keep": np.array([2, 0], np.int32),
    "rnet/crop000/conv2": RNG.standard_normal((4, 2, 2)).astype(np.float32),
    "rnet/crop001/conv2": RNG.standard_normal((4, 2, 2)).astype(np.float32),
    "rnet/crop001/fc1": RNG.standard_normal(128).astype(np.float32),
}
CONV1 = "pnet/level00/conv1"


def make(**changes: Any) -> Trace:
    return Trace.from_arrays(TENSORS, **{"image": IMAGE, "options": {"min_face": 60.0}, **changes})


@pytest.fixture(params=["memory", "file"])
def trace(request: pytest.FixtureRequest, tmp_path: Path) -> Trace:
    made = make()
    if request.param == "memory":
        return made
    made.save(tmp_path / "a.npz")
    return Trace.load(tmp_path / "a.npz")


def test_layouts_name_the_axes() -> None:
    layouts = {entry.name.rpartition("/")[2]: entry.layout for entry in make().manifest.tensors}
    assert layouts == {
        "input": "channel, y, x",
        "conv1": "channel, y, x",
        "heat_map": "y, x",
        "boxes": "box, (x y width height)",
        "nms_keep": "pick",
        "conv2": "channel, y, x",
        "fc1": "channel",
    }


def test_a_trace_is_a_mapping(trace: Trace) -> None:
    assert isinstance(trace, Mapping)
    assert list(trace) == list(trace.keys()) == list(TENSORS)
    assert len(trace) == len(TENSORS)
    for (name, array), value in zip(trace.items(), trace.values(), strict=True):
        assert array.tobytes() == value.tobytes() == TENSORS[name].tobytes()
        assert not array.flags.writeable
    assert {**trace}.keys() == TENSORS.keys()
    assert trace.get(CONV1) is not None
    assert trace.get("pnet/level00/conv9") is None
    assert trace == trace
    assert trace != make()
    assert len({trace, trace}) == 1


def test_unknown_name_suggests_the_nearest(trace: Trace) -> None:
    for access in (trace.__getitem__, trace.info):
        with pytest.raises(KeyError, match=r"no tensor 'pnet/level0/conv1'; the nearest: pnet/level00/conv1"):
            access("pnet/level0/conv1")
        with pytest.raises(TraceError, match=r"^'pnet/\*/conv1' is a pattern, .* select\('pnet/\*/conv1'\)$"):
            access("pnet/*/conv1")
    assert "pnet/level0/conv1" not in trace


def test_select(trace: Trace) -> None:
    some = trace.select("rnet/crop*/conv2", "pnet/boxes")
    assert some.names == ("pnet/boxes", "rnet/crop000/conv2", "rnet/crop001/conv2")
    assert np.array_equal(some["rnet/crop001/conv2"], TENSORS["rnet/crop001/conv2"])
    assert some.manifest.only == ("rnet/crop*/conv2", "pnet/boxes")
    assert np.array_equal(some.image, IMAGE)
    assert compare(trace, some, only=["rnet/crop*/conv2"]).ok
    again = some.select("rnet/*")
    assert again.manifest.only == again.names == ("rnet/crop000/conv2", "rnet/crop001/conv2")
    with pytest.raises(KeyError, match="has no tensor 'pnet/level00/conv1'"):
        some[CONV1]


@pytest.mark.parametrize("pattern", ["rnet/crop*/conv9", "pnet/level*/conv2", "pnet/level00/fc1"])
def test_a_pattern_without_a_match_is_not_suggested(pattern: str) -> None:
    with pytest.raises(TraceError, match="matches no tensor name; the nearest: ") as caught:
        make().select(pattern)
    assert pattern not in str(caught.value).partition("the nearest: ")[2].split(", ")


def test_replace(trace: Trace) -> None:
    wider = np.ones((2, 3, 5), np.float64)
    changed = trace.replace({CONV1: wider, "pnet/nms_keep": TENSORS["pnet/nms_keep"]})
    wider[:] = 0
    assert changed.names == trace.names
    assert np.array_equal(changed[CONV1], np.ones((2, 3, 5)))
    assert not changed[CONV1].flags.writeable
    entry = changed.info(CONV1)
    assert (entry.shape, entry.dtype, entry.sha256) == ((2, 3, 5), "float64", digest(np.ones((2, 3, 5))))
    assert (changed.manifest.options, changed.manifest.image) == (
        {"min_face": 60.0},
        trace.manifest.image,
    )
    assert [row.name for row in compare(trace, changed).tensors if not row.ok] == [CONV1]
    assert np.array_equal(trace[CONV1], TENSORS[CONV1])
    assert compare(pickle.loads(pickle.dumps(changed)), changed).ok


def test_errors_of_replace() -> None:
    with pytest.raises(KeyError, match="has no tensor 'pnet/level00/conv9'; the nearest: pnet/level00/conv1"):
        make().replace({"pnet/level00/conv9": IMAGE})
    with pytest.raises(TraceError, match="it contains no values"):
        make(capture="hash").replace({CONV1: IMAGE})


def test_the_source_of_a_loaded_trace(tmp_path: Path) -> None:
    make().save(tmp_path / "a.npz")
    assert Trace.load(tmp_path / "a.npz").source == str(tmp_path / "a.npz")
    assert Trace.load(tmp_path / "a.npz", source="mine").source == "mine"


def test_from_arrays_rejects_unknown_arguments() -> None:
    with pytest.raises(TypeError, match=r"from_arrays\(\) got an unexpected keyword argument 'wrong'"):
        Trace.from_arrays(TENSORS, wrong=1)  # type: ignore[call-arg]
    made = Trace.from_arrays(
        TENSORS, options={"min_face": 60}, model={"pnet": "x"}, made_by={"a": "b"}, only=["*"]
    )
    about = made.manifest.about()
    assert (about["options"], about["model"], about["made_by"], about["only"]) == (
        {"min_face": 60}, {"pnet": "x"}, {"a": "b"}, ["*"],
    )  # fmt: skip
