"""The types in the comments of the page's modules are checked with TypeScript."""

from __future__ import annotations

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


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("core.detect(image, request.options)", "core.detect(image, request.option)"),
        ("core.detect(image, request.options)", "core.detect(image.data, request.options)"),
        ("performance.now() - start", "performance.now() - 'start'"),
    ],
)
def test_a_planted_fault_is_found(tmp_path: Path, old: str, new: str) -> None:
    shutil.copytree(ROOT / "web", tmp_path / "web")
    module = tmp_path / "web" / "try" / "worker.js"
    text = module.read_text("utf-8")
    assert old in text
    module.write_text(text.replace(old, new), "utf-8")
    done = check_types(tmp_path / "web" / "try")
    assert done.returncode != 0
    assert "worker.js" in done.stdout
