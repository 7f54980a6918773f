"""`mtcnn-cpp explore` as a command: address, errors, end."""

from __future__ import annotations

import errno
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
from explorers import PROGRAM
from images import portrait
from mtcnn_cpp import Detector
from mtcnn_cpp.cli import app
from mtcnn_cpp.trace import Trace
from typer.testing import CliRunner

pytest.importorskip("starlette", reason="needs the extra: pip install 'mtcnn-cpp[explore]'")
pytest.importorskip("uvicorn", reason="needs the extra: pip install 'mtcnn-cpp[explore]'")


@contextmanager
def command(*arguments: object, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the command; return the process and the first line that it prints."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "explore", *map(str, arguments)],
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
def test_image_until_signal(files: dict[str, Path], tmp_path: Path, ending: int, code: int) -> None:
    with command(files["image.png"], "--no-browser", "--min-face", 50, TMPDIR=str(tmp_path)) as (
        process,
        line,
    ):
        assert line.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(f"{line}api/about", timeout=20) as found:
            text = found.read().decode()
        assert '"label":"image.png"' in text
        assert '"min_face":50.0' in text
        assert len(os.listdir(tmp_path)) == 1  # its trace
        process.send_signal(ending)
        out, err = process.communicate(timeout=20)
        assert process.returncode == code, err
        assert out == ""  # the address, and nothing else
        assert err == ("the explorer has ended\n" if ending == signal.SIGINT else "")
        assert os.listdir(tmp_path) == []


@pytest.mark.skipif(os.name == "nt", reason="signals as on POSIX")
def test_ends_during_the_comparison(files: dict[str, Path]) -> None:
    with command(files["correct.npz"], files["faulty.npz"], "--no-browser") as (process, line):
        connection = socket.create_connection(("127.0.0.1", int(line.split(":")[2].split("/")[0])), 20)
        process.send_signal(signal.SIGINT)  # with a connection open
        process.communicate(timeout=20)
        assert process.returncode == 130
        connection.close()


def test_port(files: dict[str, Path]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = CliRunner().invoke(
            app, ["explore", str(files["correct.npz"]), "--port", str(port), "--no-browser"]
        )
    assert result.exit_code == 2
    assert (
        result.stderr
        == f"error: port {port} of 127.0.0.1 is already in use; choose another one with --port, or omit "
        "--port for any free port\n"
    )
    with command(files["correct.npz"], "--no-browser", "--port", port) as (_, line):
        assert line.startswith(f"http://127.0.0.1:{port}/")
        with command(files["correct.npz"], "--no-browser", "--port", port) as (second, nothing):
            assert nothing == ""
            assert "is already in use" in second.communicate(timeout=20)[1]
            assert second.returncode == 2


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (
            errno.EACCES,
            "this user may not open port 80 of 127.0.0.1; choose a port above 1023 with --port, or omit "
            "--port for any free port",
        ),
        (errno.EADDRNOTAVAIL, f"port 80 of 127.0.0.1 cannot be opened ({os.strerror(errno.EADDRNOTAVAIL)})"),
    ],
)
def test_port_that_cannot_be_opened(
    files: dict[str, Path], monkeypatch: pytest.MonkeyPatch, number: int, message: str
) -> None:
    """The socket is closed. `bind` is replaced, because root may open every port."""
    opened: list[socket.socket] = []

    class Refusing(socket.socket):
        def bind(self, address: object) -> None:
            opened.append(self)
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(socket, "socket", Refusing)
    assert error_of(files["correct.npz"], "--port", 80) == f"error: {message}\n"
    assert [one.fileno() for one in opened] == [-1]


def test_listens_only_on_this_machine(files: dict[str, Path]) -> None:
    with command(files["correct.npz"], "--no-browser") as (process, line):
        port = int(line.split(":")[2].split("/")[0])
        for address in {found[4][0] for found in socket.getaddrinfo(socket.gethostname(), None)} | {
            "127.0.0.2"
        }:
            if address in ("127.0.0.1", "::1"):
                continue
            with pytest.raises(OSError, match=r"."):
                socket.create_connection((address, port), 2)
        assert process.poll() is None


def error_of(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["explore", *map(str, arguments), "--no-browser"])
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    return result.stderr


def test_invalid_files(tmp_path: Path, files: dict[str, Path]) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("text")
    assert f"{text} is neither a trace (.npz, written by mtcnn-cpp dump) nor an image" in error_of(text)
    arrays = tmp_path / "arrays.npz"
    np.savez(arrays, a=np.ones(3))
    assert "is not a trace: it has no manifest" in error_of(arrays)
    assert "no such file" in error_of(tmp_path / "nothing.npz")
    assert "is a folder" in error_of(tmp_path)
    cut = tmp_path / "cut.npz"
    cut.write_bytes(files["correct.npz"].read_bytes()[:90_000])
    assert "is not a trace, or truncated" in error_of(files["correct.npz"], cut)
    empty = tmp_path / "empty.npz"
    Trace.from_arrays({}).save(empty)
    assert "is a trace without tensors" in error_of(empty)
    assert "--port must be from 0" in error_of(files["correct.npz"], "--port", 70000)
    assert "matches no tensor name" in error_of(
        files["correct.npz"], files["faulty.npz"], "--only", "nothing*"
    )
    assert "matches no tensor name" in error_of(
        files["correct.npz"], files["faulty.npz"], "--tolerance", "x=1"
    )


def test_traces_that_cannot_be_compared(tmp_path: Path, files: dict[str, Path]) -> None:
    """The error is the same as that of `diff`."""
    other = tmp_path / "other.npz"
    Detector().trace(255 - portrait()).save(other)
    message = error_of(files["correct.npz"], other)
    assert message.startswith("error: the traces are of different images: ")
    assert message == CliRunner().invoke(app, ["diff", str(files["correct.npz"]), str(other)]).stderr
    strange = tmp_path / "strange.npz"
    Trace.from_arrays({"x": np.ones(3)}).save(strange)
    assert "and no name is in both" in error_of(files["correct.npz"], strange)


def test_image_and_trace(files: dict[str, Path]) -> None:
    with command(files["image.png"], files["faulty.npz"], "--no-browser") as (_, line):
        with urllib.request.urlopen(f"{line}api/about", timeout=20) as found:
            text = found.read().decode()
        assert '"label":"image.png"' in text
        assert '"label":"faulty.npz"' in text


def test_sample() -> None:
    with command("--sample", "--no-browser") as (_, line):
        assert line.startswith("http://127.0.0.1:")
    assert error_of() == "error: expected one or two files, each an image or a trace, found 0\n"
    assert "found 3" in error_of("--sample", "a.npz", "b.npz")


def test_image_with_too_large_trace(tmp_path: Path) -> None:
    import cv2

    path = tmp_path / "huge.png"
    cv2.imwrite(str(path), np.zeros((4000, 6000, 3), np.uint8))
    assert "more than 2 GiB; increase --min-face" in error_of(path, "--min-face", 1)


def test_without_the_extra(files: dict[str, Path]) -> None:
    code = f"""
import sys
sys.modules["uvicorn"] = None
from mtcnn_cpp.cli import app
app(["explore", {str(files["correct.npz"])!r}])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "pip install 'mtcnn-cpp[explore]'" in done.stderr


def test_command_line_imports_no_server() -> None:
    code = "import sys; import mtcnn_cpp.cli; print({'starlette', 'uvicorn'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "set()\n"
