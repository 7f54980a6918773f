"""The search for faults that no test finds: drawn faults, and its counts on a small package."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from images import ROOT

SCRIPT = ROOT / "fuzz" / "mutants.py"


def load_script() -> Any:
    spec = importlib.util.spec_from_file_location("mutants", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["mutants"] = module  # data classes need it
    spec.loader.exec_module(module)
    return module


mutants = load_script()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a < b", ["(a <= b)", "(a >= b)"]),
        ("a < b == c", ["(a < b != c)", "(a <= b == c)", "(a >= b == c)"]),
        ("a is not b", ["(a is b)"]),
        ("a not in b", ["(a in b)"]),
        ("a - b * c", ["(a + (b * c))", "a - (b / c)"]),
        ("a and b or c", ["((a and b) and c)", "(a or b) or c"]),
        ("not a", ["a"]),
        ("x = True", ["x = False"]),
        ("x = 3", ["x = (2)", "x = 4"]),
        ("x = 2.5", ["x = 5.0"]),
        ("s = 'ä'; x = 7", ["s = 'ä'; x = (6)", "s = 'ä'; x = 8"]),
        ("raise E", ["pass"]),
        ("a.b = c", ["pass"]),
        ("a += b", ["pass"]),
        ("for a in b:\n    f(a)", ["for a in b:\n    pass"]),
        ("x: int | None = None", []),
        ("if TYPE_CHECKING:\n    f(1)", []),
        ("def f(a: X = Y) -> A | B:\n    'Text.'\n    return a", []),
        ("def f(a):\n    yield a", ["def f(a):\n    pass"]),
        ("x = 'a' + b; y = c + f'{d}'", []),
        ("import a", []),
        ("__all__ = [1]", []),
    ],
)
def test_faults_of_each_kind(source: str, expected: list[str]) -> None:
    data = source.encode()
    found = [mutant.apply(data).decode() for mutant in mutants.find_mutants(Path("x.py"), data)]
    calls = [text for text in found if text != "pass" or "pass" in expected]  # removals of the whole line
    assert sorted(calls) == sorted(expected)


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("media/crops.py", [["tests/media/test_crops.py"], ["tests/media"]]),
        ("media/image/frames.py", [["tests/media/image"], ["tests/media"]]),
        ("_util/files.py", [["tests/util/test_files.py"], ["tests/util"]]),
        ("model.py", [["tests/test_model.py"], ["tests/test_package.py"]]),
        ("__init__.py", [["tests/test_package.py"]]),
    ],
)
def test_tests_of_a_module(module: str, expected: list[list[str]]) -> None:
    assert mutants.find_tests(ROOT, mutants.PACKAGE / module) == expected


def test_every_package_has_tests() -> None:
    for module in (ROOT / mutants.PACKAGE).rglob("*.py"):
        for group in mutants.find_tests(ROOT, module.relative_to(ROOT)):
            assert all((ROOT / path).exists() for path in group), group


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small package. Its test finds all faults of `limit` but one."""
    files = {
        "python/mtcnn_cpp/__init__.py": "",
        "python/mtcnn_cpp/weights/x": "",
        "python/mtcnn_cpp/media/__init__.py": "",
        "python/mtcnn_cpp/media/limit.py": (
            "def limit(value):\n    if value > 10:\n        value -= 10\n    return value\n"
        ),
        "tests/media/test_limit.py": (
            "from mtcnn_cpp.media.limit import limit\n\n\n"
            "def test_limit():\n    assert limit(25) == 15\n    assert limit(10) == 10\n"
        ),
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def search(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, SCRIPT, "--root", tree, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.skipif(sys.platform != "linux", reason="the memory limit needs Linux")
@pytest.mark.slow
def test_killed_and_surviving_faults(tree: Path) -> None:
    module = tree / "python/mtcnn_cpp/media/limit.py"
    before = module.read_text()
    done = search(tree, "media/limit.py", "--count", "100")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    place = "python/mtcnn_cpp/media/limit.py"
    killed = "killed by tests/media/test_limit.py::test_limit"
    assert set(lines[:-2]) == {
        f"{killed}: {place}:2: value > 10 -> (value >= 10)",
        f"{killed}: {place}:2: value > 10 -> (value <= 10)",
        f"survived: {place}:2: 10 -> 11",
        f"{killed}: {place}:2: 10 -> (9)",
        f"{killed}: {place}:3: value -= 10 -> pass",
        f"{killed}: {place}:3: 10 -> 11",
        f"{killed}: {place}:3: 10 -> (9)",
    }
    assert lines[-2].startswith("6 of 7 killed, ")
    assert lines[-1] == f"survived: {place}:2: 10 -> 11"
    assert module.read_text() == before
    one, two, other = (
        search(tree, "media", "--count", "3", "--list", "--seed", seed).stdout for seed in ("1", "1", "2")
    )
    assert one == two != other
    assert len(one.splitlines()) == 3


@pytest.mark.skipif(sys.platform != "linux", reason="the memory limit needs Linux")
@pytest.mark.slow
def test_a_fault_that_makes_a_test_run_forever(tree: Path) -> None:
    module = tree / "python/mtcnn_cpp/media/limit.py"
    module.write_text("def limit(value):\n    while value:\n        value -= value\n    return value\n")
    (tree / "tests/media/test_limit.py").write_text(
        "from mtcnn_cpp.media.limit import limit\n\n\ndef test_limit():\n    assert limit(25) == 0\n"
    )
    done = search(tree, "--timeout", "20")
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first == "killed by timeout: python/mtcnn_cpp/media/limit.py:3: value -= value -> pass"
    assert second.startswith("1 of 1 killed, ")
    done = search(tree, "--timeout", "0.01")
    assert done.returncode == 1
    assert done.stderr == (
        "error: tests/media/test_limit.py: too slow even without a fault; increase --timeout\n"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="the memory limit needs Linux")
@pytest.mark.slow
def test_a_test_that_fails_without_a_fault(tree: Path) -> None:
    (tree / "tests/media/test_limit.py").write_text("def test_limit():\n    assert False\n")
    done = search(tree, "--count", "1")
    assert done.returncode == 1
    assert done.stderr == (
        "error: tests/media/test_limit.py::test_limit also fails without a fault; repair it first\n"
    )
    done = search(tree, "media/none.py")
    assert done.returncode == 1
    assert done.stderr == (
        "error: media/none.py: expected a module or folder below python/mtcnn_cpp, found nothing there\n"
    )
