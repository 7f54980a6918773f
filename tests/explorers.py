"""An explorer that runs in this process, for the tests of its page and of its answers."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from mtcnn_cpp import Detector
from mtcnn_cpp.trace import Judge

if TYPE_CHECKING:
    from mtcnn_cpp.explore.source import Source

CHROMIUM = os.environ.get("MTCNN_TEST_CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


def chromium_options() -> list[str]:
    """Root cannot have Chromium's sandbox; a container's shared memory may be too small for its pages."""
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    return ["--disable-dev-shm-usage", *["--no-sandbox"] * root]


def answer(address: str, question: str, **words: object) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of what an explorer answers to GET api/QUESTION?WORDS."""
    query = urllib.parse.urlencode(words)
    try:
        with urllib.request.urlopen(f"{address}api/{question}?{query}", timeout=20) as found:
            return found.status, dict(found.headers), found.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read()


def array(address: str, question: str, **words: object) -> np.ndarray:
    """The array that an explorer answers."""
    status, headers, body = answer(address, question, **words)
    assert status == 200, body
    return np.frombuffer(body, headers["x-dtype"]).reshape(
        [int(word) for word in headers["x-shape"].split(",")]
    )


def whole(shape: tuple[int, ...], channel: int = 0) -> dict[str, int]:
    """The window of `api/values` that is a whole map."""
    return {"channel": channel, "top": 0, "left": 0, "height": shape[-2], "width": shape[-1]}


@contextlib.contextmanager
def source_of(*paths: Path) -> Iterator[Source]:
    from mtcnn_cpp.explore.source import opened

    with opened(paths, Detector()) as source:
        yield source


@contextlib.contextmanager
def explorer(*paths: Path, judge: Judge | None = None) -> Iterator[str]:
    """An explorer of these files that runs in this process, at the address given."""
    from mtcnn_cpp.explore.serve import bound, running

    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(bound(0))
        source = stack.enter_context(source_of(*paths))
        server, address = stack.enter_context(running(source, judge or Judge(), listening))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        try:
            yield address
        finally:
            server.should_exit = True
            thread.join(20)
        assert not thread.is_alive()
