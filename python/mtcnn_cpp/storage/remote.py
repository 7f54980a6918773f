"""A folder in an object store, or in another store that fsspec supports.

fsspec transfers the data. This module adds three properties, and tests check each of them:

* An upload to S3 is aborted after every exception, including KeyboardInterrupt, and when its thread is
  cancelled. Each request has a time limit. In contrast, `put_file` of s3fs 2026.9 aborts an upload only after
  an exception that is a subclass of Exception. After an interruption, `put_file` continues the upload in its
  own thread. If a connection stops during an upload, `put_file` has no time limit.
* A file becomes visible only after it is complete. It is written locally and then uploaded. In a store that
  is not an object store, the uploaded file first has a temporary name.
* Errors name the address and contain no secrets.
"""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from .._util.errors import MissingExtra, import_extra
from .._util.files import OutputFile, is_leftover, temporary_name
from .address import OBJECTS, S3, Address, parse
from .errors import EXTRA, FolderInUseError, code_of, to_os_error, translate_errors
from .local import check_name

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

ATTEMPTS = 2  # per request; s3fs retries after errors that botocore does not retry
SMALL = 2**20  # bytes; larger uploads get UPLOAD_TIMEOUT
UPLOAD_TIMEOUT = 120  # seconds per part; the response arrives only after the whole part was sent
PART = 16 * 2**20  # bytes per uploaded part; more for files over 160 GB, because S3 allows 10,000 parts
READ_BLOCK = 8 * 2**20  # bytes per download request

_locked: set[str] = set()
_locking = threading.Lock()


@dataclass(frozen=True)
class RemoteFolder:
    """A folder in an object store, or in another store. See `Folder` for the methods."""

    name: str
    address: Address = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "address", parse(self.name, dots=False))

    def make(self) -> None:
        files = system(self.address)
        if not is_object_store(self.address):
            with translate_errors(self.address):
                files.makedirs(str(self.address), exist_ok=True)
            return
        try:
            self._entries()
        except FileNotFoundError as error:
            if code_of(error) == "NoSuchBucket":
                raise

    def names(self) -> list[str]:
        with contextlib.suppress(FileNotFoundError):
            return [name for name in self._entries() if not is_leftover(name)]
        return []

    def read(self, name: str) -> bytes:
        address = self._file(name)
        files = system(address)
        with translate_errors(address):
            return bytes(files.cat_file(str(address)))

    def open(self, name: str) -> IO[bytes]:
        return open_remote(self._file(name))

    def open_for_writing(self, name: str) -> AbstractContextManager[IO[bytes]]:
        return _writing(self.address, name, self._file(name))

    def put(self, path: Path, name: str) -> None:
        """Upload a local file. The uploaded file becomes visible only after it is complete."""
        check_name(name)
        upload(os.fspath(path), self.address, name)

    def remove(self, name: str) -> None:
        address = self._file(name)
        files = system(address)
        with contextlib.suppress(FileNotFoundError), translate_errors(address):
            files.rm_file(str(address))

    def clean(self) -> None:
        """Remove temporary files.

        An object store has no temporary files, because an incomplete upload is not a file.

        If a process is killed during an upload, the uploaded parts stay in the bucket but are not visible.
        They are removed later only if the bucket has a lifecycle rule for incomplete uploads
        (`AbortIncompleteMultipartUpload`).
        """
        if not is_object_store(self.address):
            with contextlib.suppress(FileNotFoundError):
                for name in filter(is_leftover, self._entries()):
                    self.remove(name)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        where = str(self.address)
        with _locking:
            if where in _locked:
                raise FolderInUseError(
                    f"{where} is in use by another job of this process; give another folder"
                )
            _locked.add(where)
        try:
            yield
        finally:
            with _locking:
                _locked.discard(where)

    def _file(self, name: str) -> Address:
        return self.address / check_name(name)

    def _entries(self) -> list[str]:
        """Return the names of all files directly in the folder, sorted."""
        files = system(self.address)
        with translate_errors(self.address):
            root = str(files._strip_protocol(str(self.address))).rstrip("/") + "/"
            entries = files.ls(str(self.address), detail=True)
            names = [entry["name"].removeprefix(root) for entry in entries if entry["type"] == "file"]
        return sorted(name for name in names if name and "/" not in name)


@contextlib.contextmanager
def _writing(folder: Address, name: str, address: Address) -> Iterator[IO[bytes]]:
    """Write the file locally and upload it when the block ends."""
    system(folder)  # raises an error about a missing package before anything is written
    with tempfile.TemporaryDirectory(prefix="mtcnn-cpp-") as place:
        path = Path(place, "file")
        raw = OutputFile(path, lambda error: to_os_error(str(address), error))
        with cast("IO[bytes]", io.BufferedWriter(raw)) as file:
            yield file
        upload(os.fspath(path), folder, name)


# Connections


def system(address: Address, *, upload: int = 0) -> Any:
    """Return the `fsspec.AbstractFileSystem` for this address. fsspec caches one file system per thread.

    `upload` is the number of bytes that will be uploaded.
    """
    fsspec = import_extra("fsspec", EXTRA, str(address))
    if address.scheme not in fsspec.available_protocols():
        raise ValueError(
            f"{address}: fsspec does not support {address.scheme}://; expected s3://, gs://, memory://, …"
        )
    try:
        kind = fsspec.get_filesystem_class(address.scheme)
    except ImportError as error:  # the message names the package to install
        extra = f"; pip install '{EXTRA}'" if address.scheme in S3 else ""
        raise MissingExtra(f"{address}: {error}{extra}", name=error.name) from error
    with translate_errors(address):
        if address.scheme not in S3:
            made = kind(**kind._get_kwargs_from_urls(str(address)))
            made.invalidate_cache()  # other processes write to the store, too
            return made
        made = kind(**_s3_options(fsspec.config.conf, upload > SMALL))
        made.retries = ATTEMPTS
        return made


def _s3_options(conf: dict[str, dict[str, Any]], slow: bool) -> dict[str, Any]:
    given = {**conf.get("s3", {}), **conf.get("s3a", {})}
    config: dict[str, Any] = {}
    if not {"AWS_MAX_ATTEMPTS", "AWS_RETRY_MODE"} & set(os.environ):
        config["retries"] = {"mode": "standard", "total_max_attempts": ATTEMPTS}
    if slow:
        config["read_timeout"] = UPLOAD_TIMEOUT
    return {
        "use_listings_cache": False,  # other processes write to the store, too
        "config_kwargs": config | given.get("config_kwargs", {}),
    }


def is_object_store(address: Address) -> bool:
    """Return whether a file in this store becomes visible only after its upload is complete."""
    return address.scheme in OBJECTS


# Uploads


def upload(path: str, folder: Address, name: str) -> None:
    """Copy the file at `path` to `name` in `folder`. After a failed upload, no file and no parts remain."""
    address = folder / name
    size = os.path.getsize(path)
    files = system(address, upload=size)
    if address.scheme in S3:
        with translate_errors(address), open(path, "rb") as file:
            _in_parts(files, address, file, size)
    elif address.scheme in OBJECTS:
        with translate_errors(address):
            files.put_file(path, str(address))
    else:
        _put_and_rename(files, path, folder / temporary_name(name), address)


def _in_parts(files: Any, address: Address, file: IO[bytes], size: int) -> None:
    """Upload to S3 in parts with a time limit per request; abort the upload if it fails."""
    limit = max(UPLOAD_TIMEOUT, files.config_kwargs.get("read_timeout", 0))
    if size <= PART:
        files.pipe_file(str(address), file.read(), timeout=limit)
        return
    bucket, key, _ = files.split_path(str(address))
    step = max(PART, -(-size // 10_000))
    begun = files.call_s3("create_multipart_upload", Bucket=bucket, Key=key)
    this = {"Bucket": bucket, "Key": key, "UploadId": begun["UploadId"]}
    try:
        parts: list[dict[str, Any]] = []
        while data := file.read(step):
            number = len(parts) + 1
            sent = files.call_s3("upload_part", **this, PartNumber=number, Body=data, timeout=limit)
            sums = {name: value for name, value in sent.items() if name.startswith("Checksum")}
            parts.append({"PartNumber": number, "ETag": sent["ETag"], **sums})
        files.call_s3("complete_multipart_upload", **this, MultipartUpload={"Parts": parts}, timeout=limit)
    except BaseException:  # including KeyboardInterrupt
        with contextlib.suppress(Exception):
            files.call_s3("abort_multipart_upload", **this)
        raise


def _put_and_rename(files: Any, path: str, temporary: Address, address: Address) -> None:
    from fsspec import AbstractFileSystem

    try:
        with translate_errors(address):
            files.put_file(path, str(temporary))
            if type(files).mv is AbstractFileSystem.mv:  # this `mv` interprets names as patterns
                files.cp_file(str(temporary), str(address))
            else:
                files.mv(str(temporary), str(address))
    finally:
        with contextlib.suppress(Exception):
            files.rm_file(str(temporary))


# Downloads


def open_remote(address: Address) -> IO[bytes]:
    """Open a file as a seekable binary stream. A block is downloaded only when it is read."""
    files = system(address)
    with translate_errors(address):
        file = files.open(str(address), "rb", block_size=READ_BLOCK)
        if isinstance(file, io.BytesIO):  # memory://: the object is shared, so copy it
            return io.BytesIO(file.getvalue())
    return cast("IO[bytes]", io.BufferedReader(_RemoteStream(address, file), 2**16))


class _RemoteStream(io.RawIOBase):
    """A file that fsspec has opened. The messages of its errors name the address."""

    def __init__(self, address: Address, file: Any) -> None:
        self._address = address
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        with translate_errors(self._address):
            return int(self._file.readinto(buffer))

    def readall(self) -> bytes:
        with translate_errors(self._address):
            return bytes(self._file.read())

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()
