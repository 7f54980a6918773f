"""Answers of the explorer: exact values, thumbnails, statistics, sums, verdicts, and errors."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from explorers import answer, array, explorer, whole_map
from images import portrait
from mtcnn_cpp.explore.tensors import THUMB_LEVELS, thumbnails
from mtcnn_cpp.trace import ComparisonOptions, Trace, compare, explain
from mtcnn_cpp.trace.comparison.statistics import ulp_distance
from mtcnn_cpp.trace.manifest import Statistics

pytest.importorskip("starlette", reason="needs the extra: pip install 'mtcnn-cpp[explore]'")
pytest.importorskip("uvicorn", reason="needs the extra: pip install 'mtcnn-cpp[explore]'")

NAME = "rnet/crop000/conv2"


def fetch(address: str, endpoint: str, **parameters: object) -> Any:
    status, headers, body = answer(address, endpoint, **parameters)
    assert status == 200, body
    assert headers["content-type"] == "application/json"
    return json.loads(body)


def test_values_are_exact(comparison_url: str, correct: Trace, faulty: Trace) -> None:
    a, b = correct[NAME], faulty[NAME]
    for channel in (0, 17, 47):
        window = whole_map(a.shape, channel)
        for view, expected in (("a", a), ("b", b)):
            assert (
                array(comparison_url, "values", name=NAME, view=view, **window).tobytes()
                == expected[channel].tobytes()
            )
        difference = array(comparison_url, "values", name=NAME, view="difference", **window)
        assert np.array_equal(difference, b[channel].astype(np.float64) - a[channel])
        assert np.array_equal(
            array(comparison_url, "values", name=NAME, view="ulp", **window),
            ulp_distance(a[channel], b[channel]),
        )
    part = {"channel": 3, "top": 2, "left": 1, "height": 5, "width": 7}
    assert np.array_equal(array(comparison_url, "values", name=NAME, **part), a[3, 2:7, 1:8])
    assert np.array_equal(array(comparison_url, "values", name=NAME, step=3, **part), a[3, 2:7:3, 1:8:3])


def test_every_tensor_can_be_shown(comparison_url: str, correct: Trace) -> None:
    for name in correct:
        shape = fetch(comparison_url, "tensor", name=name)["map_shape"]
        if not (shape["channels"] and shape["height"] and shape["width"]):
            continue
        window = {"channel": shape["channels"] - 1, "top": 0, "left": 0} | {
            key: shape[key] for key in ("height", "width")
        }
        found = array(comparison_url, "values", name=name, **window)
        expected = correct[name].reshape(shape["channels"], shape["height"], shape["width"])[-1]
        assert np.array_equal(found, expected), name
        assert array(comparison_url, "thumbnails", name=name, size=16).shape[0] == shape["channels"]


def test_image(trace_url: str) -> None:
    rgb = portrait()[..., ::-1]
    assert np.array_equal(array(trace_url, "image"), rgb)
    assert np.array_equal(array(trace_url, "image", step=7), rgb[::7, ::7])


def test_single_difference_is_visible_in_thumbnail(tmp_path: Path, correct: Trace) -> None:
    name = "pnet/level00/conv1"
    changed = correct[name].copy()
    changed[6, 13, 11] = np.nextafter(changed[6, 13, 11], np.float32(np.inf))
    for file, values in (("a.npz", correct[name]), ("b.npz", changed)):
        Trace.from_arrays({name: values}).save(tmp_path / file)
    with explorer(tmp_path / "a.npz", tmp_path / "b.npz") as address:
        for view in ("difference", "ulp"):
            codes = array(address, "thumbnails", name=name, view=view, size=6)
            assert np.count_nonzero(codes) == 1
            assert codes[6].max() == THUMB_LEVELS
        assert array(address, "values", name=name, view="ulp", **whole_map(changed.shape, 6)).sum() == 1


def test_thumbnails_are_means(files: dict[str, Path], correct: Trace) -> None:
    from explorers import opened_traces

    with opened_traces(files["correct.npz"]) as traces:
        values = correct["pnet/level00/input"].astype(np.float64)
        codes, low, high = thumbnails(traces, "pnet/level00/input", "a", 8)
        step = -(-max(values.shape[1:]) // 8)
        mean = values[1, :step, step : 2 * step].mean()
        assert low + (high - low) * codes[1, 0, 1] / THUMB_LEVELS == pytest.approx(
            mean, abs=(high - low) / THUMB_LEVELS
        )


def test_thumbnails_with_nan(tmp_path: Path) -> None:
    values = np.zeros((2, 40, 40), np.float32)
    values[1, 20:, 20:] = 3
    values[1, 39, 39] = np.nan
    values[0] = np.inf
    Trace.from_arrays({"rnet/crop000/conv1": values}).save(tmp_path / "a.npz")
    with explorer(tmp_path / "a.npz") as address:
        codes = array(address, "thumbnails", name="rnet/crop000/conv1", size=4)
        assert (codes[0] == 255).all()
        assert codes[1, 3, 3] == 255
        assert codes[1, 2, 2] == 254
        assert codes[1, 0, 0] == 0
        statistics = fetch(address, "tensor", name="rnet/crop000/conv1")["sides"]["a"]["statistics"]
        assert statistics == Statistics.of(values).to_json()


def test_statistics_are_those_of_the_whole_tensor(trace_url: str, correct: Trace) -> None:
    for name in ("pnet/level00/conv1", "rnet/crop000/conv3", "pnet/boxes", "rnet/nms_keep"):
        found = fetch(trace_url, "tensor", name=name)["sides"]["a"]["statistics"]
        expected = Statistics.of(correct[name]).to_json()
        for key in ("mean", "standard_deviation"):
            assert found.pop(key) == pytest.approx(expected.pop(key), rel=1e-12)
        assert found == expected


def test_sums_equal_explain(comparison_url: str, correct: Trace) -> None:
    found = fetch(comparison_url, "sum", name=NAME, index="3,4,5", side="both")
    expected = explain(correct, NAME, (3, 4, 5))
    first = found["sums"][0]
    assert [step[1:4] for step in first["steps"]] == [
        [str(term.value), str(term.weight), str(term.running.fma)] for term in expected.terms
    ]
    assert (first["recorded"], first["ok"]) == (str(expected.recorded), True)
    assert (found["first_difference"], found["sums"][1]["ok"]) == (None, False)
    assert (
        "is not the output of a layer"
        in fetch(comparison_url, "sum", name="pnet/boxes", index="0,0")["unavailable"]
    )
    assert "is outside this shape" in fetch(comparison_url, "sum", name=NAME, index="99,0,0")["unavailable"]


def test_verdicts_equal_diff(comparison_url: str, correct: Trace, faulty: Trace) -> None:
    found = fetch(comparison_url, "verdicts", **{"from": 0})
    for _ in range(200):
        if found["done"]:
            break
        threading.Event().wait(0.05)
        found = fetch(comparison_url, "verdicts", **{"from": 0})
    report = compare(correct, faulty)
    assert [row[:3] for row in found["rows"]] == [[row.name, row.label, row.ok] for row in report.tensors]
    assert (found["headline"], found["counts"]) == (report.headline, report.counts)
    assert found["first"] == NAME
    assert fetch(comparison_url, "verdicts", **{"from": 10**8})["rows"] == []


def test_comparison_with_tolerances(files: dict[str, Path]) -> None:
    options = ComparisonOptions(tolerances=100.0)
    with explorer(files["correct.npz"], files["faulty.npz"], options=options) as address:
        for _ in range(200):
            found = fetch(address, "verdicts", **{"from": 0})
            if found["done"]:
                break
            threading.Event().wait(0.05)
        rows = {row[0]: row[1:3] for row in found["rows"]}
        assert rows[NAME] == ["close", True]


BAD_REQUESTS = [
    ("values", {}, 400),
    ("values", {"name": NAME}, 400),
    ("tensor", {"name": "no/such"}, 404),
    ("tensor", {"name": "../../etc/passwd"}, 404),
    ("tensor", {"name": "*"}, 404),
    ("tensor", {"name": "manifest"}, 404),
    ("tensor", {"name": "picture"}, 404),
    ("tensor", {"name": "x" * 9000}, 404),
    ("tensor", {"name": "\0"}, 404),
    ("boxes", {"side": "c"}, 422),
    ("boxes", {"side": "b" * 5000}, 422),
    ("image", {"step": "-1"}, 400),
    ("image", {"step": "1e3"}, 400),
    ("image", {"step": "9" * 5000}, 400),
    ("receptive_field", {"name": NAME, "index": "-1,0,0"}, 400),
    ("receptive_field", {"name": NAME, "index": "1.0,0,0"}, 400),
    ("receptive_field", {"name": NAME, "index": "nan"}, 400),
    ("receptive_field", {"name": NAME, "index": "1," * 90 + "1"}, 400),
    ("receptive_field", {"name": NAME, "index": "٣"}, 400),
    ("sum", {"name": NAME, "index": ""}, 400),
    ("sum", {"name": "no", "index": "0"}, 404),
    ("verdicts", {}, 400),
    ("thumbnails", {"name": NAME, "size": 0}, 400),
    ("thumbnails", {"name": NAME, "size": 10**6}, 400),
    ("thumbnails", {"name": NAME, "view": "c"}, 422),
]  # fmt: skip


@pytest.mark.parametrize(("endpoint", "parameters", "status"), BAD_REQUESTS)
def test_bad_requests(comparison_url: str, endpoint: str, parameters: dict[str, object], status: int) -> None:
    found = answer(comparison_url, endpoint, **parameters)
    assert found[0] == status, found[2]
    assert json.loads(found[2])["error"]
    assert len(found[2]) < 20_000
    assert b"Traceback" not in found[2]


@pytest.mark.parametrize(
    "changes",
    [
        {"channel": 48}, {"top": 9}, {"left": 9}, {"height": 10}, {"width": 10}, {"height": 0}, {"step": 0},
        {"channel": 999999999}, {"top": 999999999, "height": 999999999},
    ],
)  # fmt: skip
def test_windows_outside_the_map(comparison_url: str, changes: dict[str, int]) -> None:
    status, _, body = answer(comparison_url, "values", name=NAME, **whole_map((9, 9)) | {"step": 1} | changes)
    assert status == 422
    assert "rnet/crop000/conv2 has 48 maps of 9 x 9" in json.loads(body)["error"]


def test_too_many_values_at_once(tmp_path: Path) -> None:
    Trace.from_arrays({"pnet/level00/conv1": np.zeros((1, 2100, 2100), np.float32)}).save(tmp_path / "a.npz")
    with explorer(tmp_path / "a.npz") as address:
        window = whole_map((2100, 2100))
        assert answer(address, "values", name="pnet/level00/conv1", **window)[0] == 422
        assert array(address, "values", name="pnet/level00/conv1", step=2, **window).shape == (1050, 1050)
