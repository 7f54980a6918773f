"""`_core.pyi` has the names and arguments of `_core`.

mypy.stubtest sees the names only: compiled functions keep their arguments in their docstrings.
"""

from __future__ import annotations

import ast
import re
from typing import Any

import pytest
from pictures import ROOT

_core = pytest.importorskip("mtcnn_cpp._core")

STUB = ast.parse((ROOT / "python" / "mtcnn_cpp" / "_core.pyi").read_text())


def functions_of_stub() -> dict[str, ast.FunctionDef]:
    found = {}
    for node in STUB.body:
        if isinstance(node, ast.FunctionDef):
            found[node.name] = node
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for item in node.body:
                if isinstance(item, ast.FunctionDef) and not item.decorator_list and item.name != "__init__":
                    found[f"{node.name}.{item.name}"] = item
    return found


def signature_of(function: ast.FunctionDef) -> list[tuple[str, bool]]:
    """Names of arguments, and which have a default."""
    plain = [argument.arg for argument in function.args.args]
    without = len(plain) - len(function.args.defaults)
    found = [(name, i >= without) for i, name in enumerate(plain)]
    keywords = zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
    return found + [(argument.arg, default is not None) for argument, default in keywords]


def signature_at_run_time(function: Any) -> list[tuple[str, bool]]:
    """From the docstring's first line, `name(a: type, b: type = default, *, c: type = None) -> type`."""
    first = re.sub(r"\[[^][]*\]", "", re.sub(r"\[[^][]*\]", "", function.__doc__.splitlines()[0]))
    inside = first[first.index("(") + 1 : first.rindex(") ->")]
    parts = [part.strip() for part in inside.split(", ") if part.strip() not in ("", "*")]
    return [(part.split(":")[0], " = " in part) for part in parts]


@pytest.mark.parametrize("name", functions_of_stub())
def test_arguments(name: str) -> None:
    target: Any = _core
    for part in name.split("."):
        target = getattr(target, part)
    assert signature_of(functions_of_stub()[name]) == signature_at_run_time(target)


def test_nothing_is_missing() -> None:
    runtime = {name for name in dir(_core) if not name.startswith("_")}
    for kind in ("Detector", "FaceDetectorMTCNN"):
        methods = vars(getattr(_core, kind))
        runtime |= {f"{kind}.{name}" for name in methods if not name.startswith("_")}
    classes = {"Detector", "FaceDetectorMTCNN", "Detector.isa"}
    assert runtime == {*functions_of_stub(), *classes}
