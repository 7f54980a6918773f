"""A random search for false verdicts: mutated graphs in ten styles, in a process of their own.

`fuzz/verdicts.py` says which mutations there are, and how the truth is found.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pictures import ROOT

pytest.importorskip("onnx", reason="needs mtcnn-cpp[onnx]")
pytest.importorskip("onnxruntime", reason="needs mtcnn-cpp[onnx]")


def search(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, folder / "verdicts.py", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def counted(done: subprocess.CompletedProcess[str], what: str) -> int:
    found = re.search(rf"(\d+) {what}", done.stdout.splitlines()[-1])
    return int(found[1]) if found else 0


def test_no_false_verdict(tmp_path: Path) -> None:
    """Of 200 graphs; those that are still right are still called so."""
    done = search(ROOT / "fuzz", "--graphs", 200, "--seed", 3, "--first", 1, "--keep", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert counted(done, "false") == 0
    assert counted(done, "exactly") >= 10
    assert counted(done, "computes") >= 5
    assert counted(done, "refused") >= 50


@pytest.mark.slow
def test_no_false_verdict_in_a_long_search(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of 3,200 graphs; and each style without a mutation is called right."""
    done = search(ROOT / "fuzz", "--graphs", 3200, "--seed", 4, "--keep", tmp_path)
    with capsys.disabled():
        print(f"\n{done.stdout}")
    assert done.returncode == 0, done.stdout + done.stderr


CALLS_ALL_RIGHT = "Search.verdict = lambda self, base, model: 'exactly'\n"
PASSES_OVER = """
from mtcnn_cpp.doctor import agreement, examine
from mtcnn_cpp.formats.onnx import layout, read
examine.check_run = lambda one: agreement.Agreement(1, 1)
passed_over = ("Cast", "Dropout", "QuantizeLinear", "DequantizeLinear", "Softmax", "LogSoftmax")
read.OPERATORS.update(dict.fromkeys(passed_over, layout.identity))
"""


@pytest.mark.parametrize("planted", [CALLS_ALL_RIGHT, PASSES_OVER])
def test_a_planted_fault_is_found(planted: str, tmp_path: Path) -> None:
    """A doctor that calls everything right; and one that passes over operators, and runs nothing."""
    shutil.copytree(ROOT / "fuzz", tmp_path / "fuzz")
    path = tmp_path / "fuzz" / "verdicts.py"
    main = 'if __name__ == "__main__":'
    path.write_text(path.read_text().replace(main, f"{planted}\n\n{main}"))
    options = ("--seed", 1, "--first", 1, "--keep", tmp_path / "kept")
    done = search(tmp_path / "fuzz", "--graphs", 12 if planted == CALLS_ALL_RIGHT else 80, *options)
    assert done.returncode == 1, done.stdout + done.stderr
    assert counted(done, "false") >= 1
    assert list((tmp_path / "kept").iterdir())
