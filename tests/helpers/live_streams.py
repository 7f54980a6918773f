"""Live streams on this machine for the tests: Motion JPEG and MPEG-TS over HTTP, in real time."""

from __future__ import annotations

import contextlib
import http.server
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
from clips import make_frame


@dataclass
class LiveStream:
    """A running stream.

    Attributes:
        address: Address of the stream.
        begins: Times (time.monotonic) at which the first bytes of a response were sent.
        lag: Greatest time in seconds by which a part was sent too late, because the machine is busy.
        stop: Event. When it is set, the server closes the connection.
        pause: Event. While it is set, the server sends nothing.
    """

    address: str = ""
    begins: list[float] = field(default_factory=list)
    lag: float = 0.0
    stop: threading.Event = field(default_factory=threading.Event)
    pause: threading.Event = field(default_factory=threading.Event)


@contextlib.contextmanager
def serve_stream(content_type: str, parts: list[bytes], rate: float, *, repeat: bool) -> Iterator[LiveStream]:
    """Serve `parts` in real time, `rate` parts per second. `repeat`: without end."""
    stream = LiveStream()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.end_headers()
            begin = time.monotonic()
            stream.begins.append(begin)
            index = 0
            with contextlib.suppress(OSError):  # the reader has ended
                while (repeat or index < len(parts)) and not stream.stop.is_set():
                    if stream.pause.is_set():
                        time.sleep(0.01)
                        continue
                    self.wfile.write(parts[index % len(parts)])
                    index += 1
                    early = begin + index / rate - time.monotonic()
                    stream.lag = max(stream.lag, -early)
                    time.sleep(max(0.0, early))

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        stream.address = f"http://127.0.0.1:{server.server_address[1]}/live"
        try:
            yield stream
        finally:
            stream.stop.set()
            server.shutdown()
            thread.join()


def motion_jpeg(rate: float = 20.0) -> contextlib.AbstractContextManager[LiveStream]:
    """Serve an endless stream of JPEG images as cameras do, with a portrait that moves."""
    parts = []
    for index in range(20):
        data = cv2.imencode(".jpg", make_frame(index))[1].tobytes()
        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
        parts.append(head.encode() + data + b"\r\n")
    return serve_stream("multipart/x-mixed-replace; boundary=frame", parts, rate, repeat=True)


def transport_stream(path: Path, seconds: float) -> contextlib.AbstractContextManager[LiveStream]:
    """Serve a file of this duration in real time."""
    data, count = path.read_bytes(), round(50 * seconds)
    size: Any = -(-len(data) // count // 188) * 188
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    return serve_stream("video/mp2t", parts, len(parts) / seconds, repeat=False)
