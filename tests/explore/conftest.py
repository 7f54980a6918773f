"""Traces of a small picture, right and with a fault planted; an explorer of them; a page in Chromium."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from explorers import CHROMIUM, chromium_options, explorer
from mtcnn_cpp import Detector, png
from mtcnn_cpp.trace import Trace
from pictures import portrait
from ports import transposed


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """picture.png; right.npz, a trace of it; wrong.npz, by networks with RNet conv2's kernels turned; a trace
    of level hash."""
    folder = tmp_path_factory.mktemp("explore")
    found = {name: folder / name for name in ("picture.png", "right.npz", "wrong.npz", "hash.npz")}
    found["picture.png"].write_bytes(png.encode(portrait()))
    Detector().trace(portrait()).save(found["right.npz"])
    Detector(transposed("rnet", 3)).trace(portrait()).save(found["wrong.npz"])
    Detector().trace(portrait(), capture="hash").save(found["hash.npz"])
    return found


@pytest.fixture(scope="session")
def right(files: dict[str, Path]) -> Trace:
    return Trace.load(files["right.npz"])


@pytest.fixture(scope="session")
def wrong(files: dict[str, Path]) -> Trace:
    return Trace.load(files["wrong.npz"])


@pytest.fixture(scope="session")
def one(files: dict[str, Path]) -> Iterator[str]:
    """The address of an explorer of the right trace."""
    with explorer(files["right.npz"]) as address:
        yield address


@pytest.fixture(scope="session")
def two(files: dict[str, Path]) -> Iterator[str]:
    """The address of an explorer of both traces."""
    with explorer(files["right.npz"], files["wrong.npz"]) as address:
        yield address


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    if CHROMIUM is None:
        pytest.skip("needs Chromium: apt-get install chromium, or MTCNN_TEST_CHROMIUM=path")
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=CHROMIUM, args=chromium_options())
        yield found
        found.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Any]]:
    """`visit(address)`: a page there, all of it loaded. What it complains about fails the test."""
    complaints: list[str] = []
    contexts = []

    def go(address: str, *, ready: bool = True, **options: Any) -> Any:
        context = browser.new_context(**({"viewport": {"width": 1280, "height": 900}} | options))
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda line: line.type in ("error", "warning") and complaints.append(line.text))
        page.goto(address)
        if ready:
            page.wait_for_selector("body[data-ready]")
            page.evaluate(SETTLED)
        return page

    go.complaints = complaints  # type: ignore[attr-defined]
    yield go
    for context in contexts:
        context.close()
    assert complaints == []


SETTLED = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
