"""User-specified files: pipes do not block, devices are not read, and a model's index stays in its folder."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from mtcnn_cpp import Model
from mtcnn_cpp._util.user_files import read_file, read_text
from mtcnn_cpp.formats import import_model
from mtcnn_cpp.jobs.plan import make_plan
from mtcnn_cpp.media.image import read_image
from mtcnn_cpp.media.markers import has_marker
from mtcnn_cpp.ports.doctor.trace_diagnosis.candidate import read_name_map
from mtcnn_cpp.storage.folder import open_folder
from mtcnn_cpp.trace.comparison.tolerances import Tolerances
from mtcnn_cpp.trace.file.npz import NpzReader, read_npy

needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")

READERS: dict[str, Callable[[Path], object]] = {
    "file": read_file,
    "text": read_text,
    "names": read_name_map,
    "tolerances": Tolerances.of,
    "image": read_image,
    "index": lambda path: Model.load(path),
    "array": read_npy,
    "trace": NpzReader,
    "folder": lambda path: open_folder(path.parent).read(path.name),
    "list": lambda path: raise_error(make_plan([f"@{path}"]).sources[0].error),
}


def raise_error(message: str) -> None:
    if message:
        raise ValueError(message)


@needs_pipes
@pytest.mark.parametrize("kind", ["pipe", "device", "socket", "folder", "huge", "broken link", "loop"])
@pytest.mark.parametrize("reader", READERS)
def test_special_files_are_rejected_at_once(
    reader: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket has a length limit
    path = Path("x.json")
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    elif kind == "huge":
        with open(path, "wb") as file:
            file.truncate(1 << 36)  # a sparse file
    elif kind == "broken link":
        path.symlink_to("elsewhere")
    elif kind == "loop":
        path.symlink_to(path)
    with socket.socket(socket.AF_UNIX) as bound:
        if kind == "socket":
            bound.bind(str(path))
        if reader == "trace" and kind == "huge":
            pytest.skip("a trace may be as large as the disk; its entries have limits")
        with pytest.raises((ValueError, OSError), match=r"x\.json"):
            READERS[reader](tmp_path / path if reader == "folder" else path)


@needs_pipes
def test_broken_link_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").symlink_to("../annex/objects/a")
    (tmp_path / "b.json").symlink_to("b.json")
    with pytest.raises(
        FileNotFoundError,
        match=r"a\.json: expected a file, found a symbolic link to ../annex/objects/a, which",
    ):
        read_file(tmp_path / "a.json")
    with pytest.raises(
        FileNotFoundError, match=r"b\.json: expected a file, found a symbolic link to b\.json, which leads"
    ):
        read_file(tmp_path / "b.json")


@needs_pipes
def test_pipe_at_an_output_path_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x_faces.png")
    assert not has_marker(tmp_path / "x_faces.png")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_utf16_text(encoding: str, tmp_path: Path) -> None:
    mark = {"utf-16-le": "\ufeff", "utf-16-be": "\ufeff"}.get(encoding, "")
    (tmp_path / "n.json").write_bytes(
        (mark + json.dumps({"ä": "rnet/crop*/conv1"}, ensure_ascii=False)).encode(encoding)
    )
    assert read_name_map(tmp_path / "n.json") == {"ä": "rnet/crop*/conv1"}
    (tmp_path / "t.toml").write_bytes((mark + '"pnet/*" = 1e-5\r\n').encode(encoding))
    assert Tolerances.of(tmp_path / "t.toml")["pnet/level00/conv1"].atol == 1e-5


def test_invalid_bytes_are_named(tmp_path: Path) -> None:
    (tmp_path / "n.json").write_bytes(b'{"\xe9": "x"}')
    with pytest.raises(ValueError, match=r"n\.json: expected text in UTF-8, found the byte 0xe9 at offset 2"):
        read_name_map(tmp_path / "n.json")


def shell(line: str) -> subprocess.CompletedProcess[str]:
    code = "from mtcnn_cpp.cli import app; app()"
    return subprocess.run(
        ["bash", "-c", line.replace("mtcnn-cpp", f"{sys.executable} -c '{code}'")],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


needs_bash = pytest.mark.skipif(not Path("/dev/fd/0").exists(), reason="this system has no /dev/fd")


@needs_bash
def test_pipes_of_the_shell_are_read(tmp_path: Path) -> None:
    """`<(…)` works as a list of names; as an image it is an error with a remedy."""
    done = shell(f"mtcnn-cpp detect @<(echo {tmp_path}/none.png) -o {tmp_path}/t.csv")
    assert f"{tmp_path}/none.png: there is no such image file" in done.stderr
    done = shell(f"mtcnn-cpp detect <(cat x.png) -o {tmp_path}/t.csv")
    assert "is a special file, expected an image file; it is a pipe" in done.stderr
    assert "detect - < PIPE" in done.stderr


@needs_bash
def test_names_by_a_pipe_that_never_ends(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", a=np.zeros(3))
    for source in ("<(yes)", "/dev/zero", "<(cat /dev/zero)"):
        done = shell(f"mtcnn-cpp doctor {tmp_path}/a.npz --against {tmp_path}/a.npz --names {source}")
        assert done.returncode == 2
        expected = (
            "found a special file" if source == "/dev/zero" else "expected a file of at most 16777216 bytes"
        )
        assert expected in done.stderr


# The index of a model


LEADS_OUT = [
    "/etc/passwd", "../PNet.dat", "sub/../../PNet.dat", "..", "sub/..", "./../PNet.dat", "..\\PNet.dat",
    "\\PNet.dat", "C:\\PNet.dat", "C:PNet.dat", "\\\\host\\share\\PNet.dat", "//host/share/PNet.dat",
]  # fmt: skip


@pytest.mark.parametrize("name", LEADS_OUT)
def test_an_index_names_files_of_its_folder_only(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    Model.default().save(folder)
    (folder / "sub").mkdir()
    (tmp_path / "PNet.dat").write_bytes((folder / "PNet.dat").read_bytes())
    index = folder / "MTCNN_detector.txt"
    index.write_text(f"RNet RNet.dat\nPNet {name}\nONet ONet.dat\n")
    expected = r"MTCNN_detector\.txt: line 2: expected a FILE in the folder of this file or below it, found"
    for load in (Model.load, import_model):
        with pytest.raises(ValueError, match=expected):
            load(index)
    with pytest.raises(ValueError, match=expected):
        Model.load(folder)


@pytest.mark.parametrize(
    "name", ["./PNet.dat", "sub/PNet.dat", "sub/./PNet.dat", "..PNet.dat", "sub/PNet..dat"]
)
def test_an_index_may_name_files_below_its_folder(name: str, tmp_path: Path) -> None:
    Model.default().save(tmp_path)
    (tmp_path / "sub").mkdir()
    if not (tmp_path / name).exists():
        (tmp_path / name).write_bytes((tmp_path / "PNet.dat").read_bytes())
    index = tmp_path / "MTCNN_detector.txt"
    index.write_text(f"PNet {name}\nRNet RNet.dat\nONet ONet.dat\n")
    assert Model.load(index).hashes() == Model.default().hashes()
