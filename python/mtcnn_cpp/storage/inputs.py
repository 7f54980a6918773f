"""Lists, reads and downloads input files in a store.

This module converts patterns (`*`, `?`, `[abc]`, `[!abc]`, `**`) to regular expressions with its own code.
There are three reasons. Patterns for local paths must also work if fsspec is not installed. `glob.translate`
needs Python 3.13. In S3, the keys `a//b` and `a/b` are different files, so `glob` of fsspec cannot be used.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from .address import S3, Address, checked, masked, parse
from .errors import code_of, translate_errors
from .remote import system

WILDCARDS = re.compile(r"[*?\[]")


def list_files(address: str) -> list[str]:
    """List the files below a folder, or the files that match a pattern.

    Args:
        address: Address of a folder, a file or a pattern. In a pattern, `*` matches any number of characters
            except slashes. `?` matches one character except a slash. `[abc]` matches one of these characters.
            `**` between slashes matches any number of folders. If a file or folder has exactly this name, the
            name is not interpreted as a pattern.

    Returns:
        The addresses, sorted.

    Raises:
        FileNotFoundError: Nothing exists at the address, or no file matches.
        OSError: The store cannot be read.
        ValueError: The address is not valid.
    """
    target = parse(address)
    files = system(target)
    matches = matcher(target.path)
    with translate_errors(target):
        if not address.endswith("/") and _is_file(files, target):
            return [str(target)]
        inside, is_folder = _below(files, target, None)
        if is_folder:
            slashes = address[len(address.rstrip("/")) :]  # s3://bucket/a// differs from s3://bucket/a/
            return [str(file) for file in inside if str(file).startswith(f"{target}{slashes}")]
        if matches is None:
            raise FileNotFoundError
        root = checked(Address(target.scheme, literal_part(target.path)))
        depth = target.path[len(root.path) :].strip("/").count("/") + 1
        inside, _ = _below(files, root, None if "**" in target.path else depth)
        matching = [str(file) for file in inside if matches(file.path)]
    if not matching:
        raise FileNotFoundError(f"{masked(address)}: no file matches this pattern")
    return matching


def read_file(address: str) -> bytes:
    """Return the content of a file in a store.

    Args:
        address: Address of the file.

    Raises:
        FileNotFoundError: Nothing exists at the address.
        OSError: The store cannot be read.
    """
    where = parse(address)
    files = system(where)
    with translate_errors(where):
        return bytes(files.cat_file(str(where)))


@contextlib.contextmanager
def local_copy(address: str) -> Iterator[Path]:
    """Download a file for the duration of the `with` block.

    Args:
        address: Address of the file.

    Yields:
        Path of the local copy. The copy has the same suffix as the address. Only this user can read it. It is
        removed at the end of the block.

    Raises:
        OSError: The file cannot be downloaded.
    """
    where = parse(address)
    files = system(where)
    with tempfile.TemporaryDirectory(prefix="mtcnn-cpp-") as folder:  # only this user can read it
        path = Path(folder) / ("copy" + re.sub(r"[^\w.]", "_", PurePosixPath(where.path).suffix)[:32])
        with translate_errors(where):
            files.get_file(str(where), str(path))
            if not path.is_file():
                raise IsADirectoryError("this is a folder; give the address of a file")
        yield path


def _is_file(files: Any, address: Address) -> bool:
    try:
        if address.scheme in S3:
            bucket, key = _bucket_and_key(files, address)
            return bool(key) and bool(files.call_s3("head_object", Bucket=bucket, Key=key))
        return bool(files.info(str(address))["type"] == "file")
    except FileNotFoundError as error:
        if code_of(error) == "NoSuchBucket":
            raise
        return False


def _below(files: Any, root: Address, depth: int | None) -> tuple[list[Address], bool]:
    """Return the sorted files below a folder, and whether the folder exists.

    Files that are more than `depth` levels deep are omitted. None means no limit.
    """
    if root.scheme in S3:
        bucket, key = _bucket_and_key(files, root)
        start = f"{key}/" if key else ""
        names = [name[len(start) :] for name in _keys(files, bucket, start, flat=depth == 1)]
        is_folder = bool(names)
    else:
        top = files._strip_protocol(str(root)).rstrip("/")
        names = [str(name)[len(top) :].removeprefix("/") for name in files.find(str(root), maxdepth=depth)]
        is_folder = any(names) or _is_folder(files, root)
    inside = [
        Address(root.scheme, f"{root.path}/{name}" if root.path else name)
        for name in names
        if name and not name.endswith("/")  # such a key marks a folder
    ]
    return sorted(inside, key=str), is_folder


def _is_folder(files: Any, address: Address) -> bool:
    try:
        return bool(files.info(str(address))["type"] == "directory")
    except FileNotFoundError:
        return False


def _bucket_and_key(files: Any, address: Address) -> tuple[str, str]:
    """Split an address into bucket and key. The key is not normalized: `a//b` does not become `a/b`."""
    bucket = str(files.split_path(str(address))[0])
    return bucket, address.path[len(bucket) :].removeprefix("/")


def _keys(files: Any, bucket: str, start: str, *, flat: bool) -> Iterator[str]:
    """Yield all keys that begin with `start`.

    If `flat` is true, omit keys that have a slash after `start`.
    """
    more = {"Delimiter": "/"} if flat else {}
    while True:
        page = files.call_s3("list_objects_v2", Bucket=bucket, Prefix=start, **more)
        yield from (item["Key"] for item in page.get("Contents", ()))
        if not page.get("IsTruncated"):
            return
        more["ContinuationToken"] = page["NextContinuationToken"]


def matcher(pattern: str) -> Callable[[str], bool] | None:
    """Return a function that tests whether a path matches. Return None if `pattern` contains no wildcard."""
    if WILDCARDS.search(pattern) is None:
        return None
    parts = pattern.split("/")
    written = ""
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        if part == "**":
            written += ".*" if last else "(?:[^/]*/)*"
        else:
            written += _part(part) + ("" if last else "/")
    try:
        compiled = re.compile(written, re.DOTALL)
    except re.error as error:  # [z-a]
        raise ValueError(f"{pattern!a} is not a pattern: {error}") from error
    return lambda path: compiled.fullmatch(path) is not None


def literal_part(pattern: str) -> str:
    """Return the part of a pattern before the folder or file name that contains the first wildcard."""
    match = WILDCARDS.search(pattern)
    return pattern[: match.start()].rpartition("/")[0] if match else pattern


def _part(pattern: str) -> str:
    """Convert the part of a pattern between two slashes to a regular expression."""
    written, at = "", 0
    while at < len(pattern):
        sign = pattern[at]
        at += 1
        end = pattern.find("]", at + (2 if pattern[at : at + 1] == "!" else 1)) if sign == "[" else -1
        if sign == "*":
            written += "[^/]*"
        elif sign == "?":
            written += "[^/]"
        elif end >= 0:
            no = pattern[at] == "!"
            inside = re.sub(r"([\\\[\]^&|~])", r"\\\1", pattern[at + no : end])
            written += f"(?!/)[{'^' if no else ''}{inside}]"
            at = end + 1
        else:
            written += re.escape(sign)
    return written
