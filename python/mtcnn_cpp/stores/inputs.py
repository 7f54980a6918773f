"""Files in a store as inputs."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from .address import S3, Address, checked, masked, parse
from .errors import code_of, told
from .patterns import literal_part, matcher
from .system import system


def list_files(address: str) -> list[str]:
    """The addresses of all files below a folder, or of those that fit a pattern, sorted; a file is itself.

    In a pattern `*` stands for any signs and `?` for one, but a slash, `[abc]` for one of these, `**` between
    slashes for any folders. An address that is a file or a folder, signs and all, is no pattern.
    FileNotFoundError if there is nothing.
    """
    whole = parse(address)
    files = system(whole)
    fits = matcher(whole.path)
    with told(whole):
        if not address.endswith("/") and _is_file(files, whole):
            return [str(whole)]
        inside, is_folder = _below(files, whole, None)
        if is_folder:
            slashes = address[
                len(address.rstrip("/")) :
            ]  # s3://bucket/a// is another folder than s3://bucket/a/
            return [str(file) for file in inside if str(file).startswith(f"{whole}{slashes}")]
        if fits is None:
            raise FileNotFoundError
        root = checked(Address(whole.scheme, literal_part(whole.path)))
        depth = whole.path[len(root.path) :].strip("/").count("/") + 1
        inside, _ = _below(files, root, None if "**" in whole.path else depth)
        found = [str(file) for file in inside if fits(file.path)]
    if not found:
        raise FileNotFoundError(f"{masked(address)}: no file fits this pattern")
    return found


def read_file(address: str) -> bytes:
    """What is in a file."""
    where = parse(address)
    files = system(where)
    with told(where):
        return bytes(files.cat_file(str(where)))


@contextlib.contextmanager
def local_copy(address: str) -> Iterator[Path]:
    """The path of a copy on this machine, for readers that need one. It ends like the address, only this user
    can read it, and it is removed when the block ends."""
    where = parse(address)
    files = system(where)
    with tempfile.TemporaryDirectory(prefix="mtcnn-cpp-") as folder:  # of this user alone
        path = Path(folder) / ("copy" + re.sub(r"[^\w.]", "_", PurePosixPath(where.path).suffix)[:32])
        with told(where):
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
    """All files below a folder, so many floors deep, sorted; and whether there is such a folder."""
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
        if name and not name.endswith("/")  # a marker of a folder
    ]
    return sorted(inside, key=str), is_folder


def _is_folder(files: Any, address: Address) -> bool:
    try:
        return bool(files.info(str(address))["type"] == "directory")
    except FileNotFoundError:
        return False


def _bucket_and_key(files: Any, address: Address) -> tuple[str, str]:
    """The key is all that follows the bucket and one slash, as it is: `a//b`, `./a` and `a/b` are three
    keys."""
    bucket = str(files.split_path(str(address))[0])
    return bucket, address.path[len(bucket) :].removeprefix("/")


def _keys(files: Any, bucket: str, start: str, *, flat: bool) -> Iterator[str]:
    """All keys that begin so; `flat`: without those that have another slash behind that."""
    more = {"Delimiter": "/"} if flat else {}
    while True:
        page = files.call_s3("list_objects_v2", Bucket=bucket, Prefix=start, **more)
        yield from (item["Key"] for item in page.get("Contents", ()))
        if not page.get("IsTruncated"):
            return
        more["ContinuationToken"] = page["NextContinuationToken"]
