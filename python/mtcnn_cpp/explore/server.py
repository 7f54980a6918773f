"""Runs the servers of the local pages: the explorer until Ctrl-C, and the page of a live source.

Only this machine can reach them, and requests without the token are refused.
"""

from __future__ import annotations

import contextlib
import errno
import hmac
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator

import uvicorn
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..trace.comparison.comparison import ComparisonOptions
from .api import application
from .comparison import BackgroundComparison
from .traces import OpenTraces

HOST = "127.0.0.1"
SHUTDOWN_SECONDS = 1  # time that running requests have to finish when the explorer ends
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}


def bind_socket(port: int) -> socket.socket:
    """Return a socket that is bound to `port` of this machine. 0 means any free port.

    Raises ValueError if the number is not a port, and OSError if the port cannot be opened.
    """
    if not 0 <= port <= 65535:
        raise ValueError(f"--port must be from 0 (any free port) to 65535, got {port}")
    listening = socket.socket()
    if os.name != "nt":  # on Windows this option would let two programs use the same port
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise OSError(
                f"port {port} of {HOST} is already in use; choose another one with --port, or omit --port "
                "for any free port"
            ) from error
        if error.errno == errno.EACCES:
            raise OSError(
                f"this user may not open port {port} of {HOST}; choose a port above 1023 with --port, or "
                "omit --port for any free port"
            ) from error
        raise OSError(f"port {port} of {HOST} cannot be opened ({error.strerror})") from error
    return listening


def serve(
    traces: OpenTraces, options: ComparisonOptions, listening: socket.socket, ready: Callable[[str], None]
) -> None:
    """Answer requests until Ctrl-C or SIGTERM.

    After the server has stopped, the signal has its usual effect: Ctrl-C raises KeyboardInterrupt.

    `ready` is called with the address of the page as soon as the server accepts requests.
    """
    with running_server(traces, options, listening) as (server, address):
        threading.Thread(target=_call_when_started, args=(server, ready, address), daemon=True).start()
        server.run(sockets=[listening])


@contextlib.contextmanager
def running_server(
    traces: OpenTraces, options: ComparisonOptions, listening: socket.socket
) -> Iterator[tuple[uvicorn.Server, str]]:
    """Return a server for the socket `listening`, and its address.

    If there are two traces, a thread compares them until the `with` block ends.
    """
    with _running_comparison(traces, options) as comparison:
        yield make_server(application(traces, comparison), listening)


def make_server(app: ASGIApp, listening: socket.socket) -> tuple[uvicorn.Server, str]:
    """Return a server of an application for the socket `listening`, and the address of its page.

    The address contains a new token.
    """
    token = secrets.token_urlsafe(24)
    port = listening.getsockname()[1]
    config = uvicorn.Config(
        AccessGuard(app, token, port),
        log_level="warning", access_log=False, server_header=False, lifespan="off", ws="none",
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )  # fmt: skip
    return uvicorn.Server(config), f"http://{HOST}:{port}/{token}/"


def _call_when_started(server: uvicorn.Server, ready: Callable[[str], None], address: str) -> None:
    while not server.started:
        time.sleep(0.005)
        if server.should_exit:
            return
    ready(address)


@contextlib.contextmanager
def _running_comparison(
    traces: OpenTraces, options: ComparisonOptions
) -> Iterator[BackgroundComparison | None]:
    if traces.b is None:
        yield None
        return
    comparison = BackgroundComparison(traces, options)
    comparison.start()
    try:
        yield comparison
    finally:
        comparison.stop()


class AccessGuard:
    """Serves an application under /TOKEN/ to 127.0.0.1 and localhost.

    It refuses three kinds of requests with status 403: requests without the token, requests for a different
    host name (DNS rebinding), and requests that another page makes.
    """

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self._app = app
        self._token = token.encode()
        names = (HOST, "localhost")
        self._hosts = frozenset([f"{name}:{port}" for name in names] + (list(names) if port == 80 else []))
        self._origins = frozenset(f"http://{host}" for host in self._hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # for example a web socket; the pages do not use web sockets
            await send({"type": "websocket.close", "code": 1008})
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        reason = self._refusal(scope)
        if reason:
            response = PlainTextResponse(f"refused: {reason}\n", 403)
            await response(scope, receive, send_with_headers)
            return
        _, _, rest = scope["path"].lstrip("/").partition("/")
        inner = dict(scope, path=f"/{rest}", raw_path=f"/{rest}".encode(), root_path="")
        await self._app(inner, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> str:
        """Return the reason to refuse the request; empty if it is allowed."""
        headers = Headers(scope=scope)
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            return "the request names another host; open the address that mtcnn-cpp printed"
        if any(origin not in self._origins for origin in origins):
            return "the request was made by another page"
        token, slash, rest = scope["path"].lstrip("/").partition("/")
        opens_page = slash and not rest and headers.get("sec-fetch-mode") == "navigate"
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and not opens_page:
            return "the request was made by another page"
        if not slash or not hmac.compare_digest(token.encode("utf-8", "replace"), self._token):
            return "the address does not contain the token; open the complete address that mtcnn-cpp printed"
        return ""
