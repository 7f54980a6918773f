"""Runs the explorer in the process of the tests, and sends requests to it."""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import numpy as np
from mtcnn_cpp import Detector
from mtcnn_cpp.trace import ComparisonOptions

if TYPE_CHECKING:
    from mtcnn_cpp.explore.traces import OpenTraces

# `python -m mtcnn_cpp` that also handles SIGINT if the tests run in the background, where it is ignored.
PROGRAM = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("mtcnn_cpp", run_name="__main__", alter_sys=True)
"""


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


def request(
    address: str, path: str = "", method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], str]:
    """Send a request with exactly these headers; return status, headers and text."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
    given = {"Host": parts.netloc} | {name.replace("_", "-"): value for name, value in headers.items()}
    connection.putrequest(method, path or parts.path, skip_host=True)
    for name, value in given.items():
        if value:
            connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    text = answer.read().decode("utf-8", "replace")
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, text


def token(address: str) -> str:
    return urlsplit(address).path.strip("/")
