"""Grades: a correct result is exact, and each planted fault lowers the grade."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from images import BACKENDS
from mtcnn_cpp import Detections, Detector
from mtcnn_cpp.ports.conformance import Grade, grade
from mtcnn_cpp.ports.conformance.cases import Case, ConformanceError
from mtcnn_cpp.ports.conformance.grading import grade_faces
from mtcnn_cpp.ports.conformance.results import Result
from mtcnn_cpp.ports.conformance.score_card import grade_case
from mtcnn_cpp.trace.comparison.boxes import final_detections
from mtcnn_cpp.trace.names import template
from ports import transposed_model

pytestmark = pytest.mark.skipif(BACKENDS[0] != "core", reason="the cases are made by the core")


def only(*names: str, cases: dict[str, Case]) -> list[Case]:
    return [cases[name] for name in names]


@pytest.mark.parametrize("backend", ["core", "reference", "generic"])
def test_own_backends_are_exact(cases: dict[str, Case], backend: str) -> None:
    chosen = only("portrait", "loose", "edge", "odd", "nothing", "tiny", cases=cases)
    card = grade(chosen, Detector(backend=backend).engine, backend)  # type: ignore[arg-type]
    assert [case.grade for case in card.cases] == [Grade.EXACT] * 6, card.headline
    assert card.grade is Grade.EXACT_IN_PART  # of 12 cases
    assert card.headline.endswith("6 of 12 cases, 4 faces, 1221 of 1221 tensors")


@pytest.mark.parametrize(("backend", "module"), [("onnx", "onnxruntime"), ("torch", "torch")])
def test_other_runtimes_are_close(cases: dict[str, Case], backend: str, module: str) -> None:
    pytest.importorskip(module, reason=f"needs mtcnn-cpp[{backend}]")
    engine = Detector(backend=backend).engine  # type: ignore[arg-type]
    card = grade(only("portrait", "odd", "edge", "tiny", cases=cases), engine, backend)
    assert card.grade is Grade.CLOSE, card.headline
    assert sum(case.tensors for case in card.cases) == 765


@pytest.mark.parametrize(
    ("stage", "expected", "reason"),
    [
        (
            "pnet",
            Grade.SAME_FACES,
            r"boxes differ by up to 4\.1 px.*; layers: different, pnet/level0\d/conv1: ",
        ),
        (
            "rnet",
            Grade.DIFFERENT,
            r"1 faces expected, 0 found; expected face 0 was not found \(90\.1 x 89\.7 at .*"
            r"; layers: different, rnet/crop00\d/conv1: ",
        ),
    ],
)
def test_a_planted_port(cases: dict[str, Case], stage: str, expected: Grade, reason: str) -> None:
    engine = Detector(transposed_model(stage)).engine
    card = grade(only("portrait", "edge", cases=cases), engine, "planted")
    assert card.grade is Grade.DIFFERENT
    assert card.cases[0].grade is expected
    assert re.match(reason, card.cases[0].reason), card.cases[0].reason
    first = next(layer for layer in card.cases[0].layers if layer.grade is Grade.DIFFERENT)
    assert first.layer == f"{stage}/{'level' if stage == 'pnet' else 'crop'}*/conv1"


def changed(case: Case, **changes: Callable[[np.ndarray], np.ndarray]) -> Result:
    """Return the expected result with some arrays changed."""
    given: dict[str, Any] = {
        name: case.expected[f"final/{name}"] for name in ("boxes", "scores", "landmarks")
    }
    return Result(
        **{name: changes[name](array.copy()) if name in changes else array for name, array in given.items()}
    )


def of_all(change: Callable[[np.ndarray], np.ndarray]) -> dict[str, Any]:
    return dict.fromkeys(("boxes", "scores", "landmarks"), change)


@pytest.mark.parametrize(
    ("changes", "expected", "reason"),
    [
        ({}, Grade.EXACT, "^$"),
        ({"boxes": lambda b: np.nextafter(b, np.float32(999))}, Grade.ULP_CLOSE, "by up to 1.5e-05 px"),
        ({"scores": lambda s: np.nextafter(s, np.float32(0))}, Grade.ULP_CLOSE, "scores by up to 6e-08"),
        ({"boxes": lambda b: b + np.float32(0.009)}, Grade.CLOSE, "differ by up to 0.009 px"),
        ({"boxes": lambda b: b + np.float32(0.02)}, Grade.SAME_FACES, "differ by up to 0.02 px"),
        ({"scores": lambda s: s - np.float32(9e-6)}, Grade.CLOSE, "scores by up to 9e-06"),
        ({"scores": lambda s: s - np.float32(1e-4)}, Grade.SAME_FACES, "scores by up to 0.0001"),
        ({"landmarks": lambda p: p + np.float32(5)}, Grade.SAME_FACES, "landmarks by up to 5 px"),
        ({"boxes": lambda b: b + np.float32([30, 30, 0, 0])}, Grade.DIFFERENT, r"IoU of only 0\.\d\d"),
        ({"boxes": lambda b: b + np.float32(500)}, Grade.DIFFERENT, "expected face 0 was not found"),
        (of_all(lambda a: a[:3]), Grade.DIFFERENT, "4 faces expected, 3 found"),
        (of_all(lambda a: np.concatenate([a, a[:1] + np.float32(900)])), Grade.DIFFERENT, "found face 4"),
        (of_all(lambda a: a[::-1]), Grade.ULP_CLOSE, "in another order"),
    ],
)  # fmt: skip
def test_grades_of_faces(
    cases: dict[str, Case], changes: dict[str, Any], expected: Grade, reason: str
) -> None:
    case = cases["mosaic"]
    faces = final_detections(case.expected)
    assert isinstance(faces, Detections)
    found = grade_faces(faces, changed(case, **changes))
    assert found.grade is expected
    assert re.search(reason, found.reason), found.reason


def layered(case: Case, changes: dict[str, Any], drop: str = "?") -> Result:
    """Return the expected result with changed layers, without those whose names begin with `drop`."""
    layers = {name: case.expected[name] for name in case.expected if not name.startswith(drop)}
    return dataclasses.replace(changed(case), layers=layers | changes)


@pytest.mark.parametrize(
    ("name", "change", "expected", "reason"),
    [
        ("pnet/level01/conv2", lambda a: np.nextafter(a, np.float32(9)), Grade.ULP_CLOSE, "level01/conv2"),
        ("pnet/level01/conv2", lambda a: a + np.float32(5e-6) * abs(a).max(), Grade.CLOSE, "level01/conv2"),
        ("pnet/level01/conv2", lambda a: a + np.float32(5e-5) * abs(a).max(), Grade.SAME_FACES, "01/conv2"),
        ("onet/crop001/fc2", lambda a: a * np.float32("nan"), Grade.SAME_FACES, "16 values are NaN"),
        ("onet/crop001/fc2", lambda a: a[:6], Grade.SAME_FACES, r"expected \(16,\) float32, found \(6,\)"),
        ("rnet/crop000/conv1", lambda a: a.astype(np.float64), Grade.SAME_FACES, "found .* float64"),
        ("rnet/crop000/conv1", lambda a: a.swapaxes(1, 2).copy(), Grade.SAME_FACES, "x and y are swapped"),
        ("pnet/level00/input", lambda a: a[::-1].copy(), Grade.SAME_FACES, "red and blue are swapped"),
    ],
)  # fmt: skip
def test_grades_of_layers(portrait: Case, name: str, change: Any, expected: Grade, reason: str) -> None:
    found = grade_case(portrait, layered(portrait, {name: change(portrait.expected[name])}))
    assert found.grade is expected
    assert re.search(reason, found.reason), found.reason


def test_garbage_in_most_crops(portrait: Case) -> None:
    """Crops with an unexpected input are graded too, because they cannot be distinguished from garbage."""
    names = [name for name in portrait.expected if name.startswith("rnet/crop")]
    crops = sorted({name.split("/")[1] for name in names})
    for count in (1, len(crops) - 1, len(crops)):
        garbage = {
            name: np.full_like(portrait.expected[name], 7)
            for name in names
            if name.split("/")[1] in crops[:count]
        }
        found = grade_case(portrait, layered(portrait, garbage))
        assert found.grade is Grade.SAME_FACES
        assert "layers: different, rnet/crop000/input" in found.reason
        wrong = next(layer for layer in found.layers if layer.layer == "rnet/crop*/conv1")
        assert (wrong.grade, wrong.tensors) == (Grade.DIFFERENT, len(crops))


def test_every_tensor_of_a_case_counts(portrait: Case) -> None:
    """A single wrong tensor lowers the grade, a single missing tensor is named, and neither is exact."""
    assert grade_case(portrait, layered(portrait, {})).grade is Grade.EXACT
    templates = {template(name): name for name in portrait.expected}
    for kind, name in templates.items():
        values = portrait.expected[name]
        for change in (np.zeros_like(values), values[:0], values.astype(np.float16), values[..., None]):
            found = grade_case(portrait, layered(portrait, {name: change}))
            assert found.grade is Grade.SAME_FACES, name
            assert name in found.reason
        found = grade_case(portrait, layered(portrait, {}, drop=name))
        if name.startswith("final/"):  # the faces of the result are these
            assert (found.grade, found.notes) == (Grade.EXACT, ())
            continue
        assert found.grade is Grade.EXACT_IN_PART
        assert re.match(rf"not given: \d+ of \d+ tensors: {re.escape(kind)}", found.notes[0])


def test_names_exchanged_between_crops(portrait: Case) -> None:
    layers = {name: portrait.expected[name] for name in portrait.expected}
    exchanged = {
        name.replace("crop000", "crop001"): layers[name] for name in layers if "rnet/crop000" in name
    }
    found = grade_case(portrait, layered(portrait, exchanged))
    assert found.grade is Grade.SAME_FACES
    more = {name.replace("crop000", "crop900"): layers[name] for name in layers if "rnet/crop000" in name}
    found = grade_case(portrait, layered(portrait, more))
    assert found.grade is Grade.EXACT_IN_PART
    assert found.notes[0].startswith(f"not compared: {len(more)} tensors that the case does not have")


def test_faces_alone_are_exact_in_part(portrait: Case) -> None:
    faces = changed(portrait)
    found = grade_case(portrait, faces)
    assert (found.grade, found.tensors, found.defined) == (Grade.EXACT_IN_PART, 0, 238)
    assert found.notes[0].startswith("not given: 238 of 238 tensors: pnet/level*/input (3)")
    without = grade_case(portrait, dataclasses.replace(layered(portrait, {}, drop="final"), landmarks=None))
    assert (without.grade, without.notes) == (Grade.EXACT_IN_PART, ("not given: landmarks",))


def test_cases_are_graded_once(portrait: Case, tmp_path: Path) -> None:
    with pytest.raises(ConformanceError, match="case portrait was given twice"):
        grade([portrait, portrait], tmp_path)


def test_hashes_and_unknown_names(portrait: Case) -> None:
    hashes = {name: str(portrait.expected.info(name).sha256) for name in portrait.expected}
    result = dataclasses.replace(changed(portrait), hashes=hashes)
    found = grade_case(portrait, result)
    assert (found.grade, found.tensors) == (Grade.EXACT, 241)
    wrong = hashes | {"onet/crop000/fc2": "0" * 64, "onet/crop000/fc9": "1"}
    found = grade_case(portrait, dataclasses.replace(result, hashes=wrong))
    assert found.grade is Grade.SAME_FACES
    assert "give its values" in found.reason
    assert found.notes[0].startswith(
        "not compared: 1 tensors that the case does not have; the first is "
        "'onet/crop000/fc9'; the nearest: onet/"
    )
    found = grade_case(portrait, layered(portrait, {}, drop="onet"))
    assert found.grade is Grade.EXACT_IN_PART
    assert re.search(r"not given: \d+ of 241 tensors: onet/boxes_in, onet/crop", found.notes[0])
    contradicting = dataclasses.replace(layered(portrait, {}), hashes={"rnet/keep": "0" * 64})
    assert grade_case(portrait, contradicting).grade is Grade.SAME_FACES
