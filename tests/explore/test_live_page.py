"""`detect --show` on a local page and in a window: what they show, who can reach the page, and the end."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from explorers import PROGRAM, request, token
from images import ROOT
from live_streams import motion_jpeg
from mtcnn_cpp.cli import app
from mtcnn_cpp.media import window
from study import rows_of
from typer.testing import CliRunner
from x_window import close_window

cv2 = pytest.importorskip("cv2")
pytest.importorskip("starlette", reason="needs the extra: pip install 'mtcnn-cpp[explore]'")
pytest.importorskip("uvicorn", reason="needs the extra: pip install 'mtcnn-cpp[explore]'")
from mtcnn_cpp.explore import live, server  # noqa: E402

STATUS = r"frame (\d+), \d+\.\d s, 1 face, \d+\.\d frames/s, (\d+) dropped"


@contextlib.contextmanager
def command(source: str, *arguments: object, **environment: str) -> Iterator[subprocess.Popen[str]]:
    given = ["detect", source, "--show", "--no-browser", *map(str, arguments)]
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *given],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | environment,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=20)


def address_in(process: subprocess.Popen[str]) -> str:
    assert process.stderr
    for line in process.stderr:
        if line.startswith("http://127.0.0.1:"):
            return line.strip()
    raise AssertionError("no address")


def next_frame(address: str, after: int) -> tuple[int, np.ndarray, str]:
    """Return the number, the pixels and the text of the next frame of the page."""
    while True:
        with urllib.request.urlopen(f"{address}api/frame?after={after}", timeout=20) as answer:
            if answer.status == 204:
                continue
            image = cv2.imdecode(np.frombuffer(answer.read(), np.uint8), cv2.IMREAD_COLOR)
            return int(answer.headers["x-number"]), image, answer.headers["x-status"]


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait, without JavaScript in the page: its policy forbids `eval`, which Playwright would use."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def shown_number(page: Any) -> int:
    return int(page.get_attribute("body", "data-number") or 0)


def green(image: np.ndarray) -> int:
    """Return the number of pixels with the color of a box."""
    return int((np.abs(image.astype(int) - (96, 220, 40)).max(axis=2) < 40).sum())


def test_the_page_in_chromium(browser: Any, tmp_path: Path) -> None:
    """It shows new frames with boxes, and their numbers; at the end it says so. Ctrl-C keeps the table."""
    table = tmp_path / "t.jsonl"
    errors: list[str] = []
    with motion_jpeg() as stream, command(stream.address, "--port", 0, "-o", table) as process:
        address = address_in(process)
        page = browser.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda line: line.type in ("error", "warning") and errors.append(line.text))
        page.goto(address)
        wait_until(lambda: shown_number(page) >= 3)
        before = re.fullmatch(STATUS, page.inner_text("#numbers"))
        assert before is not None
        number = shown_number(page)
        wait_until(lambda: shown_number(page) > number)
        assert page.inner_text("#source") == stream.address
        assert page.title().startswith(stream.address)
        size = page.evaluate(
            "[document.querySelector('canvas').width, document.querySelector('canvas').height]"
        )
        assert size == [240, 192]
        shown = cv2.imdecode(np.frombuffer(page.locator("canvas").screenshot(), np.uint8), cv2.IMREAD_COLOR)
        assert green(shown) > 100
        assert errors == []
        process.send_signal(signal.SIGINT)
        wait_until(lambda: "has ended" in page.inner_text("#state"))
        _, text = process.communicate(timeout=20)
        assert process.returncode == 0, text
        page.close()
    rows = rows_of(table)
    assert len(rows) >= int(before[1]) - int(before[2])
    assert all(row["success"] == 1 and not row["error"] for row in rows)
    assert re.search(r"processed \d+ images and frames, found \d+ faces; \d+ frames? dropped; table: ", text)


def test_closing_the_page_ends_the_program(browser: Any) -> None:
    with motion_jpeg() as stream, command(stream.address, "--port", 0) as process:
        address = address_in(process)
        page = browser.new_page()
        page.goto(address)
        wait_until(lambda: shown_number(page) >= 2)
        page.reload()  # the page comes back at once, so the program continues
        wait_until(lambda: shown_number(page) >= 2)
        assert process.poll() is None
        page.close()
        out, text = process.communicate(timeout=30)
    assert process.returncode == 0, text
    assert out == ""  # without --output and --format, rows are not printed
    assert "frames dropped" in text or "frame dropped" in text


def test_access() -> None:
    """The rules of the explorer's server: token, host, origin, GET, files; and the security headers."""
    with motion_jpeg() as stream, command(stream.address, "--port", 0) as process:
        address = address_in(process)
        right = token(address)
        number, image, status = next_frame(address, 0)
        assert image.shape == (192, 240, 3)
        assert green(image) > 100
        assert re.fullmatch(STATUS, status)
        assert next_frame(address, number)[0] > number
        answer = request(address)
        assert answer[0] == 200
        policy = answer[1]["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        for path in ("/", f"/{right[:-1]}/", "/api/frame", f"/{right[:-1]}/api/frame"):
            assert request(address, path)[0] == 403, path
        frame = f"/{right}/api/frame"
        assert request(address, frame, Host="evil.example")[0] == 403
        assert request(address, frame, Origin="http://evil.example")[0] == 403
        assert request(address, frame, Sec_Fetch_Site="cross-site")[0] == 403
        assert request(address, frame, "POST")[0] == 405
        for path in ("live.py", "../live.py", "..%2flive.py", "main.js", "api/values", "api/nothing"):
            assert request(address, f"/{right}/{path}")[0] in (403, 404), path
        stream.pause.set()
        time.sleep(1)
        last = next_frame(address, 0)[0]
        before = time.monotonic()
        assert request(address, f"{frame}?after={last}")[0] == 204  # the answer waits for a newer frame
        assert time.monotonic() - before > 0.5
        for after in ("-1", "x", "9" * 400, "%00", "1.5"):  # read as 0: the newest frame
            assert request(address, f"{frame}?after={after}")[0] == 200, after


def test_files_of_the_page() -> None:
    """No file parses markup or code, or requests another server."""
    folder = ROOT / "python" / "mtcnn_cpp" / "explore" / "live_page"
    text = "".join(file.read_text("utf-8") for file in folder.iterdir())
    assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|\beval\b|Function\(|https?://", text)
    page = (folder / "index.html").read_text("utf-8")
    assert not re.search(r"<script(?![^>]* src=)|<style|\son\w+=|style=", page)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    result = CliRunner().invoke(app, ["detect", "camera:0", "--show", "--port", "0"])
    assert result.exit_code == 2
    assert "--show on a local page needs the package 'uvicorn'" in result.stderr
    assert "pip install 'mtcnn-cpp[explore]'" in result.stderr


# The window


def test_a_display_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    """Qt would end the process."""
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert window.find_window_problem() == "there is no display"
    monkeypatch.setenv("DISPLAY", ":9876")
    assert window.find_window_problem() in (
        "OpenCV cannot open a window on this display",
        "this build of OpenCV has no windows",
    )


@pytest.mark.parametrize("width", [1, 240, 641, 1920])
def test_the_status_line(width: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (50, width, 3), np.uint8)
    text = "frame 123456, 55555.5 s, 12 faces, 30.0 frames/s, 123456 dropped"
    shown = window.add_status_line(image, text)
    factor = {1: 640, 240: 3}.get(width, 1)
    assert shown.shape[1] == factor * width
    assert np.array_equal(shown[: 50 * factor : factor, ::factor], image)
    line = shown[50 * factor :]
    assert (line > 150).sum() > 500  # text
    assert (line[:, -2:] == 32).all()  # the text ends before the edge


@pytest.fixture
def display() -> Iterator[str]:
    """A virtual display."""
    for program in ("Xvfb", "xdotool"):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}: apt-get install xvfb xdotool")
    reading, writing = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-noreset", "-displayfd", str(writing), "-screen", "0", "800x600x24", "-nolisten", "tcp"],
        pass_fds=[writing], stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(writing)
    try:
        with os.fdopen(reading) as file:
            name = f":{file.readline().strip()}"
        assert name != ":"
        yield name
    finally:
        server.terminate()
        server.wait(20)


def xdotool(display: str, *arguments: str) -> str:
    done = subprocess.run(
        ["xdotool", *arguments], env=os.environ | {"DISPLAY": display}, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.mark.parametrize("ending", ["q", "close", "Ctrl-C"])
def test_the_window(display: str, ending: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DISPLAY", display)
    if problem := window.find_window_problem():
        pytest.skip(f"{problem}: install opencv-python, not opencv-python-headless")
    grab = pytest.importorskip("PIL.ImageGrab", reason="needs Pillow to read the display")
    table = tmp_path / "t.csv"
    with motion_jpeg() as stream, command(stream.address, "-o", table, DISPLAY=display) as process:
        deadline = time.monotonic() + 30
        image = np.zeros((1, 1, 3), np.uint8)
        while green(image) < 100 and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.2)
            image = np.array(grab.grab(xdisplay=display).convert("RGB"))[..., ::-1]
        assert green(image) > 100
        found = xdotool(display, "search", "--name", re.escape(stream.address)).split()
        assert found
        if ending == "Ctrl-C":
            process.send_signal(signal.SIGINT)
        elif ending == "close":
            close_window(display, int(found[-1]))
        else:
            xdotool(display, "windowfocus", found[-1])
            xdotool(display, "key", "--window", found[-1], ending)
        out, text = process.communicate(timeout=20)
    assert process.returncode == 0, text
    assert out == ""
    assert "http://" not in text.replace(stream.address, "")  # no page
    assert re.search(r"processed \d+ images and frames", text)
    rows = rows_of(table)
    assert rows
    assert not any(row["error"] for row in rows)


def test_a_waiting_request_gets_the_next_frame_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only when its time is over."""
    monkeypatch.setattr(live, "WAIT_SECONDS", 200.0)  # longer than the time-out of the request
    with live.LivePage("clip", server.bind_socket(0)) as page, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(next_frame, page.address, 0)
        wait_until(lambda: page._waiting == 1)
        page.show(np.zeros((8, 8, 3), np.uint8), "first")
        number, _, status = waiting.result(20)
    assert (number, status) == (1, "first")
