"""The command, the score card, and the programs of docs/conformance.md."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from case_folders import copy_cases
from images import BACKENDS
from mtcnn_cpp import Detector
from mtcnn_cpp.cli import app
from mtcnn_cpp.ports.conformance import Grade, ScoreCard, grade, load_cases
from mtcnn_cpp.ports.conformance.cases import ConformanceError
from mtcnn_cpp.ports.conformance.grading import find_grade
from openface_stub import INDEX, NEEDS_INSTALLED_STUB, PREFIX
from typer.testing import CliRunner
from typer.testing import Result as Ran

pytestmark = pytest.mark.skipif(BACKENDS[0] != "core", reason="the cases are made by the core")

PAGE = (Path(__file__).parents[3] / "docs" / "conformance.md").read_text("utf-8")


def card_of(*grades: Grade) -> ScoreCard:
    from mtcnn_cpp.ports.conformance.score_card import CaseGrade

    return ScoreCard("a <b>", tuple(CaseGrade(f"c{i}", g, "why & <how>", None) for i, g in enumerate(grades)))


def test_cards(tmp_path: Path) -> None:
    card = card_of(Grade.EXACT, Grade.ULP_CLOSE, Grade.DIFFERENT)
    assert card.grade is Grade.DIFFERENT
    assert card.badge == (
        "![OpenFace MTCNN: different in 1 of 3 cases]"
        "(https://img.shields.io/badge/OpenFace%20MTCNN%20v2-different%20in%201%20of%203%20cases-red)"
    )
    assert "-ulp--close%20in%201%20cases-green)" in card_of(Grade.ULP_CLOSE).badge
    suite = ElementTree.fromstring(card.to_junit(Grade.CLOSE))
    assert (suite.get("tests"), suite.get("failures")) == ("3", "1")
    failure = suite.find("testcase[@name='c2']/failure")
    assert failure is not None
    assert failure.get("message") == "different: why & <how>"
    assert ElementTree.fromstring(card.to_junit(Grade.EXACT)).get("failures") == "2"
    page = card.to_html().decode()
    assert "a &lt;b&gt;" in page
    assert "why &amp; &lt;how&gt;" in page
    assert "<b>a <b>" not in page
    assert [g.label for g in Grade] == [
        "exact",
        "exact in part",
        "ulp-close",
        "close",
        "same faces",
        "different",
    ]
    assert all(find_grade(g.label) is g for g in Grade)
    with pytest.raises(ConformanceError, match="nothing to grade"):
        grade([], tmp_path)


def run(*arguments: object) -> Ran:
    return CliRunner().invoke(app, list(map(str, arguments)), env={"COLUMNS": "200"})


def test_the_command(folder: Path, tmp_path: Path) -> None:
    few = copy_cases(folder, tmp_path / "few", "portrait", "tiny")
    files = "--html", tmp_path / "card.html", "--junit", tmp_path / "card.xml"
    done = run("conformance", "--backend", "core", "--cases", few, *files)
    assert done.exit_code == 0, done.output
    assert "core: exact in part (every bit that was compared is equal, but not everything" in done.stdout
    assert "compared: 2 of 12 cases, 1 faces, 260 of 260 tensors" in done.stdout
    assert "exact in part in 2 of 12 cases" in done.stdout
    assert "note: built-in cases that were not graded: whole, strict" in done.stdout
    assert ElementTree.parse(tmp_path / "card.xml").getroot().get("failures") == "0"
    assert "exact" in (tmp_path / "card.html").read_text()
    results = tmp_path / "results"
    results.mkdir()
    (results / "tiny.json").write_text('{"boxes": [], "scores": []}')
    done = run("conformance", "--results", results, "--cases", few, "--format", "json")
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert found["grade"] == "different"
    assert [case["grade"] for case in found["cases"]] == ["different", "exact in part"]
    assert found["cases"][1]["notes"][1].startswith("not given: 16 of 16 tensors: pnet/boxes, pnet/scores")
    assert found["missing_cases"][0] == "whole"
    shutil.copy(folder / "portrait" / "case.json", results / "portrait.json")
    done = run("conformance", "--results", results, "--cases", few, "--format", "badge")
    assert done.exit_code == 1  # its layers are no hashes
    text = json.loads((folder / "portrait" / "case.json").read_text())
    text["layers"] = {name: entry["sha256"] for name, entry in text["layers"].items()}
    (results / "portrait.json").write_text(json.dumps(text))
    done = run(
        "conformance",
        "--results",
        results,
        "--cases",
        few,
        "--format",
        "junit",
        "--at-least",
        "exact in part",
    )
    assert done.exit_code == 0
    suite = ElementTree.fromstring(done.stdout)
    assert (suite.get("failures"), suite.get("skipped"), suite.get("tests")) == ("0", "10", "12")
    done = run("conformance", "--results", results, "--cases", few, "--at-least", "exact")
    assert done.exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give exactly one of"),
        (["--backend", "core", "--write", "x"], "give exactly one of"),
        (["--backend", "gpu"], "backend must be one of"),
        (["--results", "/no/such"], "expected a folder with results"),
        (["--backend", "core", "--at-least", "perfect"], "expected one of exact, exact in part, ulp-close"),
        (["--backend", "core", "--cases", "/no/such"], "conformance.json: expected a file"),
    ],
)
def test_wrong_usage(arguments: list[str], message: str) -> None:
    done = run("conformance", *arguments)
    assert done.exit_code == 2
    assert message in done.output


def test_the_python_example(folder: Path, tmp_path: Path) -> None:
    """As docs/conformance.md has it, around this package's detector."""
    code = re.findall(r"```python\n(.*?)```", PAGE, flags=re.S)[-1]
    scope: dict[str, Any] = {}
    exec(compile(code, "docs/conformance.md", "exec"), scope)

    def find_faces(picture: np.ndarray, case: dict[str, Any]) -> tuple[Any, Any, Any]:
        detector = Detector(min_face=case["min_face"], thresholds=case["thresholds"])
        trace = detector.trace(picture, color="rgb")
        return trace["final/boxes"], trace["final/scores"], dict(trace)

    few = copy_cases(folder, tmp_path / "few", "portrait", "odd", "nothing")
    results = tmp_path / "results"
    results.mkdir()
    scope["take_the_test"](find_faces, few, results)
    card = grade(load_cases(few), results)
    assert [case.grade for case in card.cases] == [Grade.EXACT] * 3
    assert card.headline.endswith("compared: 3 of 12 cases, 2 faces, 694 of 694 tensors")


@NEEDS_INSTALLED_STUB
@pytest.mark.skipif(not shutil.which("g++"), reason="needs g++")
def test_the_cpp_example(folder: Path, tmp_path: Path) -> None:
    """As docs/conformance.md has it, built against the stub."""
    code = re.findall(r"```cpp\n(.*?)```", PAGE, flags=re.S)[0]
    source, program, results = tmp_path / "example.cpp", tmp_path / "example", tmp_path / "results"
    source.write_text(code)
    results.mkdir()
    headers = [f"-I{PREFIX}/include/OpenFace", "-I/usr/include/opencv4"]
    libraries = [PREFIX / "lib/libLandmarkDetector.a", "-lopencv_core", "-pthread"]
    subprocess.run(["g++", "-std=c++17", *headers, source, "-o", program, *libraries], check=True)
    subprocess.run([program, INDEX, folder, results], check=True, capture_output=True)
    card = grade(load_cases(folder), results)
    assert card.grade is Grade.EXACT_IN_PART, card.headline
    assert "12 of 12 cases, 13 faces, 0 of 3796 tensors" in card.headline
