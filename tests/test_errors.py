"""Every exception class of the package is a MtcnnError; a package that is missing raises MissingExtra."""

from __future__ import annotations

import ast
import builtins
import importlib
import pickle
import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import mtcnn_cpp
import pytest
from images import ROOT
from mtcnn_cpp import BatchError, MissingExtra, MtcnnError
from mtcnn_cpp._util.errors import import_extra

PACKAGE = ROOT / "python/mtcnn_cpp"
PUBLIC = {
    "mtcnn_cpp": {"BatchError", "MissingExtra", "MtcnnError"},
    "mtcnn_cpp.trace": {"TraceError"},
    "mtcnn_cpp.formats": {"PortError"},
    "mtcnn_cpp.jobs.table": {"TableError"},
    "mtcnn_cpp.media.video": {"VideoError"},
}
# Not errors that a caller gets: a signal of the reference, which imports no other package.
SIGNALS = {"Cancelled"}
# A damaged installation or another build, which no extra repairs.
PLAIN_IMPORT_ERRORS = {"_util/core.py", "backends/openface.py", "media/image/opencv.py"}


def exception_classes(folder: Path) -> dict[str, set[str]]:
    """Every exception class of the source, also of modules that need extras, with all its bases by name."""
    bases: dict[str, set[str]] = {}
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                bases.setdefault(node.name, set()).update(
                    ast.unparse(base).rpartition(".")[2] for base in node.bases
                )

    def all_bases(name: str) -> set[str]:
        found, new = set(), {name}
        while new:
            found |= new
            new = set().union(*(bases.get(base, set()) for base in new)) - found
        return found

    def is_exception(name: str) -> bool:
        kind = getattr(builtins, name, None)
        return isinstance(kind, type) and issubclass(kind, BaseException)

    return {name: all_bases(name) for name in bases if any(map(is_exception, all_bases(name)))}


def without_base(folder: Path) -> list[str]:
    return [
        name
        for name, bases in exception_classes(folder).items()
        if "MtcnnError" not in bases and name not in SIGNALS and not name.startswith("_")
    ]


def test_every_exception_class_is_a_mtcnn_error() -> None:
    assert len(exception_classes(PACKAGE)) > 10
    assert without_base(PACKAGE) == []


def test_a_planted_class_is_found(tmp_path: Path) -> None:
    source = (
        "class A(MtcnnError, OSError): ...\nclass B(errors.A): ...\nclass C(ValueError): ...\nclass D(C): ..."
    )
    (tmp_path / "a.py").write_text(source)
    assert without_base(tmp_path) == ["C", "D"]


def test_public_exceptions_are_also_built_in_ones() -> None:
    for module, names in PUBLIC.items():
        found = importlib.import_module(module)
        values = {name: getattr(found, name) for name in found.__all__}
        errors = {name: v for name, v in values.items() if isinstance(v, type) and issubclass(v, Exception)}
        assert set(errors) == names
        for name, error in errors.items():
            assert issubclass(error, MtcnnError)
            assert name == "MtcnnError" or issubclass(error, (ValueError, OSError, ImportError))


def test_argument_errors_are_built_in() -> None:
    with pytest.raises(ValueError, match="min_face") as value:
        mtcnn_cpp.Detector(min_face=0)
    with pytest.raises(TypeError, match="image") as kind:
        mtcnn_cpp.Detector().detect(42)  # type: ignore[arg-type]
    assert not isinstance(value.value, MtcnnError)
    assert not isinstance(kind.value, MtcnnError)


def test_errors_can_be_pickled() -> None:
    error = pickle.loads(pickle.dumps(BatchError(3, ValueError("x"))))
    assert (type(error), error.index) == (BatchError, 3)
    with pytest.raises(MissingExtra) as caught:
        import_extra("no_such_module.part", "mtcnn-cpp[onnx]", "this")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), str(again), again.name) == (MissingExtra, str(caught.value), "no_such_module.part")


def _call(module: str, name: str, *arguments: object) -> Callable[[], object]:
    return lambda: getattr(importlib.import_module(module), name)(*arguments)


@pytest.mark.parametrize(
    ("package", "extra", "call"),
    [
        ("pyarrow", "table", _call("mtcnn_cpp.jobs.table.parquet", "need_pyarrow")),
        ("trackers", "track", _call("mtcnn_cpp.jobs.tracking", "Tracker")),
        ("ray", "ray", _call("mtcnn_cpp.jobs.ray.connection", "need_ray")),
        ("starlette", "explore", _call("mtcnn_cpp.explore", "require_server_packages", "the explorer")),
        ("matplotlib", "report", _call("mtcnn_cpp.bench.report", "check_chart", Path("a.svg"))),
        ("jinja2", "report", _call("mtcnn_cpp.ports.compare_original.page", "render", None)),
        ("jinja2", "report", _call("mtcnn_cpp.trace.report.html", "render", None)),
        ("pillow_heif", "heif", lambda: next(_call("mtcnn_cpp.media.image.read", "decode_heif", b"", "x")())),  # type: ignore[call-overload]
        ("onnx", "onnx", partial(mtcnn_cpp.Detector, backend="onnx")),
        ("torch", "torch", partial(mtcnn_cpp.Detector, backend="torch")),
        ("fsspec", "remote", lambda: importlib.import_module("mtcnn_cpp.storage.remote").system("s3://a")),
    ],
)
def test_a_missing_package_is_a_missing_extra(
    package: str, extra: str, call: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    message = rf"needs the package '{package}'.*; pip install 'mtcnn-cpp\[{extra}\]'$"
    with pytest.raises(MissingExtra, match=message):
        call()
    assert re.search(rf"^{extra} = \[", (ROOT / "pyproject.toml").read_text("utf-8"), re.M)


def test_only_a_damaged_installation_raises_a_plain_import_error() -> None:
    found = {
        file.relative_to(PACKAGE).as_posix()
        for file in PACKAGE.rglob("*.py")
        if "raise ImportError" in file.read_text("utf-8")
    }
    assert found == PLAIN_IMPORT_ERRORS
