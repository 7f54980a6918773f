"""Traces and plain arrays on the command line: `doctor` without `--against` gives advice, and `diff` accepts
the same files as `doctor`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from images import portrait
from mtcnn_cpp import Detector, Model
from mtcnn_cpp.cli import app
from mtcnn_cpp.trace import Trace
from typer.testing import CliRunner, Result


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def gold(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    path = tmp_path_factory.mktemp("gold") / "gold.npz"
    Detector().trace(portrait()).save(path)
    return Trace.load(path)


@pytest.fixture
def files(gold: Trace, tmp_path: Path) -> dict[str, Path]:
    """Return the tensors of RNet as a trace, as arrays with standard and other names, and as a folder."""
    part = {name: gold[name] for name in gold if name.startswith("rnet/")}
    paths = {"trace": Path(gold.source), "plain": tmp_path / "plain.npz", "own": tmp_path / "own.npz"}
    np.savez(paths["plain"], **part)
    conv1 = np.stack([array for name, array in part.items() if name.endswith("/conv1")])
    np.savez(paths["own"], first_layer=conv1)
    (tmp_path / "names.json").write_text(json.dumps({"first_layer": "rnet/crop*/conv1"}))
    paths["folder"] = tmp_path / "folder"
    for name, array in part.items():
        path = paths["folder"] / f"{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, array)
    return paths


@pytest.mark.parametrize("kind", ["trace", "plain", "own", "folder"])
def test_doctor_requests_the_correct_detection(files: dict[str, Path], kind: str) -> None:
    result = run("doctor", files[kind])
    assert result.exit_code == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"error: {files[kind]}: expected a network, found tensors of a detection")
    assert f"mtcnn-cpp doctor {files[kind]} --against gold.npz" in line
    assert "kernel" not in line


def test_doctor_reports_a_faulty_network(tmp_path: Path) -> None:
    arrays = dict(Model.default().arrays())
    np.savez(tmp_path / "network.npz", **arrays, **{"pnet/conv1/more": np.ones(3, np.float32)})
    result = run("doctor", tmp_path / "network.npz")
    assert result.exit_code == 2
    assert "network.npz: conv1: expected kernel and bias" in result.stderr.replace("pnet: ", "")
    assert "--against" not in result.stderr


@pytest.mark.parametrize(
    ("kind", "more"), [("plain", []), ("folder", []), ("own", ["--names", "names.json"])]
)
def test_diff_of_plain_arrays(
    files: dict[str, Path], kind: str, more: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("diff", files["trace"], files[kind], *more)
    assert result.exit_code == 0, result.stderr
    assert "no divergence in" in result.stdout
    if kind != "own":
        assert run("diff", files[kind], files["trace"]).exit_code == 0


def test_diff_finds_a_difference(files: dict[str, Path], gold: Trace, tmp_path: Path) -> None:
    changed = gold["rnet/crop000/conv1"].copy()
    changed.flat[5] += 1
    np.savez(tmp_path / "changed.npz", **{"rnet/crop000/conv1": changed})
    result = run("diff", files["trace"], tmp_path / "changed.npz")
    assert result.exit_code == 1
    assert "first divergence: rnet/crop000/conv1" in result.stdout


@pytest.mark.parametrize("side", [0, 1])
def test_errors_of_diff_name_the_file(files: dict[str, Path], side: int, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.npz"
    damaged.write_bytes(files["plain"].read_bytes()[:-50])
    objects = tmp_path / "objects.npz"
    np.savez(objects, x=np.array([{}], object))
    empty = tmp_path / "empty"
    empty.mkdir()
    for path in (damaged, objects, empty, tmp_path / "nowhere.npz"):
        arguments = [files["trace"], files["trace"]]
        arguments[side] = path
        result = run("diff", *arguments)
        assert result.exit_code == 2
        assert str(path) in result.stderr
        assert len(result.stderr.splitlines()) == 1
    result = run("diff", files["trace"], files["plain"], "--names", tmp_path / "names.json")
    assert result.exit_code == 2
    assert f"{files['plain']} has no array 'first_layer'" in result.stderr
