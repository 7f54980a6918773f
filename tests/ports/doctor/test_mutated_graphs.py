"""Random search for false verdicts on mutated graphs, in a separate process.

`fuzz/verdicts.py` describes the mutations and how the right verdict is found.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from images import ROOT

pytest.importorskip("onnx", reason="needs mtcnn-cpp[onnx]")
pytest.importorskip("onnxruntime", reason="needs mtcnn-cpp[onnx]")


def search(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, folder / "verdicts.py", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def counted(done: subprocess.CompletedProcess[str], what: str) -> int:
    found = re.search(rf"(\d+) {what}", done.stdout.splitlines()[-1])
    return int(found[1]) if found else 0


def test_no_false_verdict(tmp_path: Path) -> None:
    """200 graphs; those that are still right are called exact."""
    done = search(ROOT / "fuzz", "--graphs", 200, "--seed", 3, "--first", 1, "--keep", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert counted(done, "false") == 0
    assert counted(done, "exactly") >= 10
    assert counted(done, "computes") >= 5
    assert counted(done, "refused") >= 50


@pytest.mark.slow
def test_no_false_verdict_in_a_long_search(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """3,200 graphs, and each style without a mutation is called exact."""
    done = search(ROOT / "fuzz", "--graphs", 3200, "--seed", 4, "--keep", tmp_path)
    with capsys.disabled():
        print(f"\n{done.stdout}")
    assert done.returncode == 0, done.stdout + done.stderr


CALL_ALL_EXACT = "Search.verdict = lambda self, base, model: 'exactly'\n"
IGNORE_OPERATORS = """
from mtcnn_cpp.ports.doctor import agreement, network_diagnosis
from mtcnn_cpp.formats.onnx import operators
network_diagnosis.run_graph = lambda tested: agreement.Agreement(1, 1)
ignored = ("Cast", "Dropout", "QuantizeLinear", "DequantizeLinear", "Softmax", "LogSoftmax")
for name in ignored:
    known = operators.OPERATORS[name].attributes
    operators.OPERATORS[name] = operators.Operator(operators.identity, known)
"""


@pytest.mark.parametrize("planted", [CALL_ALL_EXACT, IGNORE_OPERATORS])
def test_a_planted_fault_is_found(planted: str, tmp_path: Path) -> None:
    """A doctor that calls every graph exact; and one that ignores operators and runs no graph."""
    shutil.copytree(ROOT / "fuzz", tmp_path / "fuzz")
    path = tmp_path / "fuzz" / "verdicts.py"
    main = 'if __name__ == "__main__":'
    path.write_text(path.read_text().replace(main, f"{planted}\n\n{main}"))
    options = ("--seed", 1, "--first", 1, "--keep", tmp_path / "kept")
    done = search(tmp_path / "fuzz", "--graphs", 12 if planted == CALL_ALL_EXACT else 80, *options)
    assert done.returncode == 1, done.stdout + done.stderr
    assert counted(done, "false") >= 1
    assert list((tmp_path / "kept").iterdir())
