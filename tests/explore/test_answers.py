"""What the explorer answers: values in bits, thumbnails, statistics, sums, verdicts; and to bad questions."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from explorers import answer, array, explorer, whole
from mtcnn_cpp.explore.tensors import THUMB_LEVELS, thumbnails
from mtcnn_cpp.trace import Judge, Trace, compare, explain
from mtcnn_cpp.trace.file.statistics import Statistics
from mtcnn_cpp.trace.judge.ulp import ulp_distance
from pictures import portrait

pytest.importorskip("starlette", reason="needs the extra: pip install 'mtcnn-cpp[explore]'")
pytest.importorskip("uvicorn", reason="needs the extra: pip install 'mtcnn-cpp[explore]'")

NAME = "rnet/crop000/conv2"


def told(address: str, question: str, **words: object) -> Any:
    status, headers, body = answer(address, question, **words)
    assert status == 200, body
    assert headers["content-type"] == "application/json"
    return json.loads(body)


def test_values_to_the_last_bit(two: str, right: Trace, wrong: Trace) -> None:
    a, b = right[NAME], wrong[NAME]
    for channel in (0, 17, 47):
        place = whole(a.shape, channel)
        for what, expected in (("a", a), ("b", b)):
            assert (
                array(two, "values", name=NAME, what=what, **place).tobytes() == expected[channel].tobytes()
            )
        apart = array(two, "values", name=NAME, what="difference", **place)
        assert np.array_equal(apart, b[channel].astype(np.float64) - a[channel])
        assert np.array_equal(
            array(two, "values", name=NAME, what="ulp", **place), ulp_distance(a[channel], b[channel])
        )
    part = {"channel": 3, "top": 2, "left": 1, "height": 5, "width": 7}
    assert np.array_equal(array(two, "values", name=NAME, **part), a[3, 2:7, 1:8])
    assert np.array_equal(array(two, "values", name=NAME, step=3, **part), a[3, 2:7:3, 1:8:3])


def test_every_tensor_can_be_shown(two: str, right: Trace) -> None:
    for name in right:
        view = told(two, "tensor", name=name)["view"]
        if not (view["channels"] and view["height"] and view["width"]):
            continue
        place = {"channel": view["channels"] - 1, "top": 0, "left": 0} | {
            key: view[key] for key in ("height", "width")
        }
        found = array(two, "values", name=name, **place)
        expected = right[name].reshape(view["channels"], view["height"], view["width"])[-1]
        assert np.array_equal(found, expected), name
        assert array(two, "thumbnails", name=name, size=16).shape[0] == view["channels"]


def test_the_picture(one: str) -> None:
    rgb = portrait()[..., ::-1]
    assert np.array_equal(array(one, "picture"), rgb)
    assert np.array_equal(array(one, "picture", step=7), rgb[::7, ::7])


def test_one_value_that_differs_is_seen_in_a_thumbnail(tmp_path: Path, right: Trace) -> None:
    name = "pnet/level00/conv1"
    changed = right[name].copy()
    changed[6, 13, 11] = np.nextafter(changed[6, 13, 11], np.float32(np.inf))
    for file, values in (("a.npz", right[name]), ("b.npz", changed)):
        Trace.from_arrays({name: values}).save(tmp_path / file)
    with explorer(tmp_path / "a.npz", tmp_path / "b.npz") as address:
        for what in ("difference", "ulp"):
            codes = array(address, "thumbnails", name=name, what=what, size=6)
            assert np.count_nonzero(codes) == 1
            assert codes[6].max() == THUMB_LEVELS
        assert array(address, "values", name=name, what="ulp", **whole(changed.shape, 6)).sum() == 1


def test_thumbnails_are_means(files: dict[str, Path], right: Trace) -> None:
    from explorers import source_of

    with source_of(files["right.npz"]) as source:
        values = right["pnet/level00/input"].astype(np.float64)
        codes, low, high = thumbnails(source, "pnet/level00/input", "a", 8)
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
        statistics = told(address, "tensor", name="rnet/crop000/conv1")["sides"]["a"]["statistics"]
        assert statistics == Statistics.of(values).to_json()


def test_statistics_of_parts_are_those_of_the_whole(one: str, right: Trace) -> None:
    for name in ("pnet/level00/conv1", "rnet/crop000/conv3", "pnet/boxes", "rnet/nms_keep"):
        found = told(one, "tensor", name=name)["sides"]["a"]["statistics"]
        expected = Statistics.of(right[name]).to_json()
        for key in ("mean", "standard_deviation"):
            assert found.pop(key) == pytest.approx(expected.pop(key), rel=1e-12)
        assert found == expected


def test_sums_are_those_of_explain(two: str, right: Trace) -> None:
    found = told(two, "sum", name=NAME, at="3,4,5", side="both")
    expected = explain(right, NAME, (3, 4, 5))
    first = found["sums"][0]
    assert [step[1:4] for step in first["steps"]] == [
        [str(term.value), str(term.weight), str(term.running.fma)] for term in expected.terms
    ]
    assert (first["recorded"], first["ok"]) == (str(expected.recorded), True)
    assert (found["parting"], found["sums"][1]["ok"]) == (None, False)
    assert "is not the output of a layer" in told(two, "sum", name="pnet/boxes", at="0,0")["none"]
    assert "is not in it" in told(two, "sum", name=NAME, at="99,0,0")["none"]


def test_verdicts_are_those_of_diff(two: str, right: Trace, wrong: Trace) -> None:
    found = told(two, "verdicts", **{"from": 0})
    for _ in range(200):
        if found["done"]:
            break
        threading.Event().wait(0.05)
        found = told(two, "verdicts", **{"from": 0})
    report = compare(right, wrong)
    assert [row[:3] for row in found["rows"]] == [[row.name, row.words, row.ok] for row in report.rows]
    assert (found["headline"], found["counts"]) == (report.headline, report.counts)
    assert found["first"] == NAME
    assert told(two, "verdicts", **{"from": 10**8})["rows"] == []


def test_a_judge_with_tolerances(files: dict[str, Path]) -> None:
    judge = Judge(tolerances=100.0)
    with explorer(files["right.npz"], files["wrong.npz"], judge=judge) as address:
        for _ in range(200):
            found = told(address, "verdicts", **{"from": 0})
            if found["done"]:
                break
            threading.Event().wait(0.05)
        rows = {row[0]: row[1:3] for row in found["rows"]}
        assert rows[NAME] == ["close", True]


BAD = [
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
    ("picture", {"step": "-1"}, 400),
    ("picture", {"step": "1e3"}, 400),
    ("picture", {"step": "9" * 5000}, 400),
    ("field", {"name": NAME, "at": "-1,0,0"}, 400),
    ("field", {"name": NAME, "at": "1.0,0,0"}, 400),
    ("field", {"name": NAME, "at": "nan"}, 400),
    ("field", {"name": NAME, "at": "1," * 90 + "1"}, 400),
    ("field", {"name": NAME, "at": "٣"}, 400),
    ("sum", {"name": NAME, "at": ""}, 400),
    ("sum", {"name": "no", "at": "0"}, 404),
    ("verdicts", {}, 400),
    ("thumbnails", {"name": NAME, "size": 0}, 400),
    ("thumbnails", {"name": NAME, "size": 10**6}, 400),
    ("thumbnails", {"name": NAME, "what": "c"}, 422),
]  # fmt: skip


@pytest.mark.parametrize(("question", "words", "status"), BAD)
def test_bad_questions(two: str, question: str, words: dict[str, object], status: int) -> None:
    found = answer(two, question, **words)
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
def test_windows_that_are_not_in_the_map(two: str, changes: dict[str, int]) -> None:
    status, _, body = answer(two, "values", name=NAME, **whole((9, 9)) | {"step": 1} | changes)
    assert status == 422
    assert "rnet/crop000/conv2 has 48 maps of 9 x 9" in json.loads(body)["error"]


def test_too_many_values_at_once(tmp_path: Path) -> None:
    Trace.from_arrays({"pnet/level00/conv1": np.zeros((1, 2100, 2100), np.float32)}).save(tmp_path / "a.npz")
    with explorer(tmp_path / "a.npz") as address:
        place = whole((2100, 2100))
        assert answer(address, "values", name="pnet/level00/conv1", **place)[0] == 422
        assert array(address, "values", name="pnet/level00/conv1", step=2, **place).shape == (1050, 1050)
