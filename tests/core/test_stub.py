"""The stubs in `mtcnn_cpp/_core` have the names and arguments of the compiled modules.

mypy.stubtest checks the names only, because compiled functions have their arguments in their docstrings.
"""

from __future__ import annotations

import ast
import re
from operator import attrgetter
from typing import Any

import pytest
from images import ROOT

_core = pytest.importorskip("mtcnn_cpp._core")

MODULES = {"__init__": _core, "_testing": _core._testing}
CLASSES = {"__init__": {"Detector", "Detector.isa", "CancellationSource", "Cancelled"}, "_testing": set()}


def functions_of_stub(module: str) -> dict[str, ast.FunctionDef]:
    found = {}
    stub = ROOT / "python" / "mtcnn_cpp" / "_core" / f"{module}.pyi"
    for node in ast.parse(stub.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            found[node.name] = node
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for item in node.body:
                if isinstance(item, ast.FunctionDef) and not item.decorator_list and item.name != "__init__":
                    found[f"{node.name}.{item.name}"] = item
    return found


def signature_of(function: ast.FunctionDef) -> list[tuple[str, bool]]:
    """Return the name of each argument, and whether it has a default."""
    plain = [argument.arg for argument in function.args.args]
    without = len(plain) - len(function.args.defaults)
    found = [(name, i >= without) for i, name in enumerate(plain)]
    keywords = zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
    return found + [(argument.arg, default is not None) for argument, default in keywords]


def signature_at_run_time(function: Any) -> list[tuple[str, bool]]:
    """Parse the docstring's first line, `name(a: type, b: type = default, *, c: type = None) -> type`."""
    first = re.sub(r"\[[^][]*\]", "", re.sub(r"\[[^][]*\]", "", function.__doc__.splitlines()[0]))
    inside = first[first.index("(") + 1 : first.rindex(") ->")]
    parts = [part.strip() for part in inside.split(", ") if part.strip() not in ("", "*")]
    return [(part.split(":")[0], " = " in part) for part in parts]


@pytest.mark.parametrize(("module", "name"), [(m, name) for m in MODULES for name in functions_of_stub(m)])
def test_arguments(module: str, name: str) -> None:
    function = attrgetter(name)(MODULES[module])
    assert signature_of(functions_of_stub(module)[name]) == signature_at_run_time(function)


@pytest.mark.parametrize("module", MODULES)
def test_nothing_is_missing(module: str) -> None:
    runtime = {name for name in dir(MODULES[module]) if not name.startswith("_")}
    for kind in runtime & CLASSES[module]:
        methods = vars(getattr(MODULES[module], kind))
        runtime |= {f"{kind}.{name}" for name in methods if not name.startswith("_")}
    assert runtime == {*functions_of_stub(module), *CLASSES[module]}


def test_functions_for_tests_are_separate() -> None:
    """Functions that only tests use are in `_core._testing`."""
    product = {
        "Detector",
        "CancellationSource",
        "Cancelled",
        "active_isa",
        "build_info",
        "run_multiply_adds",
        "isa_variants",
    }
    product |= {"isa_variants", "ffmpeg_log_callback", "take_conversion_error", "usable_cpus"}
    assert {name for name in dir(_core) if not name.startswith("_")} == product
