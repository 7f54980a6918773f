"""Traces of a small image, one by a faulty model; explorers of them; pages in Chromium."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

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


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Any]]:
    """`visit(address)` returns the loaded page. Errors and warnings of the page fail the test.

    `first=True` is a first visit, which shows the introduction.
    """
    page_errors: list[str] = []
    contexts = []

    def open_page(address: str, *, ready: bool = True, first: bool = False, **options: Any) -> Any:
        context = browser.new_context(**({"viewport": {"width": 1280, "height": 900}} | options))
        if not first:
            cookie = {"name": "mtcnn_cpp_explore_introduction", "value": "closed", "url": "http://127.0.0.1"}
            context.add_cookies([cookie])
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: page_errors.append(str(error)))
        page.on("console", lambda line: line.type in ("error", "warning") and page_errors.append(line.text))
        page.goto(address)
        if ready:
            page.wait_for_selector("body[data-ready]")
            page.evaluate(TWO_FRAMES)
        return page

    open_page.page_errors = page_errors  # type: ignore[attr-defined]
    yield open_page
    for context in contexts:
        context.close()
    assert page_errors == []


TWO_FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
