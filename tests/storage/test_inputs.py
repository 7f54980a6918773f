"""Files in a store as inputs: listed, read, copied to this machine."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path
from typing import Any

import pytest
from mtcnn_cpp.storage.folder import open_folder
from mtcnn_cpp.storage.inputs import list_files, local_copy, read_file

FILES = [
    "a.jpg", "b.png", "in/a.jpg", "in/deep/c.jpg", "in/deep/d [1].jpg", "in2/a.jpg", "q?.jpg", "x",
    "ü #1%20.jpg",
]  # fmt: skip


@pytest.fixture(params=["memory", "s3"])
def root(request: pytest.FixtureRequest) -> str:
    """Return the address of a folder with these files."""
    if request.param == "memory":
        pytest.importorskip("fsspec", reason="needs the extra remote")
        where = f"memory://{secrets.token_hex(6)}/root"
    else:
        where = f"s3://{request.getfixturevalue('bucket')}/root"
    for name in FILES:
        above, _, last = f"{where}/{name}".rpartition("/")
        with open_folder(above).open_for_writing(last) as file:
            file.write(name.encode())
    return where


def below(root: str, found: list[str]) -> list[str]:
    assert found == sorted(found)
    return [name.removeprefix(f"{root}/") for name in found]


def test_all_files_below_a_folder(root: str) -> None:
    assert below(root, list_files(root)) == FILES
    assert below(root, list_files(root + "/")) == FILES
    assert below(root, list_files(f"{root}/in")) == ["in/a.jpg", "in/deep/c.jpg", "in/deep/d [1].jpg"]
    assert list_files(root.removesuffix("/root")) == list_files(root)


def test_each_file_is_itself_and_read_by_its_address(root: str) -> None:
    for address in list_files(root):
        assert list_files(address) == [address]
        assert f"{root}/{read_file(address).decode()}" == address


@pytest.mark.parametrize(
    ("pattern", "fit"),
    [
        ("*.jpg", ["a.jpg", "q?.jpg", "ü #1%20.jpg"]),
        ("?.jpg", ["a.jpg"]),
        ("[ab].*", ["a.jpg", "b.png"]),
        ("[!a].png", ["b.png"]),
        ("[a-c].jpg", ["a.jpg"]),
        ("in*/a.jpg", ["in/a.jpg", "in2/a.jpg"]),
        ("*/*.jpg", ["in/a.jpg", "in2/a.jpg"]),
        ("**/a.jpg", ["a.jpg", "in/a.jpg", "in2/a.jpg"]),
        ("in/**", ["in/a.jpg", "in/deep/c.jpg", "in/deep/d [1].jpg"]),
        ("in/**/[c-d]*.jpg", ["in/deep/c.jpg", "in/deep/d [1].jpg"]),
        ("in/deep/d [[]1].jpg", ["in/deep/d [1].jpg"]),
        ("q?.jpg", ["q?.jpg"]),  # a file, not a pattern
        ("in/deep/d [1].jpg", ["in/deep/d [1].jpg"]),
    ],
)
def test_patterns(root: str, pattern: str, fit: list[str]) -> None:
    assert below(root, list_files(f"{root}/{pattern}")) == fit


@pytest.mark.parametrize("pattern", ["*.gif", "*/*/*/*", "[a", "[]", "a.jpg/*", "no/**", "[!a-z]", "A.*"])
def test_pattern_without_matches(root: str, pattern: str) -> None:
    with pytest.raises(FileNotFoundError, match=r"^\w+://.*: (no file matches this|there is nothing)"):
        list_files(f"{root}/{pattern}")


def test_name_with_pattern_characters(root: str) -> None:
    with pytest.raises(ValueError, match="is not a pattern: bad character range z-a"):
        list_files(f"{root}/[z-a].jpg")


def test_missing_inputs(root: str) -> None:
    for address in (f"{root}/none", f"{root}/a.jp", f"{root}/a.jpg/", f"{root}/in/dee"):
        with pytest.raises(
            FileNotFoundError, match=f"^{address.rstrip('/')}: there is nothing at this address"
        ):
            list_files(address)
    for address in (f"{root}/none", f"{root}/in", root):
        with pytest.raises(OSError, match=f"^{address}: "):
            read_file(address)
        with pytest.raises(OSError, match=f"^{address}: "), local_copy(address):
            pass


def test_a_copy_on_this_machine(root: str) -> None:
    for address in list_files(root):
        with local_copy(address) as path:
            assert path.read_bytes() == read_file(address)
            assert path.suffix == ("" if address.endswith("/x") else address[address.rindex(".") :])
            if os.name != "nt":
                assert not stat.S_IMODE(path.parent.stat().st_mode) & 0o077
        assert not path.exists()
        assert not path.parent.exists()


def test_copy_is_removed_when_the_block_raises(root: str) -> None:
    kept: list[Path] = []

    def interrupted() -> None:
        with local_copy(f"{root}/x") as path:
            kept.append(path)
            raise KeyError

    with pytest.raises(KeyError):
        interrupted()
    assert not kept[0].exists()


@pytest.mark.parametrize("name", ["a.m p4", "a.mp4?", "a.ü", "a." + "x" * 150, "a.b/.c", "a.", ".mp4"])
def test_unusual_suffixes(name: str) -> None:
    pytest.importorskip("fsspec", reason="needs the extra remote")
    above, _, last = f"memory://{secrets.token_hex(6)}/{name}".rpartition("/")
    with open_folder(above).open_for_writing(last) as file:
        file.write(b"1")
    with local_copy(f"{above}/{last}") as path:
        assert path.read_bytes() == b"1"
        assert len(path.name) < 40
        assert not set(path.name) & set('?<>:"|* ')


def test_markers_of_folders_are_no_files(bucket: str, s3: Any) -> None:
    for key in ("out/", "out/below/", "out/a"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    assert list_files(f"s3://{bucket}/out") == [f"s3://{bucket}/out/a"]
    assert list_files(f"s3://{bucket}/**") == [f"s3://{bucket}/out/a"]
    assert open_folder(f"s3://{bucket}/out").names() == ["a"]
    assert open_folder(f"s3://{bucket}/out/below").names() == []


def test_a_file_and_a_folder_of_one_name(bucket: str, s3: Any) -> None:
    for key in ("a", "a/b"):
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    assert list_files(f"s3://{bucket}/a") == [f"s3://{bucket}/a"]
    assert list_files(f"s3://{bucket}/a/") == [f"s3://{bucket}/a/b"]
    assert list_files(f"s3://{bucket}") == [f"s3://{bucket}/a", f"s3://{bucket}/a/b"]
    assert open_folder(f"s3://{bucket}/a").names() == ["b"]
    assert open_folder(f"s3://{bucket}").names() == ["a"]


def test_listing_of_several_responses(bucket: str, s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A response of S3 contains at most 1000 files, here 10."""
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "10")
    names = [f"{number:04}" for number in range(23)]
    for name in names:
        s3.put_object(Bucket=bucket, Key=f"out/{name}", Body=b"")
    assert len(s3.list_objects_v2(Bucket=bucket)["Contents"]) == 10
    assert open_folder(f"s3://{bucket}/out").names() == names
    assert list_files(f"s3://{bucket}/out") == [f"s3://{bucket}/out/{name}" for name in names]


def test_new_files_are_listed(bucket: str, s3: Any) -> None:
    folder = open_folder(f"s3://{bucket}/out")
    for number in range(3):
        assert len(folder.names()) == number
        s3.put_object(Bucket=bucket, Key=f"out/{number}", Body=b"")
        assert len(list_files(f"s3://{bucket}/out")) == number + 1
    s3.put_object(Bucket=bucket, Key="out/0", Body=b"new")
    assert folder.read("0") == b"new"
    with folder.open("0") as file:
        assert file.read() == b"new"


# These are different keys. On a disk, some would be the same file.
KEYS = [
    "in/x.jpg", "in//x.jpg", "in///x.jpg", "in/./x.jpg", "in/../x.jpg", "./x.jpg", "../x.jpg", "x.jpg",
    "/x.jpg", "//x.jpg", "/in/x.jpg", "in/x.jpg ", "in/ x.jpg", "in /x.jpg", "in/X.jpg", "in/%41.jpg",
    "in/A.jpg", "in/%2541.jpg", "in/caf\u00e9.jpg", "in/cafe\u0301.jpg", "in/a b+c.jpg", "in/a+b c.jpg",
    "in/#1.jpg", "in/q?v=1.jpg", "in/[1].jpg", "in/b\\x.jpg", "in/*.jpg", "in/x.jpg//y.jpg", "in/u@h:1/x.jpg",
    "in/..", "in/.",
]  # fmt: skip


def test_keys_are_never_normalised(bucket: str, s3: Any) -> None:
    for key in KEYS:
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    there = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert sorted(there) == sorted(KEYS)
    root = f"s3://{bucket}"

    def matching(start: str) -> list[str]:
        return sorted(f"{root}/{key}" for key in KEYS if key.startswith(start))

    assert list_files(root) == list_files(f"{root}/") == matching("")
    assert list_files(f"{root}/in") == list_files(f"{root}/in/") == matching("in/")
    assert list_files(f"{root}/in//") == matching("in//")
    assert list_files(f"{root}//") == matching("/")
    assert list_files(f"{root}//in/") == matching("/in/")
    assert list_files(f"{root}/in /") == matching("in /")
    assert list_files(f"{root}/in/../") == matching("in/../")
    assert list_files(f"{root}/in/**/x.jpg") == sorted(
        f"{root}/in/{key}" for key in ("x.jpg", "/x.jpg", "//x.jpg", "./x.jpg", "../x.jpg", "u@h:1/x.jpg")
    )
    assert list_files(f"{root}/in/*/x.jpg") == sorted(
        f"{root}/in/{key}" for key in ("/x.jpg", "./x.jpg", "../x.jpg", "u@h:1/x.jpg")
    )
    for key in KEYS:
        assert list_files(f"{root}/{key}") == [f"{root}/{key}"]
        assert read_file(f"{root}/{key}") == key.encode()
        with local_copy(f"{root}/{key}") as path:
            assert path.read_bytes() == key.encode()
    for key in KEYS:
        s3.delete_object(Bucket=bucket, Key=key)
        with pytest.raises(FileNotFoundError):
            read_file(f"{root}/{key}")
        if not any(other.startswith(f"{key}/") for other in KEYS):
            with pytest.raises(FileNotFoundError):
                list_files(f"{root}/{key}")
