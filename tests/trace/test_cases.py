"""Results for other tools: JUnit files, annotations of GitHub, node data for Model Explorer."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from images import portrait
from mtcnn_cpp import Detector, Model
from mtcnn_cpp.cli import app
from mtcnn_cpp.trace import Report, Trace, compare
from mtcnn_cpp.trace.report.checks import CheckResult, github, junit, model_explorer, report_checks
from typer.testing import CliRunner, Result

CONV = "rnet/crop001/conv2"


@functools.cache
def gold() -> Trace:
    return Detector(backend="reference").trace(portrait())


def changed_tensors() -> dict[str, np.ndarray]:
    changes = {
        CONV: gold()[CONV] + np.float32(1),
        "rnet/crop000/conv2": gold()["rnet/crop000/conv2"] * np.float32(1 + 2e-7),
        "onet/crop000/fc1": gold()["onet/crop000/fc1"][:3],
    }
    return {name: array for name, array in {**gold(), **changes}.items() if name != "final/scores"}


@functools.cache
def report() -> Report:
    return compare(gold(), Trace.from_arrays(changed_tensors(), source="<mine> & \x1b", image=portrait()))


def test_junit() -> None:
    text = junit(report_checks(report()), report().b.source)
    suite = ElementTree.fromstring(text).find("testsuite")
    assert suite is not None
    assert suite.attrib == {
        "name": "<mine> & \\x1b",
        "tests": str(len(gold())),
        "failures": "3",
        "errors": "0",
        "skipped": "1",
    }
    assert [case.attrib["name"] for case in suite] == list(gold())
    failed = {case.attrib["name"]: case.find("failure") for case in suite if case.find("failure") is not None}
    assert list(failed) == ["rnet/crop000/conv2", CONV, "onet/crop000/fc1"]
    assert (
        failed[CONV]
        .attrib["message"]
        .startswith("different: 3888 of 3888 elements differ; worst element at (")
    )
    assert "shape (256,) in a, (3,) in b" in failed["onet/crop000/fc1"].text
    assert [case.attrib["name"] for case in suite if case.find("skipped") is not None] == ["final/scores"]


def test_annotations() -> None:
    lines = list(github(report_checks(report()), report().headline))
    assert lines[0].startswith("::error title=mtcnn-cpp::first divergence: rnet/crop000/conv2 (tensor ")
    assert len(lines) == 4
    assert lines[2].startswith(f"::error title={CONV}::different: 3888 of 3888 elements differ")
    many = [CheckResult("x", f"a:{number},b", False, "100%\nbad\r") for number in range(30)]
    lines = list(github(many, "many"))
    assert len(lines) == 10
    assert lines[1] == "::error title=a%3A0%2Cb::100%25%0Abad%0D"
    assert list(github([CheckResult("x", "y", True)], "all right")) == ["::notice title=mtcnn-cpp::all right"]


def test_node_data_has_the_names_of_the_exported_graphs() -> None:
    data = json.loads(model_explorer(report_checks(report())))
    assert set(data) == {"PNet", "RNet", "ONet"}
    for stage, title in (("pnet", "PNet"), ("rnet", "RNet"), ("onet", "ONet")):
        assert set(data[title]["results"]) == {"input", *Model.default().layer_names[stage]}
        limits = [one["value"] for one in data[title]["thresholds"]]
        assert limits == sorted(limits)
    worst = data["RNet"]["results"]["conv2"]["value"]
    assert worst == pytest.approx(1 / np.abs(gold()[CONV]).max())
    assert data["RNet"]["results"]["conv1"]["value"] == 0
    assert data["ONet"]["results"]["fc1"]["value"] == 10  # another shape
    onnx = pytest.importorskip("onnx", reason="needs mtcnn-cpp[onnx]")
    from mtcnn_cpp.formats.onnx.export import onnx_model

    graph = onnx_model(Model.default().rnet, 24, "RNet").graph
    assert isinstance(graph, onnx.GraphProto)
    assert graph.name == "RNet"
    tensors = {output for node in graph.node for output in node.output}
    assert set(data["RNet"]["results"]) - {"input"} <= tensors


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_diff_writes_them(tmp_path: Path) -> None:
    gold().save(tmp_path / "a.npz")
    Trace.from_arrays(changed_tensors(), image=portrait()).save(tmp_path / "b.npz")
    files = ("--junit", tmp_path / "r.xml", "--model-explorer", tmp_path / "o.json", "--github")
    result = run("diff", tmp_path / "a.npz", tmp_path / "b.npz", *files, "--format", "json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["ok"] is False
    assert result.stderr.startswith("::error title=mtcnn-cpp::first divergence: rnet/crop000/conv2")
    assert ElementTree.parse(tmp_path / "r.xml").getroot().attrib["failures"] == "3"
    assert json.loads((tmp_path / "o.json").read_text())["RNet"]["results"]["conv2"]["value"] > 0.1
    missing_folder = run("diff", tmp_path / "a.npz", tmp_path / "b.npz", "--junit", tmp_path / "no" / "r.xml")
    assert (missing_folder.exit_code, "does not exist" in missing_folder.stderr) == (2, True)


def test_verify_writes_them(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="needs mtcnn-cpp[onnx]")
    pytest.importorskip("onnxruntime", reason="needs mtcnn-cpp[onnx]")
    assert run("export", "onnx", tmp_path / "out").exit_code == 0
    result = run(
        "verify",
        tmp_path / "out",
        "--junit",
        tmp_path / "r.xml",
        "--github",
        "--model-explorer",
        tmp_path / "o.json",
    )
    assert result.exit_code == 0
    assert result.stderr.startswith(
        "::notice title=mtcnn-cpp::correct: every layer within 1e-05 of its greatest"
    )
    suite = ElementTree.parse(tmp_path / "r.xml").getroot()[0]
    assert [case.attrib["name"] for case in suite][-1] == "final/faces"
    # 33 layers, one output of each network, and the faces
    assert (suite.attrib["tests"], suite.attrib["failures"]) == ("37", "0")
    assert 0 < json.loads((tmp_path / "o.json").read_text())["PNet"]["results"]["conv1"]["value"] < 1e-5
