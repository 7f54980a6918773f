"""Traces of a small image, one by a faulty model; explorers of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import png
import pytest
from explorers import explorer
from images import portrait
from mtcnn_cpp import Detector
from mtcnn_cpp.trace import Trace
from ports import transposed_model


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """An image and its traces: correct, with the kernels of RNet conv2 transposed, and with hashes only."""
    folder = tmp_path_factory.mktemp("explore")
    found = {name: folder / name for name in ("image.png", "correct.npz", "faulty.npz", "hash.npz")}
    found["image.png"].write_bytes(png.encode(portrait()))
    Detector().trace(portrait()).save(found["correct.npz"])
    Detector(transposed_model("rnet", 3)).trace(portrait()).save(found["faulty.npz"])
    Detector().trace(portrait(), capture="hash").save(found["hash.npz"])
    return found


@pytest.fixture(scope="session")
def correct(files: dict[str, Path]) -> Trace:
    return Trace.load(files["correct.npz"])


@pytest.fixture(scope="session")
def faulty(files: dict[str, Path]) -> Trace:
    return Trace.load(files["faulty.npz"])


@pytest.fixture(scope="session")
def trace_url(files: dict[str, Path]) -> Iterator[str]:
    """The address of an explorer of the correct trace."""
    with explorer(files["correct.npz"]) as address:
        yield address


@pytest.fixture(scope="session")
def comparison_url(files: dict[str, Path]) -> Iterator[str]:
    """The address of an explorer of both traces."""
    with explorer(files["correct.npz"], files["faulty.npz"]) as address:
        yield address
