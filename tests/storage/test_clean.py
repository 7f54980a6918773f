"""Temporary files of killed writers are removed, other files are kept."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from mtcnn_cpp._util.files import AtomicFile, is_leftover, temporary_name
from mtcnn_cpp.storage.folder import open_folder
from mtcnn_cpp.storage.local import LOCK

LEFT = [
    ".a.csv.0123abcd.part",
    "..00000000.ffffffff.part",
    ".a b.mp4.0123abcd.part.mp4",
    ".ü\n.0123abcd.part",
]
# Possible names of user files.
KEPT = [
    "a.csv.0123abcd.part", ".a.csv.part", ".0123abcd.part", "..0123abcd.part", ".a.csv.0123ABCD.part",
    ".a.csv.0123abc.part", ".a.csv.0123abcde.part", ".a.csv.0123abcg.part", ".a.csv.0123abcd.part.csv",
    ".a.csv.0123abcd.PART", ".a.csv.0123abcd.part ", ".a.csv.0123abcd.part\n",
    ".a.csv.0123abcd.parts", ".part", ".a.csv.0123abcd", "part", ".a.csv-0123abcd.part",
    ".a.csv.٠١٢٣٤٥٦٧.part", "a.part", ".gitignore", ".a.csv.0123abcd.part.mp4.bak",
]  # fmt: skip


@pytest.mark.parametrize("name", LEFT)
def test_leftovers(name: str) -> None:
    assert is_leftover(name)


@pytest.mark.parametrize("name", KEPT)
def test_other_names(name: str) -> None:
    assert not is_leftover(name)


@pytest.mark.parametrize("name", ["a", "a.csv", ".hidden", "x" * 255, "人" * 80, "\udcff", "a\nb", "..."])
def test_temporary_names_are_recognized(name: str) -> None:
    made = temporary_name(name)
    assert is_leftover(made)
    assert is_leftover(temporary_name(name, ".part.mp4"))
    assert len(os.fsencode(made)) <= 255
    assert made != temporary_name(name)


@pytest.mark.skipif(os.name == "nt", reason="Windows counts signs, not bytes")
def test_longest_possible_name(tmp_path: Path) -> None:
    name = "人" * 85  # 255 bytes
    folder = open_folder(tmp_path)
    with folder.open_for_writing(name) as file:
        file.write(b"x")
    assert folder.names() == [name]


def test_other_files_are_kept(tmp_path: Path) -> None:
    unix = (
        {name for name in (*LEFT, *KEPT) if name != name.strip() or "\n" in name}
        if os.name == "nt"
        else set()
    )
    for name in {*LEFT, *KEPT, LOCK} - unix:
        (tmp_path / name).write_bytes(b"of the user")
    (tmp_path / ".folder.0123abcd.part").mkdir()
    (tmp_path / ".folder.0123abcd.part" / ".a.0123abcd.part").write_bytes(b"")
    folder = open_folder(tmp_path)
    before = set(os.listdir(tmp_path))
    assert folder.names() == sorted(set(KEPT) - unix)
    folder.clean()
    folder.clean()
    assert before - set(os.listdir(tmp_path)) == set(LEFT) - unix
    assert os.listdir(tmp_path / ".folder.0123abcd.part") == [".a.0123abcd.part"]


@pytest.mark.skipif(os.name == "nt", reason="Windows: links need a privilege")
def test_links_are_kept(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"")
    link = tmp_path / ".link.0123abcd.part"
    link.symlink_to(precious)
    open_folder(tmp_path).clean()
    assert link.is_symlink()
    assert precious.exists()


def test_a_missing_folder_is_clean(where: str) -> None:
    open_folder(where).clean()
    assert open_folder(where).names() == []


def test_clean_in_memory() -> None:
    fsspec = pytest.importorskip("fsspec", reason="needs the extra remote")
    where = f"memory://{secrets.token_hex(6)}"
    folder = open_folder(where)
    for name in (*LEFT, *KEPT):
        fsspec.filesystem("memory").pipe_file(f"{where}/{name}", b"")
    folder.clean()
    found = fsspec.filesystem("memory").ls(where, detail=False)
    assert sorted(name.rpartition("/")[2] for name in found) == sorted(KEPT)


def test_object_store_has_no_leftovers(bucket: str, s3: Any) -> None:
    folder = open_folder(f"s3://{bucket}/out")
    names = [name for name in LEFT if "\n" not in name]  # the test server rejects this
    for name in names:
        s3.put_object(Bucket=bucket, Key=f"out/{name}", Body=b"")
    folder.clean()
    assert folder.names() == []
    for name in names:
        assert folder.read(name) == b""


def test_a_killed_writer(tmp_path: Path) -> None:
    folder = open_folder(tmp_path)
    with folder.open_for_writing("a.bin") as file:
        file.write(b"earlier")
    code = f"""
        import sys
        from mtcnn_cpp.storage.folder import open_folder
        with open_folder({str(tmp_path)!r}).open_for_writing("a.bin") as file:
            file.write(bytes(100_000))
            file.flush()
            print("written", flush=True)
            sys.stdin.readline()
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "written\n"
    process.kill()
    process.communicate()
    assert len(os.listdir(tmp_path)) == 2
    assert folder.names() == ["a.bin"]
    assert folder.read("a.bin") == b"earlier"
    folder.clean()
    assert os.listdir(tmp_path) == ["a.bin"]


def test_atomic_files_have_temporary_names(tmp_path: Path) -> None:
    part = AtomicFile(tmp_path / "a.csv")
    assert is_leftover(part.temporary.name)
    assert open_folder(tmp_path).names() == []
    part.discard()
