"""`detect --ray`: errors before a job starts."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import png
import pytest
from clips import make_frame
from study import run

pytest.importorskip("cv2")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "a.png"
    path.write_bytes(png.encode(make_frame(0)))
    return path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["-o", "t.csv"],
            "--ray writes part files to a folder that all machines share; give this folder, with a slash at ",
        ),
        ([], "--ray writes part files to a folder"),
        (["-o", "parts/", "--save-dir", "d"], "--save-aligned cannot be combined with --ray"),
        (["-o", "parts/", "--save-crops", "d"], "--save-aligned cannot be combined with --ray"),
        (["-o", "parts/", "--save-aligned", "d"], "--save-aligned cannot be combined with --ray"),
        (["-o", "parts/", "-"], "Ray workers cannot read standard input;"),
        (["-o", "parts/", "camera:0"], "Ray workers cannot read camera:0;"),
        (["-o", "parts/", "rtsp://u:secret@host/a"], "Ray workers cannot read rtsp://***@host/a;"),
    ],
)
def test_what_a_cluster_cannot_do(
    arguments: list[str], message: str, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photo.parent)
    result = run(photo, "--ray", "auto", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert [file.name for file in photo.parent.iterdir()] == ["a.png"]


def test_without_ray(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    result = run(photo, "-o", photo.parent / "parts", "--ray", "auto")
    assert result.exit_code == 2
    assert "a Ray cluster needs the package 'ray', which is not installed" in result.stderr
    assert "pip install 'mtcnn-cpp[ray]'" in result.stderr
    assert not (photo.parent / "parts").exists()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("nonsense", "the address of Ray must be auto, local or host:port, got 'nonsense'"),
        ("", "the address of Ray must be auto, local or host:port, got ''"),
        ("host:99999", "the address of Ray must be"),
        ("ray://host:10001", "ray://host:10001: Ray Client is not supported"),
        ("127.0.0.1:PORT", "no Ray cluster answers at 127.0.0.1:PORT (Connection refused)"),
        ("no-such-host.invalid:6379", "no Ray cluster answers at no-such-host.invalid:6379"),
    ],
)
def test_addresses_where_nothing_answers(address: str, message: str, photo: Path) -> None:
    pytest.importorskip("ray.data", reason="needs ray[data], the extra 'ray'")
    port = str(free_port())
    result = run(photo, "-o", photo.parent / "parts", "--ray", address.replace("PORT", port))
    assert result.exit_code == 2
    assert message.replace("PORT", port) in result.stderr
    assert not (photo.parent / "parts").exists()


def test_an_address_that_is_silent(photo: Path) -> None:
    """A server accepts the connection and never answers: an error, and the command ends."""
    pytest.importorskip("ray.data", reason="needs ray[data], the extra 'ray'")
    code = """
import sys
from mtcnn_cpp.jobs.ray import connection
connection.CONNECT_SECONDS = 2.0
from mtcnn_cpp.cli import app
app(sys.argv[1:], prog_name="mtcnn-cpp")
"""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        command = [sys.executable, "-c", code, "detect", str(photo), "-o", str(photo.parent / "parts")]
        result = subprocess.run(
            [*command, "--ray", address], capture_output=True, text=True, check=False, timeout=60
        )
    assert result.returncode == 2, result.stderr
    assert f"no Ray cluster accepts connections at {address}" in result.stderr
    assert result.stdout == ""
    assert not (photo.parent / "parts").exists()
