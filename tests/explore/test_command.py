"""`mtcnn-cpp explore` as a command: addresses, what it refuses, how it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from mtcnn_cpp import Detector
from mtcnn_cpp.cli import app
from mtcnn_cpp.trace import Trace
from pictures import portrait
from typer.testing import CliRunner

pytest.importorskip("starlette", reason="needs the extra: pip install 'mtcnn-cpp[explore]'")
pytest.importorskip("uvicorn", reason="needs the extra: pip install 'mtcnn-cpp[explore]'")


# `python -m mtcnn_cpp` that hears Ctrl-C also where the tests run in the background, which ignores it.
PROGRAM = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("mtcnn_cpp", run_name="__main__", alter_sys=True)
"""


@contextmanager
def command(*words: object, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The running command and the line that it printed."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "explore", *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | environment,
    )  # fmt: skip
    try:
        assert process.stdout
        yield process, process.stdout.readline().strip()
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=20)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM that a process can catch")
@pytest.mark.parametrize(("ending", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_picture_until_it_is_ended(files: dict[str, Path], tmp_path: Path, ending: int, code: int) -> None:
    with command(files["picture.png"], "--no-browser", "--min-face", 50, TMPDIR=str(tmp_path)) as (
        process,
        line,
    ):
        assert line.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(f"{line}api/about", timeout=20) as found:
            text = found.read().decode()
        assert '"label":"picture.png"' in text
        assert '"min_face":50.0' in text
        assert len(os.listdir(tmp_path)) == 1  # its trace
        process.send_signal(ending)
        out, err = process.communicate(timeout=20)
        assert process.returncode == code, err
        assert out == ""  # the address, and nothing else
        assert err == ("the explorer has ended\n" if ending == signal.SIGINT else "")
        assert os.listdir(tmp_path) == []


@pytest.mark.skipif(os.name == "nt", reason="signals as on POSIX")
def test_it_ends_while_traces_are_compared(files: dict[str, Path]) -> None:
    with command(files["right.npz"], files["wrong.npz"], "--no-browser") as (process, line):
        connection = socket.create_connection(("127.0.0.1", int(line.split(":")[2].split("/")[0])), 20)
        process.send_signal(signal.SIGINT)  # with a connection open
        process.communicate(timeout=20)
        assert process.returncode == 130
        connection.close()


def test_the_port_that_was_asked_for(files: dict[str, Path]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = CliRunner().invoke(
            app, ["explore", str(files["right.npz"]), "--port", str(port), "--no-browser"]
        )
    assert result.exit_code == 2
    assert (
        result.stderr
        == f"error: port {port} of 127.0.0.1 is in use already; give another one (--port), or leave it out\n"
    )
    with command(files["right.npz"], "--no-browser", "--port", port) as (_, line):
        assert line.startswith(f"http://127.0.0.1:{port}/")
        with command(files["right.npz"], "--no-browser", "--port", port) as (second, nothing):
            assert nothing == ""
            assert "is in use already" in second.communicate(timeout=20)[1]
            assert second.returncode == 2


def test_only_this_machine(files: dict[str, Path]) -> None:
    with command(files["right.npz"], "--no-browser") as (process, line):
        port = int(line.split(":")[2].split("/")[0])
        for address in {found[4][0] for found in socket.getaddrinfo(socket.gethostname(), None)} | {
            "127.0.0.2"
        }:
            if address in ("127.0.0.1", "::1"):
                continue
            with pytest.raises(OSError, match=r"."):
                socket.create_connection((address, port), 2)
        assert process.poll() is None


def refusal(*words: object) -> str:
    result = CliRunner().invoke(app, ["explore", *map(str, words), "--no-browser"])
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    return result.stderr


def test_what_is_no_trace_and_no_picture(tmp_path: Path, files: dict[str, Path]) -> None:
    words = tmp_path / "notes.txt"
    words.write_text("words")
    assert f"{words} is neither a trace (.npz, made by mtcnn-cpp dump) nor a picture" in refusal(words)
    arrays = tmp_path / "arrays.npz"
    np.savez(arrays, a=np.ones(3))
    assert "is not a trace: it has no manifest" in refusal(arrays)
    assert "no such file" in refusal(tmp_path / "nothing.npz")
    assert "is a folder" in refusal(tmp_path)
    cut = tmp_path / "cut.npz"
    cut.write_bytes(files["right.npz"].read_bytes()[:90_000])
    assert "is not a trace, or truncated" in refusal(files["right.npz"], cut)
    empty = tmp_path / "empty.npz"
    Trace.from_arrays({}).save(empty)
    assert "is a trace without tensors" in refusal(empty)
    assert "--port must be from 0" in refusal(files["right.npz"], "--port", 70000)
    assert "matches no tensor name" in refusal(files["right.npz"], files["wrong.npz"], "--only", "nothing*")
    assert "matches no tensor name" in refusal(files["right.npz"], files["wrong.npz"], "--tolerance", "x=1")


def test_two_that_cannot_be_compared(tmp_path: Path, files: dict[str, Path]) -> None:
    """As `diff` says it."""
    other = tmp_path / "other.npz"
    Detector().trace(255 - portrait()).save(other)
    words = refusal(files["right.npz"], other)
    assert words.startswith("error: the traces are of different pictures: ")
    assert words == CliRunner().invoke(app, ["diff", str(files["right.npz"]), str(other)]).stderr
    strange = tmp_path / "strange.npz"
    Trace.from_arrays({"x": np.ones(3)}).save(strange)
    assert "none has the same name" in refusal(files["right.npz"], strange)


def test_a_picture_beside_a_trace(files: dict[str, Path]) -> None:
    with command(files["picture.png"], files["wrong.npz"], "--no-browser") as (_, line):
        with urllib.request.urlopen(f"{line}api/about", timeout=20) as found:
            text = found.read().decode()
        assert '"label":"picture.png"' in text
        assert '"label":"wrong.npz"' in text


def test_the_picture_that_comes_along() -> None:
    with command("--sample", "--no-browser") as (_, line):
        assert line.startswith("http://127.0.0.1:")
    assert refusal() == "error: expected one or two, each a picture or a trace file, found 0\n"
    assert "found 3" in refusal("--sample", "a.npz", "b.npz")


def test_a_picture_that_would_fill_the_disk(tmp_path: Path) -> None:
    import cv2

    path = tmp_path / "huge.png"
    cv2.imwrite(str(path), np.zeros((4000, 6000, 3), np.uint8))
    words = refusal(path, "--min-face", 1)
    assert "more than 2 GiB; look for larger faces (--min-face)" in words


def test_without_the_extra(files: dict[str, Path]) -> None:
    code = f"""
import sys
sys.modules["uvicorn"] = None
from mtcnn_cpp.cli import app
app(["explore", {str(files["right.npz"])!r}])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "pip install 'mtcnn-cpp[explore]'" in done.stderr


def test_the_command_line_stays_light() -> None:
    code = "import sys; import mtcnn_cpp.cli; print({'starlette', 'uvicorn'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "set()\n"
