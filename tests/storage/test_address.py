"""Addresses: recognition, and errors before any request."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest
from mtcnn_cpp import MissingExtra
from mtcnn_cpp.storage.address import is_address, masked, parse
from mtcnn_cpp.storage.folder import open_folder
from mtcnn_cpp.storage.inputs import list_files, literal_part, local_copy, matcher, read_file
from mtcnn_cpp.storage.local import LocalFolder


@pytest.mark.parametrize(
    "name",
    [
        "s3://bucket",
        "S3://bucket/a",
        "memory://a",
        "gs://b/c d",
        "abfs://c@account/d",
        "sftp://host/a",
        "x1+y-z.w://a",
    ],
)
def test_addresses(name: str) -> None:
    assert is_address(name)


@pytest.mark.parametrize(
    "name",
    [
        "", "a", "a/b", "/a", "./s3://a", "C://a", "c:/a", "C:\\a", "s3:/a", "s3:", "s3", "://a",
        "1s://a", "-", " s3://a", "a b://c", "ü://a", "\\\\host\\a", "http://a", "https://a/b.mp4",
        "HTTPS://a", "rtsp://a", "rtmp://a", "camera://0", "udp://@239.0.0.1:1234", "srt://a",
    ],
)  # fmt: skip
def test_other_names_are_not_addresses(name: str) -> None:
    assert not is_address(name)
    assert isinstance(open_folder(name), LocalFolder)
    with pytest.raises(ValueError, match="is not the address of a store; expected s3://bucket/folder"):
        list_files(name)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("s3://", "the bucket is missing"),
        ("s3:///a", "the bucket is missing"),
        ("gs:///a/b", "the bucket is missing"),
        ("gs://bucket/../other/a", "'.' and '..' have no meaning"),
        ("gs://bucket/a/..", "'.' and '..' have no meaning"),
        ("memory://a/./b", "'.' and '..' have no meaning"),
        ("s3://bucket/a?versionId=3", "must not contain"),
        ("s3://bucket/a\0b", "must not contain"),
        ("file:///home/a", "without file://"),
        ("local://a", "without local://"),
        ("s3://KEY:hunter2@bucket/a", "must not contain a key or password"),
        ("s3://hunter2@bucket/a", "must not contain a key or password"),
        ("s3a://KEY:hunt@hunter2@bucket/a", "must not contain a key or password"),
        ("ftp://user:hunter2@host/a", "FSSPEC_FTP_PASSWORD"),
        ("sftp://user:hunter2@host", "must not contain a key or password"),
    ],
)
def test_refused(address: str, words: str) -> None:
    for call in (open_folder, list_files, read_file, lambda where: local_copy(where).__enter__()):
        with pytest.raises(ValueError, match=words) as caught:
            call(address)
        assert "hunt" not in str(caught.value)
        assert "KEY:" not in str(caught.value)
        assert str(caught.value).isprintable()


def test_a_folder_of_results_has_no_dots() -> None:
    """S3 keys may contain dot segments, but in an output folder they are probably a mistake."""
    for address in ("s3://bucket/../other/a", "s3://bucket/a/.."):
        with pytest.raises(ValueError, match=r"'\.' and '\.\.' have no meaning in a store"):
            open_folder(address)


def test_unknown_to_fsspec() -> None:
    pytest.importorskip("fsspec", reason="needs the extra remote")
    with pytest.raises(ValueError, match=r"^floppy://a: fsspec does not support floppy://"):
        list_files("floppy://a")
    with pytest.raises(MissingExtra, match=r"^gs://bucket/a: .*gcsfs"):
        list_files("gs://bucket/a")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("s3://k:s@b/a", "s3://***@b/a"),
        ("s3://k:s@b/a@c", "s3://***@c"),  # a password may be s@b/a
        ("at http://u:p@host/x and https://v@host", "at http://***@host/x and https://***@host"),
        ("//a:b@c:d@host/", "//***@host/"),
        ("s3://bucket/a@b:c", "s3://bucket/a@b:c"),
        ("a\x1b[31m\n", "a\\x1b[31m\\n"),
    ],
)
def test_masked(text: str, told: str) -> None:
    assert masked(text) == told


def test_trailing_slashes_are_ignored() -> None:
    assert parse("s3://bucket/a//") == parse("s3://bucket/a")
    assert parse("memory:///a") == parse("memory://a")
    assert str(parse("S3://Bucket/A/ü %20#?")) == "s3://Bucket/A/ü %20#?"


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("b/*", "b/a", True), ("b/*", "b/a/c", False), ("b/*", "b/", True), ("*", "b/a", False),
        ("b/?", "b/é", True), ("b/?", "b/", False), ("a?b", "a/b", False), ("a[!x]b", "a/b", False),
        ("a[/]b", "a/b", False), ("[]]", "]", True), ("[!]]", "a", True), ("[!]]", "]", False),
        ("[a", "[a", True), ("[^a]", "^", True), ("[^a]", "b", False), ("[a-c]", "b", True),
        ("[a-]", "-", True), ("[\\d]", "5", False), ("[\\d]", "\\", True), ("[[]", "[", True),
        ("[a&&b]", "&", True), ("**/a", "a", True), ("**/a", "x/y/a", True), ("**/a", "xa", False),
        ("x/**/a", "x/a", True), ("x/**/a", "xa", False), ("x/**", "x/y/z", True),
        ("a**", "ab", True), ("a**", "a/b", False), ("*.(jpg)", "a.(jpg)", True),
        ("*.jpg", "a.jpgx", False), ("*.j+g", "a.jjg", False), ("*\n*", "a\nb", True),
        ("*", "a\nb", True),
    ],
)  # fmt: skip
def test_patterns(pattern: str, path: str, fits: bool) -> None:
    found = matcher(pattern)
    assert (found is not None and found(path)) == (fits if found is not None else pattern == path)


def test_no_pattern() -> None:
    assert matcher("bucket/a.jpg") is None


@pytest.mark.parametrize(
    ("pattern", "part"), [("b/a/*.jpg", "b/a"), ("b/a*/c", "b"), ("b*", ""), ("b/[a]/c", "b"), ("b/c", "b/c")]
)
def test_literal_part(pattern: str, part: str) -> None:
    assert literal_part(pattern) == part


@pytest.mark.parametrize("missing", ["fsspec", "s3fs", "botocore"])
def test_without_the_extra(missing: str) -> None:
    if missing != "fsspec":
        pytest.importorskip("s3fs", reason="needs the extra remote")
    code = f"""
        import sys
        sys.modules[{missing!r}] = None
        from mtcnn_cpp.storage.folder import open_folder
        from mtcnn_cpp.storage.inputs import list_files
        folder = open_folder("s3://bucket/out")
        for call in (folder.names, folder.make, lambda: list_files("s3://bucket")):
            try:
                call()
            except ImportError as error:
                print(error)
        print(open_folder(".").name)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    *errors, last = done.stdout.splitlines()
    assert last == "."
    assert len(errors) == 3
    for error in errors:
        assert error.startswith("s3://bucket")
        assert error.endswith("pip install 'mtcnn-cpp[remote]'")


def test_nothing_is_imported_before_it_is_needed() -> None:
    code = """
        import sys
        from mtcnn_cpp.storage.folder import open_folder
        from mtcnn_cpp.storage.address import is_address
        assert is_address("s3://bucket")
        open_folder("s3://bucket")
        open_folder(".").names()
        print(sorted({"fsspec", "s3fs", "botocore", "cv2"} & set(sys.modules)))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
