"""Imports go down only: a package imports packages listed before it, lazily or not, and no module is part
of a cycle. The order is that of HACKING.md."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from images import ROOT

PACKAGES = """reference _core types _util model storage media formats detections backends trace detector
    mtcnn_cpp compat bench ports jobs explore cli __main__""".split()  # noqa: SIM905


def imports(source: Path) -> dict[str, set[str]]:
    """Every module of the package, and the modules of the package that its imports name."""
    modules = {}
    for file in (*source.rglob("*.py"), *source.rglob("*.pyi")):
        parts = file.relative_to(source).with_suffix("").parts
        modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return {name: set(_named(name, file, set(modules))) for name, file in modules.items()}


@functools.cache
def import_statements(code: str) -> list[ast.Import | ast.ImportFrom]:
    return [node for node in ast.walk(ast.parse(code)) if isinstance(node, (ast.Import, ast.ImportFrom))]


def _named(module: str, file: Path, modules: set[str]) -> Iterator[str]:
    package = module if file.stem == "__init__" else module.rpartition(".")[0]
    for node in import_statements(file.read_text(encoding="utf-8")):
        names = [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            start = package.rsplit(".", node.level - 1)[0] if node.level else ""
            home = ".".join(filter(None, (start, node.module)))
            names = [f"{home}.{name}" for name in names]
        for name in names:  # of a name inside a module, the module
            target = name if name in modules else name.rpartition(".")[0]
            if target in modules and target != module:
                yield target


def top_level(module: str) -> str:
    return (*module.split("."), "")[1] or module


def check(source: Path) -> None:
    found = imports(source)
    assert {top_level(module) for module in found} == set(PACKAGES)
    for module, targets in found.items():
        for target in targets:
            assert PACKAGES.index(top_level(target)) <= PACKAGES.index(top_level(module)), (
                f"{module} imports {target}: upward"
            )
    TopologicalSorter(found).prepare()  # raises CycleError, which names the circle


def test_imports_go_down() -> None:
    check(ROOT / "python")


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("model.py", "def f(): from .detector import Detector"),
        ("trace/names.py", "from ..detector import batch"),
        ("formats/errors.py", "if False: from ..ports.doctor import repair"),
        ("reference/fma.py", "from .exp import exp"),
        ("_util/files.py", "import mtcnn_cpp.cli.app"),
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
