"""Untrusted files on the command line: exit code 2 and one line with the file name; 1 means a verdict."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from mtcnn_cpp import Model
from mtcnn_cpp.cli import app
from mtcnn_cpp.reference.dat import write_network
from typer.testing import CliRunner, Result

MAGIC = b"\x93NUMPY\x01\x00"
OPEN_HEADER = b"{'descr': '<f4', 'fortran_order': False, 'shape': (((("


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return Path.write_text, (Path("executed"), "by a file")


FILES = {
    "code.npy": MAGIC + b"\x40\x00" + b"{'descr': '|O', 'fortran_order': False, 'shape': ()}".ljust(64)
    + pickle.dumps(Evil()),
    "code.joblib": pickle.dumps([Evil()]),
    "header.npy": MAGIC + len(OPEN_HEADER).to_bytes(2, "little") + OPEN_HEADER,
    "cut.lz4": b"\x04\x22\x4d\x18",
    "no.npz": b"PK\x03\x04 no archive",
    "no.onnx": b"\x08\x07\x12\xff\xff",
    "cut.dat": write_network(Model.default().rnet)[:999],
    "empty.dat": b"",
}  # fmt: skip


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.mark.parametrize("name", FILES)
def test_doctor_and_export(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for needed, package in ((".lz4", "lz4.frame"), (".onnx", "onnx")):
        if name.endswith(needed):
            pytest.importorskip(package, reason=f"reading {needed} needs {package}")
    monkeypatch.chdir(tmp_path)
    path = tmp_path / name
    path.write_bytes(FILES[name])
    for command in (["doctor", path], ["export", "dat", tmp_path / "out", "--model", path]):
        result = run(*command)
        assert result.exit_code == 2
        assert result.stdout == ""
        assert result.stderr.startswith("error: ")
        assert name in result.stderr
        assert "Traceback" not in result.stderr
        assert len(result.stderr.splitlines()) == 1
    assert not Path("executed").exists()


def test_graph_with_another_computation(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="needs mtcnn-cpp[onnx]")
    pytest.importorskip("onnxruntime", reason="needs mtcnn-cpp[onnx]")
    assert run("export", "onnx", tmp_path).exit_code == 0
    model = onnx.load(tmp_path / "pnet.onnx")
    first = model.graph.node[0]
    first.output[0] = "plain"
    model.graph.node.insert(1, onnx.helper.make_node("Softmax", ["plain"], ["conv1"], axis=1))
    onnx.save(model, tmp_path / "pnet.onnx")
    result = run("doctor", tmp_path / "pnet.onnx")
    assert result.exit_code == 1
    assert "computes something else" in result.stdout
    assert "exactly" not in result.stdout
