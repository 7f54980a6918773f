"""Runs the explorer in the process of the tests."""

from __future__ import annotations

import contextlib
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
from mtcnn_cpp.trace import ComparisonOptions

if TYPE_CHECKING:
    from mtcnn_cpp.explore.traces import OpenTraces


def answer(address: str, endpoint: str, **parameters: object) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of the response to GET api/ENDPOINT?PARAMETERS."""
    query = urllib.parse.urlencode(parameters)
    try:
        with urllib.request.urlopen(f"{address}api/{endpoint}?{query}", timeout=20) as found:
            return found.status, dict(found.headers), found.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read()


def array(address: str, endpoint: str, **parameters: object) -> np.ndarray:
    """Return the array in a response."""
    status, headers, body = answer(address, endpoint, **parameters)
    assert status == 200, body
    return np.frombuffer(body, headers["x-dtype"]).reshape(
        [int(size) for size in headers["x-shape"].split(",")]
    )


def whole_map(shape: tuple[int, ...], channel: int = 0) -> dict[str, int]:
    """Return the parameters of `api/values` for a whole map."""
    return {"channel": channel, "top": 0, "left": 0, "height": shape[-2], "width": shape[-1]}


@contextlib.contextmanager
def opened_traces(*paths: Path) -> Iterator[OpenTraces]:
    from mtcnn_cpp.explore.traces import open_traces

    with open_traces(paths, Detector()) as traces:
        yield traces


@contextlib.contextmanager
def explorer(*paths: Path, options: ComparisonOptions | None = None) -> Iterator[str]:
    """Run an explorer of these files; return its address."""
    from mtcnn_cpp.explore.server import bind_socket, running_server

    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(bind_socket(0))
        traces = stack.enter_context(opened_traces(*paths))
        server, address = stack.enter_context(
            running_server(traces, options or ComparisonOptions(), listening)
        )
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
