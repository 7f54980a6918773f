"""A file of this machine goes into a store, whole or not at all."""

from __future__ import annotations

import contextlib
import os
from typing import IO, Any

from ..files import temporary_name
from .address import OBJECTS, S3, Address
from .errors import told
from .system import UPLOAD_TIMEOUT, system

PART = (
    16 * 2**20
)  # bytes that are sent at a time; of a file of over 160 GB more, for a store takes 10,000 parts


def upload(path: str, folder: Address, name: str) -> None:
    """Copy the file at `path` to `name` in `folder`. What fails on the way is not seen, nor are its parts
    kept."""
    address = folder / name
    size = os.path.getsize(path)
    files = system(address, upload=size)
    if address.scheme in S3:
        with told(address), open(path, "rb") as file:
            _in_parts(files, address, file, size)
    elif address.scheme in OBJECTS:
        with told(address):
            files.put_file(path, str(address))
    else:
        _put_and_rename(files, path, folder / temporary_name(name), address)


def _in_parts(files: Any, address: Address, file: IO[bytes], size: int) -> None:
    """Each request has its time: a connection that takes no more data is no error to the libraries."""
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
    except BaseException:  # an interrupt too
        with contextlib.suppress(Exception):
            files.call_s3("abort_multipart_upload", **this)
        raise


def _put_and_rename(files: Any, path: str, temporary: Address, address: Address) -> None:
    from fsspec import AbstractFileSystem

    try:
        with told(address):
            files.put_file(path, str(temporary))
            if type(files).mv is AbstractFileSystem.mv:  # which takes names for patterns
                files.cp_file(str(temporary), str(address))
            else:
                files.mv(str(temporary), str(address))
    finally:
        with contextlib.suppress(Exception):
            files.rm_file(str(temporary))
