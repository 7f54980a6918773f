"""The WebAssembly module takes the conformance test."""

from __future__ import annotations

import subprocess
from pathlib import Path

from images import ROOT
from mtcnn_cpp.ports.conformance import Grade, grade, load_cases, write_cases


def test_conformance(node: str, tmp_path: Path) -> None:
    cases, results = tmp_path / "cases", tmp_path / "results"
    results.mkdir()
    write_cases(cases)
    program = Path(__file__).with_name("conformance.mjs")
    folders = [ROOT / "build" / "wasm", ROOT / "third_party" / "weights", cases, results]
    subprocess.run([node, program, *folders], check=True)
    assert grade(load_cases(cases), results).grade is Grade.EXACT
