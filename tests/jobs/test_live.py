"""Streams: until they end, stall, or Ctrl-C; the table is complete in any case."""

from __future__ import annotations

import http.server
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from clips import even, write
from mtcnn_cpp.media.video import Sampling, Video
from study import rows_of, run

COUNT = 200


class Server(http.server.BaseHTTPRequestHandler):
    """Sends a clip as slowly as a camera."""

    data = b""
    pause = 0.0
    sent = 0  # bytes of the last response

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "video/mp2t")
        self.end_headers()
        for at in range(0, len(self.data), 1880):
            Server.sent = at
            try:
                self.wfile.write(self.data[at : at + 1880])
            except OSError:  # the reader has gone
                return
            time.sleep(self.pause)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write(tmp_path_factory.mktemp("clip") / "clip.ts", even(COUNT)).read_bytes()


@pytest.fixture
def stream(clip: bytes, tmp_path: Path) -> Iterator[str]:
    (tmp_path / "clip.ts").write_bytes(clip)
    Server.data = clip
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/clip.ts"
        server.shutdown()
        thread.join()


def test_a_stream_that_ends(stream: str, tmp_path: Path) -> None:
    Server.pause = 0.0
    assert run(stream, "-o", tmp_path / "t.jsonl", "--every", 20).exit_code == 0
    found = [row | {"source": "x"} for row in rows_of(tmp_path / "t.jsonl")]
    assert run(tmp_path / "clip.ts", "-o", tmp_path / "u.jsonl", "--every", 20).exit_code == 0
    assert found == [row | {"source": "x"} for row in rows_of(tmp_path / "u.jsonl")]
    assert len(found) == COUNT // 20


@pytest.mark.parametrize("options", [["--fps", "2"], ["--frames", "5:20", "--every", "5"]])
def test_frames_of_a_stream(options: list[str], stream: str, tmp_path: Path) -> None:
    """A live source is sampled by its times and numbers like a file."""
    Server.pause = 0.0
    for source, table in ((stream, "t.csv"), (tmp_path / "clip.ts", "u.csv")):
        assert run(source, "-o", tmp_path / table, *options).exit_code == 0
    rows = rows_of(tmp_path / "t.csv")
    assert [row | {"source": ""} for row in rows] == [
        row | {"source": ""} for row in rows_of(tmp_path / "u.csv")
    ]
    assert len(rows) == (16 if "--fps" in options else 3)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals for processes")
@pytest.mark.parametrize("output", ["t.jsonl", "parts"])
def test_ctrl_c_ends_a_stream_in_order(stream: str, output: str, tmp_path: Path) -> None:
    """The table is complete, with the rows so far; exit code 0."""
    Server.pause, Server.sent = 0.02, 0
    code = "import signal, sys; signal.signal(2, signal.default_int_handler)\n"
    code += "from mtcnn_cpp.cli import app; app(sys.argv[1:])"
    command = [
        sys.executable,
        "-c",
        code,
        "detect",
        stream,
        "-o",
        str(tmp_path / output),
        "--format",
        "jsonl",
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while Server.sent < len(Server.data) / 2 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=30)
    assert process.returncode == 0, told
    table = rows_of(tmp_path / output)
    assert 0 < len(table) < COUNT
    with Video(tmp_path / "clip.ts") as video:
        frames = list(video.frames(Sampling(frames=(1, len(table)))))
    assert [row["timestamp"] for row in sorted(table, key=lambda row: int(str(row["frame"])))] == [
        frame.time for frame in frames
    ]
    assert "processed" in told


def test_a_live_source_cannot_be_resumed(stream: str, tmp_path: Path) -> None:
    Server.pause = 0.0
    assert run(stream, "-o", tmp_path / "parts/", "--every", 50).exit_code == 0
    result = run(stream, "-o", tmp_path / "parts/", "--every", 50, "--resume")
    assert result.exit_code == 2
    assert "is a live source; it cannot be read again" in result.stderr


def test_a_camera_that_is_not_there(tmp_path: Path) -> None:
    result = run("camera:97", "--sample", "-o", tmp_path / "t.csv")
    assert result.exit_code == 1
    assert "camera:97: there is no camera 97, or another program uses it" in result.stderr
    assert len(rows_of(tmp_path / "t.csv")) == 2
