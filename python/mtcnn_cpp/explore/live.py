"""A local page that shows the frames of a live source while they are processed."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .._util.escape import printable
from ..media.image.opencv import import_opencv
from .page_files import page_routes
from .server import SHUTDOWN_SECONDS, make_server

PAGE = Path(__file__).parent / "live_page"
ICON = Path(__file__).parent / "page" / "icon.svg"
JPEG_QUALITY = 85
WAIT_SECONDS = 1.0  # time after which a request without a new frame is answered
CLOSED_SECONDS = 5.0  # an opened page that sends no request for this time is considered closed


class LivePage:
    """A page on this machine that shows the newest frame, and its server.

    The page requests one frame after another, so a slow browser gets fewer frames and never an old one. It is
    a context manager: the server runs in the `with` block.

    Args:
        name: Name of the source, for the title.
        listening: Socket of the server (see `bind_socket`).

    Attributes:
        address: Address of the page. It contains a token.
    """

    def __init__(self, name: str, listening: socket.socket) -> None:
        self._name = printable(name)
        self._listening = listening
        self._cv2: Any = import_opencv("showing a live source")
        self._changed = threading.Condition()
        self._number = 0  # number of frames that were shown
        self._frame: tuple[NDArray[np.uint8], str] | None = None
        self._is_ended = False
        self._waiting = 0  # number of requests that are being answered
        self._last_request: float | None = None
        routes = [Route("/api/about", self._about), Route("/api/frame", self._next_frame)]
        app = Starlette(routes=[*routes, *page_routes([*PAGE.iterdir(), ICON])])
        app.router.redirect_slashes = False  # the address of a redirect would lack the token
        self._server, self.address = make_server(app, listening)
        arguments = {"sockets": [listening]}
        self._thread = threading.Thread(target=self._server.run, kwargs=arguments, name="mtcnn_cpp page")

    def __enter__(self) -> LivePage:
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            time.sleep(0.005)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def show(self, image: NDArray[np.uint8], status: object) -> None:
        """Show an image, (H, W, 3) uint8 BGR, above a line of text (printable ASCII)."""
        with self._changed:
            self._number += 1
            self._frame = image, str(status)
            self._changed.notify_all()

    def is_closed(self) -> bool:
        """Return whether the page was opened, and is now closed."""
        with self._changed:
            last = self._last_request
            return last is not None and not self._waiting and time.monotonic() - last > CLOSED_SECONDS

    def close(self) -> None:
        """End the server. An open page then shows that the source has ended."""
        with self._changed:
            self._is_ended = True
            self._changed.notify_all()
        self._server.should_exit = True
        self._thread.join(2 * SHUTDOWN_SECONDS + WAIT_SECONDS)
        self._listening.close()

    def _about(self, request: Request) -> Response:
        return JSONResponse({"source": self._name})

    def _next_frame(self, request: Request) -> Response:
        """Return the first frame that is newer than the frame number `after`; status 204 if there is none.

        Starlette calls it on a worker thread. Status 410: the source has ended.
        """
        after = request.query_params.get("after", "")
        number = int(after) if after.isascii() and after.isdigit() and len(after) < 16 else 0
        with self._changed:
            self._waiting += 1
            try:
                self._changed.wait_for(lambda: self._number > number or self._is_ended, WAIT_SECONDS)
                found, count, is_ended = self._frame, self._number, self._is_ended
            finally:
                self._waiting -= 1
                self._last_request = time.monotonic()
        if is_ended:
            return Response(status_code=410)
        if found is None or count <= number:
            return Response(status_code=204)
        image, text = found
        data = self._cv2.imencode(".jpg", image, [self._cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()
        return Response(data, media_type="image/jpeg", headers={"X-Number": str(count), "X-Status": text})
