"""Images at http:// addresses are fetched and decoded like files; streams stay streams; errors are clear."""

from __future__ import annotations

import base64
import contextlib
import http.server
import io
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import PIL.Image
import png
import pytest
from clips import even, write
from images import portrait
from mtcnn_cpp import Detector
from mtcnn_cpp.jobs import arrow
from mtcnn_cpp.jobs.plan import make_plan
from mtcnn_cpp.storage import web
from study import rows_of, run

cv2 = pytest.importorskip("cv2")
Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


def turned_jpeg(orientation: int = 6) -> bytes:
    """The portrait on its side, with an Exif tag that turns it back."""
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    image = PIL.Image.fromarray(np.ascontiguousarray(np.rot90(portrait()[..., ::-1])))
    image.save(file, "JPEG", quality=95, exif=exif)
    return file.getvalue()


@contextlib.contextmanager
def serving(answers: dict[str, bytes | Answer]) -> Iterator[str]:
    """A server on this machine; its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = answers.get(self.path.partition("?")[0])
            with contextlib.suppress(OSError):  # a client that went away
                if answer is None:
                    self.send_error(404)
                elif callable(answer):
                    answer(self)
                else:
                    send(self, answer)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def send(
    handler: http.server.BaseHTTPRequestHandler,
    data: bytes,
    kind: str = "application/octet-stream",
    status: int = 200,
    **headers: object,
) -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    for name, value in ({"Content_Length": len(data)} | headers).items():
        handler.send_header(name.replace("_", "-"), str(value))
    handler.end_headers()
    handler.wfile.write(data)


def redirect(to: str) -> Answer:
    return lambda handler: send(handler, b"", status=302, Location=to)


def numbers(path: Path) -> list[dict[str, object]]:
    return [row | {"source": ""} for row in rows_of(path)]


@pytest.mark.parametrize("name", ["/photo.jpg", "/photo", "/photo.png", "/photo.php?id=7.mp4", "/a b/ä.jpg"])
def test_an_image_gives_what_its_file_gives(name: str, tmp_path: Path) -> None:
    data = turned_jpeg()
    (tmp_path / "photo.jpg").write_bytes(data)
    assert run(tmp_path / "photo.jpg", "-o", tmp_path / "a.jsonl").exit_code == 0
    path = {"/a b/ä.jpg": "/a%20b/%C3%A4.jpg"}.get(name, name).partition("?")[0]
    with serving({path: data}) as server:
        result = run(server + name, "-o", tmp_path / "b.jsonl", "--save-dir", tmp_path / "seen")
    assert result.exit_code == 0, result.stderr
    assert "1 image" in result.stderr
    assert numbers(tmp_path / "a.jsonl") == numbers(tmp_path / "b.jsonl")
    (row,) = rows_of(tmp_path / "b.jsonl")
    assert (row["success"], row["source"]) == (1, server + name)
    assert len(list((tmp_path / "seen").iterdir())) == 1


@pytest.mark.skipif(
    not hasattr(cv2, "imdecodeanimation"), reason="this OpenCV does not read animations (4.12 and newer do)"
)
def test_animations_and_resuming(tmp_path: Path) -> None:
    file = io.BytesIO()
    images = [PIL.Image.fromarray(np.ascontiguousarray(portrait()[..., ::-1]))] * 2
    images[0].rotate(3).save(file, "GIF", save_all=True, append_images=images)
    answers: dict[str, bytes | Answer] = {"/x/a.gif": file.getvalue()}
    with serving(answers) as server:
        names = [f"{server}/x/a.gif", f"{server}/x//a.gif", f"{server}/b.png"]
        assert run(*names, "-o", tmp_path / "parts/", "--format", "csv").exit_code == 1
        answers["/b.png"] = answers["/x//a.gif"] = png.encode(portrait())
        result = run(*names, "-o", tmp_path / "parts/", "--format", "csv", "--resume")
    assert result.exit_code == 0, result.stderr
    assert "1 source already done" in result.stderr
    assert sorted(str(row["source"]) for row in rows_of(tmp_path / "parts")) == sorted([names[0], *names])


@pytest.mark.parametrize("name", ["/clip.ts", "/clip", "/clip.jpg", "/clip.mp4"])
def test_a_video_is_read_as_a_stream_under_any_name(name: str, tmp_path: Path) -> None:
    data = write(tmp_path / "clip.ts", even(4)).read_bytes()
    with serving({name: data}) as server:
        assert run(server + name, "-o", tmp_path / "t.jsonl").exit_code == 0
    assert [row["frame"] for row in rows_of(tmp_path / "t.jsonl")] == [1, 2, 3, 4]


@pytest.mark.parametrize("name", ["/mjpg/video.mjpg", "/stream", "/cam.jpg"])
def test_motion_jpeg_of_a_camera_is_a_stream(name: str, tmp_path: Path) -> None:
    """multipart/x-mixed-replace, which does not end while a client is connected."""
    jpeg = turned_jpeg(1)

    def camera(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=x")
        handler.end_headers()
        for _ in range(3):
            head = f"--x\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            handler.wfile.write(head.encode() + jpeg + b"\r\n")

    with serving({name: camera}) as server:
        run(server + name, "-o", tmp_path / "t.jsonl")
    rows = rows_of(tmp_path / "t.jsonl")
    assert len([row for row in rows if not row["error"]]) >= 2


NOT_VALID = ["http://[bad/a.jpg", "http://a b/c.jpg", "http://host:x/a.jpg", "http://", "https:///a.jpg"]
ERRORS: dict[str, tuple[bytes | Answer | None, str]] = {
    "/missing.jpg": (None, "there is nothing at this address: the server responds with 404"),
    "/missing": (None, "there is nothing at this address: the server responds with 404"),
    "/secret.jpg": (lambda handler: send(handler, b"", status=403), "denied: the server responds with 403"),
    "/broken.jpg": (lambda handler: send(handler, b"", status=500), "fetched: the server responds with 500"),
    "/page.jpg": (
        lambda handler: send(handler, b"<html>hello", "text/html; charset=utf-8"),
        "is not an image: the server sends text/html",
    ),
    "/empty.jpg": (b"", "is empty, expected an image file"),
    "/noise.jpg": (b"no image" * 99, "is not an image that OpenCV can read"),
    "/cut.jpg": (turned_jpeg()[:-500], "is truncated"),
    "/short.jpg": (
        lambda handler: send(handler, turned_jpeg(), Content_Length=1 << 20),
        "the connection broke, ",
    ),
    "/large.jpg": (
        lambda handler: send(handler, turned_jpeg(), Content_Length=1 << 40),
        "expected an image of at most 268435456 bytes, found more",
    ),
    "/file.jpg": (redirect("file:///etc/passwd"), "cannot be fetched: the server responds with 302"),
    "/ftp.jpg": (redirect("ftp://127.0.0.1/a.jpg"), "cannot be fetched: the server responds with 302"),
    "/round.jpg": (redirect("/round.jpg"), "cannot be fetched: the server responds with 302"),
    "/garbage.jpg": (
        lambda handler: [handler.wfile.write(b"hello\r\n\r\n"), None][1],
        "the server's answer is not valid HTTP",
    ),
    "/nothing.jpg": (lambda handler: None, "no connection to the server"),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str, tmp_path: Path) -> None:
    answer, message = ERRORS[name]
    with serving({} if answer is None else {name: answer}) as server:
        result = run(server + name, "-o", tmp_path / "t.csv")
    assert result.exit_code == 1
    (row,) = rows_of(tmp_path / "t.csv")
    assert message in str(row["error"]), row["error"]
    assert str(row["error"]).startswith(server + name)
    assert "\n" not in str(row["error"])


def test_nobody_answers(tmp_path: Path) -> None:
    with serving({}) as server:
        pass
    result = run(f"{server}/a.jpg", f"{server}/b", "-o", tmp_path / "t.csv")
    assert result.exit_code == 1
    errors = [str(row["error"]) for row in rows_of(tmp_path / "t.csv")]
    assert all("no connection to the server (Connection refused)" in error for error in errors)


@pytest.mark.parametrize("name", NOT_VALID)
def test_addresses_that_are_not_valid(name: str, tmp_path: Path) -> None:
    """An error row of that source; the others are done."""
    result = run(name, "--sample", "-o", tmp_path / "t.csv")
    assert result.exit_code == 1, result.output
    rows = rows_of(tmp_path / "t.csv")
    assert len(rows) == 2
    assert [bool(row["error"]) for row in rows].count(True) == 1


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(turned_jpeg())

    def slow(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        for byte in turned_jpeg():
            handler.wfile.write(bytes([byte]))
            time.sleep(0.05)

    def slow_head(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for number in range(1000):
            handler.wfile.write(f"X-{number}: x\r\n".encode())
            time.sleep(0.05)

    with serving({"/endless": endless, "/slow": slow, "/head": slow_head}) as server:
        with pytest.raises(
            ValueError, match=r"/endless: expected an image of at most 1000000 bytes, found more"
        ):
            web.fetch(f"{server}/endless", limit=1_000_000)
        for name in ("slow", "head"):
            with pytest.raises(TimeoutError, match=rf"/{name}: not complete after 0\.5 s"):
                web.fetch(f"{server}/{name}", seconds=0.5)
            stop = threading.Event()
            threading.Timer(0.2, stop.set).start()
            with pytest.raises(InterruptedError, match=rf"/{name}: cancelled before"):
                web.fetch(f"{server}/{name}", stop=stop)
        monkeypatch.setattr(web, "SILENCE", 0.2)
        with (
            serving({"/silent": lambda handler: time.sleep(2)}) as other,
            pytest.raises(TimeoutError, match=r"/silent: the server has sent no data for 0\.2 s"),
        ):
            web.fetch(f"{other}/silent")


def test_redirects_and_passwords(tmp_path: Path) -> None:
    """The password goes to its own server only, and is in no table and no message."""
    heard: list[str | None] = []

    def needs_login(handler: http.server.BaseHTTPRequestHandler) -> None:
        heard.append(handler.headers.get("Authorization"))
        if heard[-1] is None:
            send(handler, b"", status=401, WWW_Authenticate='Basic realm="x"')
        else:
            send(handler, turned_jpeg())

    other_heard: list[str | None] = []

    def other_answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        other_heard.append(handler.headers.get("Authorization"))
        send(handler, turned_jpeg())

    with serving({"/b.jpg": other_answer}) as other:
        answers: dict[str, bytes | Answer] = {"/a.jpg": needs_login, "/moved.jpg": redirect(f"{other}/b.jpg")}
        with serving(answers) as server:
            host = server.removeprefix("http://")
            for name in ("a.jpg", "moved.jpg", "none.jpg"):
                result = run(f"http://me:s3cret/@?#@{host}/{name}", "-o", tmp_path / f"{name}.csv")
                assert result.exit_code == (name == "none.jpg"), result.stderr
                assert "s3cret" not in result.output + (tmp_path / f"{name}.csv").read_text()
    assert heard == [None, "Basic " + base64.b64encode(b"me:s3cret/@?#").decode()]
    assert other_heard == [None]


def test_names_that_say_nothing_are_asked_for(tmp_path: Path) -> None:
    with serving({"/x": turned_jpeg(), "/v": write(tmp_path / "v.ts", even(2)).read_bytes()}) as server:
        kinds = [
            source.kind for source in make_plan([f"{server}/{name}" for name in ("x", "v", "none")]).sources
        ]
    assert kinds == ["image", "live", "image"]
    addresses = [
        "http://host.invalid/a.m3u8.jpg",
        "https://host.invalid/clip.MP4?x=1",
        "rtsp://host.invalid/a.jpg",
    ]
    assert [source.kind for source in make_plan(addresses).sources] == ["image", "live", "live"]


def test_arrow_and_python() -> None:
    pyarrow = pytest.importorskip("pyarrow")
    with serving({"/a.jpg": turned_jpeg(), "/v.jpg": b"\0\0\0\x20ftypisom" + bytes(600)}) as server:
        found = arrow.detect(pyarrow.table({"path": [f"{server}/a.jpg", f"{server}/v.jpg"]}))
        assert [len(faces or ()) for faces in found["faces"].to_pylist()] == [1, 0]
        assert "/v.jpg is a video or a stream, expected an image" in found["error"].to_pylist()[1]
        with pytest.raises(
            ValueError, match=r"/a\.jpg is a web address, expected an image file; download it"
        ):
            Detector().detect(f"{server}/a.jpg")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals for processes")
def test_ctrl_c_does_not_wait_for_a_server(tmp_path: Path) -> None:
    asked = threading.Event()

    def silent(handler: http.server.BaseHTTPRequestHandler) -> None:
        asked.set()
        time.sleep(8)

    code = "import signal, sys; signal.signal(2, signal.default_int_handler)\n"
    code += "from mtcnn_cpp.cli import app; app(sys.argv[1:])"
    with serving({"/a.jpg": silent}) as server:
        command = [sys.executable, "-c", code, "detect", f"{server}/a.jpg", "-o", str(tmp_path / "t.csv")]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert asked.wait(60)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=5)
    assert process.returncode == 130, told
