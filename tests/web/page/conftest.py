"""The page "Try it" in Chromium, from a server that records the requests."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from images import ROOT
from try_site import TrySite, serve, site_part


@pytest.fixture(scope="session")
def core_file() -> Path:
    """The core compiled to WebAssembly."""
    path = site_part().compiled_core()
    if path is None:
        pytest.skip(
            "needs the core compiled to WebAssembly: cmake --preset wasm && cmake --build --preset wasm"
        )
    return Path(path)


@pytest.fixture(scope="session")
def site(core_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrySite]:
    folder = tmp_path_factory.mktemp("site")
    site_part().write(folder / "web", core_file)
    (folder / "index.html").write_text("<!doctype html><title>front page</title>", encoding="utf-8")
    with serve(folder) as found:
        yield found


@pytest.fixture
def page(visit: Callable[..., Any], site: TrySite) -> Any:
    """The loaded page."""
    return visit(site.address)


@pytest.fixture(scope="session")
def collage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image of 1280x720 pixels with six faces."""
    found = tmp_path_factory.mktemp("images") / "collage.png"
    shutil.copy(ROOT / "tests" / "gold" / "collage.png", found)
    return found


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image that takes long: 24 faces in 2560x1440 pixels."""
    import cv2
    import numpy as np
    from mtcnn_cpp.media.image import read_image

    found = tmp_path_factory.mktemp("images") / "large.png"
    tile = read_image(ROOT / "tests" / "gold" / "collage.png")
    cv2.imwrite(str(found), np.tile(tile, (2, 2, 1)), [cv2.IMWRITE_PNG_COMPRESSION, 1])
    return found
