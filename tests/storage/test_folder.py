"""Folders on disk, in memory and in an object store behave identically."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from mtcnn_cpp.storage.errors import FolderInUseError
from mtcnn_cpp.storage.folder import Folder, open_folder

NAMES = [
    "a b.csv",
    "50%.csv",
    "%41",
    "a#b",
    "ü 人.txt",
    "..x",
    "...",
    "x" * 200,
    ".hidden",
    "a+b&c=d",
    "~",
    "'q'",
]
UNIX_NAMES = ["q?y", "?", "[z].bin", "*", "back\\slash", 'say "x"', "a:b", "tab\there"]
if os.name != "nt":
    NAMES += UNIX_NAMES


def write(folder: Folder, name: str, data: bytes) -> None:
    with folder.open_for_writing(name) as file:
        file.write(data)


def test_written_read_and_removed(folder: Folder) -> None:
    assert folder.names() == []
    folder.make()
    folder.make()
    assert folder.names() == []
    write(folder, "b", b"")
    write(folder, "a", b"one")
    assert folder.names() == ["a", "b"]
    write(folder, "a", b"two")
    assert (folder.read("a"), folder.read("b")) == (b"two", b"")
    folder.remove("a")
    folder.remove("a")
    assert folder.names() == ["b"]


@pytest.mark.parametrize("name", NAMES)
def test_names_with_any_characters(folder: Folder, name: str) -> None:
    folder.make()
    data = name.encode() * 2
    write(folder, name, data)
    assert folder.names() == [name]
    assert folder.read(name) == data
    with folder.open(name) as file:
        assert file.read() == data
    folder.remove(name)
    assert folder.names() == []


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a", "/a", "a/", "a\0b"])
def test_invalid_names_are_rejected(folder: Folder, name: str) -> None:
    folder.make()
    for method in (folder.read, folder.open, folder.open_for_writing, folder.remove):
        with pytest.raises(ValueError, match="is not the name of a file"):
            method(name)


def test_missing_files_are_named(folder: Folder) -> None:
    for made in (False, True):
        if made:
            folder.make()
        for method in (folder.read, folder.open):
            with pytest.raises(FileNotFoundError) as caught:
                method("not there")
            assert f"{folder.name}{os.sep if os.path.isabs(folder.name) else '/'}not there" in str(
                caught.value
            )


def test_seeking(folder: Folder) -> None:
    folder.make()
    with folder.open_for_writing("a.zip") as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr("one", b"1" * 100_000)
        archive.writestr("two", b"2")
    with folder.open("a.zip") as file, zipfile.ZipFile(file) as archive:
        assert archive.read("two") == b"2"
        assert archive.read("one") == b"1" * 100_000
    with folder.open("a.zip") as file:
        size = file.seek(0, io.SEEK_END)
        assert size == len(folder.read("a.zip"))
        assert file.read(1) == b""
        file.seek(-1, io.SEEK_END)
        assert file.tell() == size - 1
        assert file.read() == folder.read("a.zip")[-1:]
        file.seek(1)
        assert list(file) == list(io.BytesIO(folder.read("a.zip")[1:]))


def test_two_readers_of_one_file(folder: Folder) -> None:
    folder.make()
    write(folder, "a", b"0123456789")
    with folder.open("a") as one, folder.open("a") as two:
        assert one.read(3) == b"012"
        assert two.read(2) == b"01"
        assert one.read() == b"3456789"
        assert two.read() == b"23456789"


@pytest.mark.parametrize("error", [ValueError, OSError, KeyboardInterrupt, SystemExit])
def test_interrupt_keeps_the_earlier_file(folder: Folder, error: type[BaseException]) -> None:
    folder.make()
    write(folder, "earlier", b"earlier")

    def interrupted(name: str) -> None:
        with folder.open_for_writing(name) as file:
            file.write(b"half of i")
            file.flush()
            raise error("told by the block")

    for name in ("earlier", "new"):
        with pytest.raises(error, match="told by the block"):
            interrupted(name)
    assert folder.names() == ["earlier"]
    assert folder.read("earlier") == b"earlier"


def test_incomplete_files_are_not_visible(folder: Folder) -> None:
    folder.make()
    with folder.open_for_writing("a") as file:
        file.write(b"x")
        file.flush()
        assert folder.names() == []
    assert folder.names() == ["a"]


def test_only_files_directly_inside_count(where: str) -> None:
    folder, below = open_folder(where), open_folder(f"{where}/below")
    below.make()
    write(below, "deep", b"")
    write(folder, "flat", b"")
    assert folder.names() == ["flat"]
    assert below.names() == ["deep"]
    assert open_folder(f"{where}/belo").names() == []


def test_file_in_place_of_a_folder(tmp_path: Path) -> None:
    file = tmp_path / "faces.csv"
    file.write_bytes(b"x")
    folder = open_folder(file)
    for method, kind in (
        (folder.make, FileExistsError),
        (folder.names, NotADirectoryError),
        (folder.clean, NotADirectoryError),
    ):
        with pytest.raises(kind) as caught:
            method()
        assert str(caught.value) == f"{file} is a file; give the name of a folder"
    with pytest.raises(FileNotFoundError) as caught, folder.lock():
        pass
    assert str(caught.value) == f"{file} is not a folder; create it before you lock it"
    assert file.read_bytes() == b"x"


def test_one_job_at_a_time(where: str) -> None:
    one, two = open_folder(where), open_folder(where)
    one.make()
    with one.lock():
        write(one, "a", b"")
        assert one.names() == ["a"]
        with pytest.raises(FolderInUseError, match="is in use by"), two.lock():
            pass
        write(two, "b", b"")
    with two.lock():
        assert two.names() == ["a", "b"]
    with pytest.raises(KeyError), one.lock():
        raise KeyError
    with two.lock():
        pass


def test_threads_share_a_folder(folder: Folder) -> None:
    folder.make()
    one = folder.name.startswith("s3")  # the test server cannot replace a file for two clients at once
    whole = {bytes([sign]) * 10_000 for sign in b"abcd"}

    def work(data: bytes) -> None:
        for number in range(5):
            write(folder, f"{chr(data[0])}{number}", data)
            shared = f"shared {data[:1].decode() if one else ''}"
            write(folder, shared, data)
            assert folder.read(shared) in whole
            with folder.open(shared) as file:
                assert file.read() in whole

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, whole))
    names = [f"{sign}{number}" for sign in "abcd" for number in range(5)]
    assert [name for name in folder.names() if "shared" not in name] == names
    assert all(folder.read(name) == name[:1].encode() * 10_000 for name in names)


def test_folder_can_be_pickled(folder: Folder) -> None:
    folder.make()
    write(folder, "a", b"1")
    copy = pickle.loads(pickle.dumps(folder))
    assert copy == folder
    assert copy.read("a") == b"1"
    assert copy.name == folder.name


def test_path_made_of_an_address_is_rejected() -> None:
    with pytest.raises(ValueError, match="give the address as a string"):
        open_folder(Path("s3://bucket/folder"))
