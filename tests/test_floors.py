"""Imports go down only: a room imports rooms that stand before it here, lazily or not, and no file is in a
circle. The order is that of HACKING.md, from the ground up."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from pictures import ROOT

ROOMS = """reference _core lazy escape console types taps cpus files user_files stores png marks model image
    video formats backends drawing crops exports notebook detections drawings drawn_video sample_clip
    find_faces trace batch arguments detected_frame many detector face_detector_mtcnn mtcnn_cpp
    table tracking jobs arrow ray rerun verify doctor conformance explore
    bench compare_original cli __main__""".split()  # noqa: SIM905


def imports(source: Path) -> dict[str, set[str]]:
    """Every module of the package, and the modules of the package that its imports name."""
    modules = {}
    for file in (*source.rglob("*.py"), *source.rglob("*.pyi")):
        parts = file.relative_to(source).with_suffix("").parts
        modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return {name: set(_named(name, file, set(modules))) for name, file in modules.items()}


def _named(module: str, file: Path, modules: set[str]) -> Iterator[str]:
    package = module if file.stem == "__init__" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, (ast.Import, ast.ImportFrom)) else []
        if isinstance(node, ast.ImportFrom):
            start = package.rsplit(".", node.level - 1)[0] if node.level else ""
            home = ".".join(filter(None, (start, node.module)))
            names = [f"{home}.{name}" for name in names]
        for name in names:  # of a name inside a module, the module
            target = name if name in modules else name.rpartition(".")[0]
            if target in modules and target != module:
                yield target


def room(module: str) -> str:
    return (*module.split("."), "")[1] or module


def check(source: Path) -> None:
    found = imports(source)
    assert {room(module) for module in found} == set(ROOMS)
    for module, targets in found.items():
        for target in targets:
            assert ROOMS.index(room(target)) <= ROOMS.index(room(module)), (
                f"{module} imports {target}: upward"
            )
    TopologicalSorter(found).prepare()  # raises CycleError, which names the circle


def test_imports_go_down() -> None:
    check(ROOT / "python")


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("model.py", "def f(): from .detector import Detector"),
        ("trace/names.py", "from .. import batch"),
        ("formats/errors.py", "if False: from ..doctor import fix"),
        ("reference/fma.py", "from .exp import exp"),
        ("png.py", "import mtcnn_cpp.cli.app"),
    ],
)
def test_a_planted_import_is_found(tmp_path: Path, file: str, line: str) -> None:
    for original in (ROOT / "python").rglob("*.py*"):
        if original.suffix not in (".py", ".pyi"):
            continue
        copy = tmp_path / original.relative_to(ROOT / "python")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(original.read_bytes())
    planted = tmp_path / "mtcnn_cpp" / file
    planted.write_text(planted.read_text(encoding="utf-8") + f"\n{line}\n", encoding="utf-8")
    with pytest.raises((AssertionError, ValueError), match=r"upward|cycle"):
        check(tmp_path)
