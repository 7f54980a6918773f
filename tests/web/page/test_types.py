"""The types in the comments of the page's modules are checked with TypeScript."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from images import ROOT

PAGE = ROOT / "web" / "try"


def check_types(folder: Path) -> subprocess.CompletedProcess[str]:
    if shutil.which("tsc") is None:
        pytest.skip("needs TypeScript: apt-get install node-typescript")
    if not (ROOT / "web" / "mtcnn_cpp.d.ts").is_file():
        pytest.skip("needs the types of the module: web/mtcnn_cpp.d.ts")
    return subprocess.run(["tsc", "-p", str(folder)], capture_output=True, text=True)


def test_types() -> None:
    done = check_types(PAGE)
    assert done.returncode == 0, done.stdout


def test_planted_faults_are_found(tmp_path: Path) -> None:
    """Each fault is in its own copy of worker.js; TypeScript runs once."""
    shutil.copytree(ROOT / "web", tmp_path / "web")
    folder = tmp_path / "web" / "try"
    text = (folder / "worker.js").read_text("utf-8")
    for number, (old, new) in enumerate(
        [
            ("core.detect(image, request.options)", "core.detect(image, request.options)"),  # no fault
            ("core.detect(image, request.options)", "core.detect(image, request.option)"),
            ("core.detect(image, request.options)", "core.detect(image.data, request.options)"),
            ("performance.now() - start", "performance.now() - 'start'"),
        ]
    ):
        assert old in text
        (folder / f"worker{number}.js").write_text(text.replace(old, new), "utf-8")
    done = check_types(folder)
    assert done.returncode != 0
    assert set(re.findall(r"(\w+\.js)\(", done.stdout)) == {"worker1.js", "worker2.js", "worker3.js"}
