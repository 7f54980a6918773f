"""Running the explorer: on this machine only, until Ctrl-C."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator

import uvicorn

from ..trace.judge.comparison import Judge
from .server import application
from .source import Source
from .verdicts import Verdicts

HOST = "127.0.0.1"
LAST_WORDS = 1  # seconds that answers under way have when the explorer ends


def bound(port: int) -> socket.socket:
    """A socket at that port of this machine, 0 for any that is free. ValueError or OSError where none is."""
    if not 0 <= port <= 65535:
        raise ValueError(f"--port must be from 0 (any that is free) to 65535, got {port}")
    listening = socket.socket()
    if os.name != "nt":  # there it would let two programs have one port
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise OSError(
                f"port {port} of {HOST} is in use already; give another one (--port), or leave it out"
            ) from error
        if error.errno == errno.EACCES:
            raise OSError(
                f"port {port} of {HOST} is not for this user; give one above 1023 (--port), or none"
            ) from error
        raise OSError(f"port {port} of {HOST} cannot be opened ({error.strerror})") from error
    return listening


def serve(source: Source, judge: Judge, listening: socket.socket, ready: Callable[[str], None]) -> None:
    """Answer until Ctrl-C or SIGTERM, which are then raised as elsewhere. `ready` is called with the address
    as soon as there is an answer at it."""
    with running(source, judge, listening) as (server, address):
        threading.Thread(target=_when_started, args=(server, ready, address), daemon=True).start()
        server.run(sockets=[listening])


@contextlib.contextmanager
def running(source: Source, judge: Judge, listening: socket.socket) -> Iterator[tuple[uvicorn.Server, str]]:
    """A server that is ready to run at that socket, and its address. Meanwhile two traces are compared."""
    token = secrets.token_urlsafe(24)
    port = listening.getsockname()[1]
    with _verdicts(source, judge) as verdicts:
        config = uvicorn.Config(
            application(source, verdicts, token, port),
            log_level="warning", access_log=False, server_header=False, lifespan="off", ws="none",
            timeout_graceful_shutdown=LAST_WORDS,
        )  # fmt: skip
        yield uvicorn.Server(config), f"http://{HOST}:{port}/{token}/"


def _when_started(server: uvicorn.Server, ready: Callable[[str], None], address: str) -> None:
    while not server.started:
        time.sleep(0.005)
        if server.should_exit:
            return
    ready(address)


@contextlib.contextmanager
def _verdicts(source: Source, judge: Judge) -> Iterator[Verdicts | None]:
    if source.b is None:
        yield None
        return
    verdicts = Verdicts(source, judge)
    verdicts.start()
    try:
        yield verdicts
    finally:
        verdicts.stop()
