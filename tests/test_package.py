"""What the installed package has and what the source tree promises of itself."""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import re
import shutil
import subprocess
import sys
from pathlib import Path

import mtcnn_cpp
import pytest
from images import ROOT
from mtcnn_cpp import Model, sample_image

PACKAGE = Path(mtcnn_cpp.__file__).parent


@pytest.fixture
def installed() -> importlib.metadata.Distribution:
    try:
        return importlib.metadata.distribution("mtcnn-cpp")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("run from the source tree, nothing is installed")


def in_new_process(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_import_is_light() -> None:
    """`import mtcnn_cpp` brings in NumPy and nothing that takes long or may be missing."""
    heavy = [
        "cv2",
        "typer",
        "rich",
        "matplotlib",
        "jinja2",
        "PIL",
        "onnxruntime",
        "torch",
        "importlib.metadata",
    ]
    code = f"import sys, mtcnn_cpp; print(*(name for name in {heavy} if name in sys.modules))"
    assert in_new_process(code) == ""


def test_command_line_is_light() -> None:
    """Help and usage errors need neither OpenCV nor a network."""
    heavy = ["cv2", "matplotlib", "jinja2", "PIL", "onnxruntime", "torch"]
    code = f"import sys, mtcnn_cpp.cli; print(*(name for name in {heavy} if name in sys.modules))"
    assert in_new_process(code) == ""


def test_reference_does_not_need_the_core() -> None:
    """With the core made impossible to import, the reference detects and the core says what to do."""
    code = """
import sys
sys.modules["mtcnn_cpp._core"] = None
from mtcnn_cpp import Detector, sample_image
assert len(Detector(backend="reference").detect(sample_image()[52:212, 136:312])) == 1
try:
    Detector()
except ImportError as error:
    print(error)
"""
    message = in_new_process(code)
    assert "the compiled core of mtcnn_cpp cannot be imported" in message
    assert "backend='reference'" in message


def test_the_source_tree_needs_no_compiler_for_the_reference(tmp_path: Path) -> None:
    """Without a build, `PYTHONPATH=python` runs the reference; the core is an error that says what to do."""
    for folder in ("python", "third_party"):
        ignored = shutil.ignore_patterns("*.so", "*.pyd", "__pycache__")
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignored)
    shutil.rmtree(tmp_path / "python" / "mtcnn_cpp" / "weights", ignore_errors=True)
    code = """
import numpy as np
from mtcnn_cpp import Detector, sample_image
print(len(Detector(backend="reference").detect(sample_image())))
try:
    Detector()
except ImportError as error:
    print(error)
"""
    paths = [str(tmp_path / "python"), *sys.path]
    command = [
        sys.executable,
        "-S",
        "-c",
        f"import sys; sys.path[:] = {paths!r}" + code,
    ]  # -S: no import hooks
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    faces, message = done.stdout.splitlines()
    assert faces == "1"
    assert message.startswith(
        "the compiled core of mtcnn_cpp cannot be imported: this source tree was not built"
    )


def test_public_names() -> None:
    for name in mtcnn_cpp.__all__:
        assert getattr(mtcnn_cpp, name).__doc__
    assert dir(mtcnn_cpp) == sorted(mtcnn_cpp.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        mtcnn_cpp.nonsense  # noqa: B018


def test_typed() -> None:
    assert (PACKAGE / "py.typed").exists()


def test_weights_are_in_the_package() -> None:
    for stage, digest in Model.default().hashes().items():
        file = PACKAGE / "weights" / f"{stage[0].upper()}Net.dat"
        assert hashlib.sha256(file.read_bytes()).hexdigest() == digest
    assert "MIT" in (PACKAGE / "weights" / "LICENSE").read_text(encoding="utf-8")


def test_sample_equals_the_image_of_the_gold_results() -> None:
    digest = "f22309ff463ef566bffd5a41b9d9867c5fd9490e9ced354b29d4194820da2033"
    assert hashlib.sha256(sample_image().tobytes()).hexdigest() == digest


def declared_version() -> str:
    match = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert match
    return match[1]


def test_versions_agree(installed: importlib.metadata.Distribution) -> None:
    from mtcnn_cpp import _core

    assert mtcnn_cpp.__version__ == installed.version == declared_version()
    assert _core.build_info()["version"] == declared_version()
    assert f"## {declared_version()}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_version_has_one_place() -> None:
    """No other source or build file repeats the number."""
    number = re.compile(rf"(?<![\d.]){re.escape(declared_version())}(?![\d.])")
    for pattern in ("CMake*", "cmake/*", "cpp/**/*.[ch]*", "python/**/*.py*"):
        for file in ROOT.glob(pattern):
            if file.is_file() and file.suffix not in (".pyc", ".pyd"):
                assert not number.search(file.read_text(encoding="utf-8")), file


def test_core_knows_nothing_of_python() -> None:
    """The core, its tests and fuzz targets include the standard library, intrinsics and themselves; one test
    compares with OpenCV where that is installed."""
    files = [
        file for folder in ("mtcnn", "tests", "fuzz") for file in (ROOT / "cpp" / folder).rglob("*.[ch]*")
    ]
    assert files
    for file in files:
        if file.name == "exp_of_all_floats.cpp":
            continue
        for name in re.findall(
            r'^\s*#\s*include\s*[<"]([^>"]+)', file.read_text(encoding="utf-8"), re.MULTILINE
        ):
            assert not re.search(r"python|pybind11|numpy|opencv", name, re.IGNORECASE), f"{file}: {name}"


def test_readme_names_the_commands_that_ci_runs() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for command in (
        "pip install . && mtcnn-cpp detect --sample --save-dir out",
        'pip install ".[test]" && pytest -n auto',
    ):
        assert f"\n{command}\n" in readme
        assert command in ci


def test_pictures_of_the_readme_exist() -> None:
    for document in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        text = re.sub(
            r"^```.*?^```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE
        )
        for name in re.findall(r"!\[[^]]*\]\(([^)]+)\)", text):
            assert (document.parent / name).is_file(), f"{document}: {name}"


def test_data_classes_with_arrays_compare_by_identity() -> None:
    """The `==` of a data class would compare arrays, which gives no bool, and its `hash` would fail."""
    compared = [
        f"{path.relative_to(PACKAGE).as_posix()}: {node.name}"
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
        and any(
            "dataclass" in (text := ast.unparse(one)) and "eq=False" not in text
            for one in node.decorator_list
        )
        and any(
            re.search(r"NDArray|FloatArray|DoubleArray", ast.unparse(field.annotation))
            for field in node.body
            if isinstance(field, ast.AnnAssign)
        )
    ]
    assert compared == []
