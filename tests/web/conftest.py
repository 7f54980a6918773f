"""Runs the WebAssembly module in Node."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from images import ROOT

BUILD = ROOT / "build" / "wasm"
WEIGHTS = ROOT / "third_party" / "weights"
Runner = Callable[..., list[Any]]


@pytest.fixture(scope="session")
def node() -> str:
    found = shutil.which("node")
    if found is None:
        pytest.skip("no node (Debian's nodejs)")
    if not (BUILD / "mtcnn_cpp.wasm").exists():
        pytest.skip("no build/wasm/mtcnn_cpp.wasm: cmake --preset wasm && cmake --build --preset wasm")
    return found


@pytest.fixture
def run_cases(node: str, tmp_path: Path) -> Runner:
    """Returns a function that runs cases (run.mjs) and returns their results."""

    def run(cases: Sequence[Mapping[str, Any]], **job: Any) -> list[Any]:
        path = tmp_path / "job.json"
        path.write_text(json.dumps({"cases": list(cases), **job}), encoding="utf-8")
        command = [node, str(Path(__file__).with_name("run.mjs")), str(BUILD), str(WEIGHTS), str(path)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return list(json.loads(done.stdout))

    return run
