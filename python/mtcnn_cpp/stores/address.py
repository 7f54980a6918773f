"""Addresses of folders and files in stores, and what may be said of them aloud."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..escape import printable
from .credentials import credentials_of, mask_text

SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")  # two characters at least: one is a drive of Windows
# What these lead to is a stream, a page or a device, and no file in a store.
STREAMS = frozenset(
    [
        "http",
        "https",
        "rtsp",
        "rtsps",
        "rtspu",
        "rtmp",
        "rtmps",
        "rtmpe",
        "rtmpt",
        "rtp",
        "rtps",
        "srt",
        "udp",
        "udplite",
        "tcp",
        "tls",
        "mms",
        "mmsh",
        "mmst",
        "hls",
        "whep",
        "webrtc",
        "camera",
        "v4l2",
        "gst",
        "pipe",
    ]
)
S3 = frozenset({"s3", "s3a"})
OBJECTS = S3 | {"gs", "gcs", "abfs", "abfss", "az", "oss", "obs"}  # an upload is seen when it is complete


@dataclass(frozen=True)
class Address:
    """One that was checked. `path` is all after `scheme://`, without slashes at its end."""

    scheme: str
    path: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.path}"

    def __truediv__(self, name: str) -> Address:
        """The address of `name` in this folder."""
        return checked(Address(self.scheme, f"{self.path}/{name}" if self.path else name))

    @property
    def has_dots(self) -> bool:
        """Whether a part of the path is `.` or `..`."""
        return not {".", ".."}.isdisjoint(self.path.split("/")[1:])


def is_address(name: str) -> bool:
    """Whether this is `scheme://…`, for stores; not a path on this machine, and not that of a stream or
    camera."""
    found = SCHEME.match(name)
    return found is not None and found[1].lower() not in STREAMS


def masked(text: str) -> str:
    """The text by `mask_text`, fit for a terminal."""
    return printable(mask_text(text)[:2000])


def parse(name: str, *, dots: bool = True) -> Address:
    """The parts of an address; ValueError if it cannot be one. dots: whether keys of S3 may have parts that
    are `.` or `..`, which mean nothing there."""
    found = SCHEME.match(name)
    if found is None or not is_address(name):
        raise ValueError(f"{masked(name)} is not the address of a store, which is like s3://bucket/folder")
    scheme, path = found[1].lower(), name[found.end() :].rstrip("/")
    address = checked(Address(scheme, path.lstrip("/") if scheme == "memory" else path))
    if address.has_dots and not (dots and scheme in S3):
        raise ValueError(
            f"{masked(name)}: '.' and '..' lead nowhere in a store; give the address without them"
        )
    return address


def checked(address: Address) -> Address:
    """`address`, if it means what it says."""
    told = masked(str(address))
    if address.scheme in ("file", "local"):
        raise ValueError(
            f"{told}: give the path of a folder or file on this machine without {address.scheme}://"
        )
    host = address.path.split("/")[0]
    user = credentials_of(str(address))
    if user and (address.scheme in S3 or ":" in user):
        raise ValueError(
            f"{told}: an address is shown and kept in results, so it must hold no key and no password; "
            "put them into the environment (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; of "
            f"others, FSSPEC_{address.scheme.upper()}_PASSWORD)"
        )
    if address.scheme in OBJECTS and not host:
        raise ValueError(
            f"{told}: the bucket is missing; an address is like {address.scheme}://bucket/folder"
        )
    if "\0" in address.path or (address.scheme in S3 and "?versionId=" in address.path):
        raise ValueError(f"{told}: a name in a store must not hold {chr(0)!r} or '?versionId='")
    return address
