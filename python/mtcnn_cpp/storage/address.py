"""Checks the addresses of stored files, streams and web pages, and masks the secrets in addresses."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .._util.escape import printable

SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")  # 2 or more characters; a Windows drive has 1
_STREAM_SCHEMES = """http https rtsp rtsps rtspu rtmp rtmps rtmpe rtmpt rtp rtps srt udp udplite tcp tls
    mms mmsh mmst hls whep webrtc camera v4l2 gst pipe"""
STREAMS = frozenset(_STREAM_SCHEMES.split())  # addresses of streams, pages and devices, not of stored files
S3 = frozenset({"s3", "s3a"})
# Object stores. A file in an object store becomes visible only after its upload is complete.
OBJECTS = S3 | {"gs", "gcs", "abfs", "abfss", "az", "oss", "obs"}


HIDDEN = "***"
_WEB = re.compile(r"https?://", re.IGNORECASE)
_START = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]+:/{1,3}|(?<![\w/:])//)")
_IN_TEXT = re.compile(rf"(?<![A-Za-z0-9+.-]){_START.pattern}\S+")
# _HOST: hosts that cannot be user names. _WITH_PORT: any host that is followed by a port.
_HOST = re.compile(r"(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-fA-F:.%]+\]|localhost)(?::\d*)?", re.IGNORECASE)
_WITH_PORT = re.compile(r"[\w.-]+:\d{1,5}")
_CONTAINER = re.compile(r"[\w$-]+@[\w.-]+")  # on Azure: container@account
_CAMERAS = ("rtsp", "rtmp", "rtp", "srt", "udp", "tcp", "mms")  # their paths can contain a password
_AZURE = ("abfs://", "abfss://", "wasb://", "wasbs://")
_SECRET = re.compile(
    r"(?:^|(?<=[?&;#/]))([^?&;#/=\s]*"
    r"(?:pass|pwd|psw|pw|token|secret|sig|key|auth|cred|user|usr|login|session|jwt|ticket|hmac|otp)"
    r"[^?&;#/=\s]*=)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Address:
    """A checked address of a file or folder in a store.

    `path` is the text after `scheme://`, without a slash at the end.
    """

    scheme: str
    path: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.path}"

    def __truediv__(self, name: str) -> Address:
        """Return the address of `name` in this folder."""
        return checked(Address(self.scheme, f"{self.path}/{name}" if self.path else name))

    @property
    def has_dots(self) -> bool:
        """Whether a part of the path is `.` or `..`."""
        return not {".", ".."}.isdisjoint(self.path.split("/")[1:])


def is_address(name: str) -> bool:
    """Return whether `name` is the address of a file or folder in a store, such as `s3://bucket/folder`.

    Returns False for local paths, streams, cameras and web addresses.
    """
    match = SCHEME.match(name)
    return match is not None and match[1].lower() not in STREAMS


def is_web(name: str) -> bool:
    """Return whether `name` is an http:// or https:// address."""
    return _WEB.match(name) is not None


def masked(text: str) -> str:
    """Return `mask_text(text)`, escaped and shortened for error messages."""
    return printable(mask_text(text)[:2000])


def parse(name: str, *, dots: bool = True) -> Address:
    """Parse an address. Raise ValueError if it is not valid.

    If `dots` is true, S3 addresses may contain the parts `.` and `..`, because S3 does not interpret them.
    """
    match = SCHEME.match(name)
    if match is None or not is_address(name):
        raise ValueError(f"{masked(name)} is not the address of a store; expected s3://bucket/folder")
    scheme, path = match[1].lower(), name[match.end() :].rstrip("/")
    address = checked(Address(scheme, path.lstrip("/") if scheme == "memory" else path))
    if address.has_dots and not (dots and scheme in S3):
        raise ValueError(
            f"{masked(name)}: '.' and '..' have no meaning in a store; give the address without them"
        )
    return address


def checked(address: Address) -> Address:
    """Return the address.

    Raise ValueError if it contains secrets or ambiguous characters, or has no bucket.
    """
    shown = masked(str(address))
    if address.scheme in ("file", "local"):
        raise ValueError(
            f"{shown}: give the path of a folder or file on this machine without {address.scheme}://"
        )
    host = address.path.split("/")[0]
    user = credentials_of(str(address))
    if user and (address.scheme in S3 or ":" in user):
        raise ValueError(
            f"{shown}: an address is shown and kept in results, so it must not contain a key or password; "
            "put them into the environment (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; for "
            f"other stores, FSSPEC_{address.scheme.upper()}_PASSWORD)"
        )
    if address.scheme in OBJECTS and not host:
        raise ValueError(
            f"{shown}: the bucket is missing; expected an address like {address.scheme}://bucket/folder"
        )
    if "\0" in address.path or (address.scheme in S3 and "?versionId=" in address.path):
        raise ValueError(f"{shown}: a name in a store must not contain {chr(0)!r} or '?versionId='")
    return address


def mask_address(address: str) -> str:
    """Replace user, password and secret query values of an address by `***`.

    A value is secret if its name contains, for example, `token`, `sig` or `pass`. In addresses of camera
    streams, such values are also replaced in the path. Text that is not an address is returned unchanged.

    A password can contain `@`, `:`, `/`, `?`, `#` and `%` unescaped. Therefore, all text before the last `@`
    is hidden if it could belong to a password. This can also hide a part of a path, if the path contains an
    `@`.
    """
    start = _START.match(address)
    if start is None:
        return address
    scheme, rest = start[0], address[start.end() :]
    end = _credentials_end(scheme.lower(), rest)
    shown = f"{HIDDEN}@{rest[end:]}" if end else mask_text(rest)
    path, separator, query = shown.partition("?")
    if scheme.lower().startswith(_CAMERAS):
        path = _hide(path, "/;&")
    return scheme + path + separator + _hide(query, "&;")


def credentials_of(address: str) -> str:
    """Return the user and password in an address, which `mask_address` hides. Return "" if there are none."""
    start = _START.match(address)
    if start is None:
        return ""
    rest = address[start.end() :]
    return rest[: max(0, _credentials_end(start[0].lower(), rest) - 1)]


def mask_text(text: str) -> str:
    """Apply `mask_address` to every address in the text."""
    return _IN_TEXT.sub(lambda found: mask_address(found[0]), text)


def _credentials_end(scheme: str, rest: str) -> int:
    """Return the offset of the host after user and password; 0 if there is no user and no password."""
    last = rest.rfind("@")
    if last < 0:
        return 0
    authority = re.split(r"[/?#\\]", rest, maxsplit=1)[0]
    host = re.split(r"[/?#\\]", rest[last + 1 :], maxsplit=1)[0]
    if scheme in _AZURE and _CONTAINER.fullmatch(authority) and rest.count("@") == authority.count("@"):
        return 0
    if "@" in authority:
        return last + 1
    if ":" in authority:  # starts with user:password, unless it must be host:port
        return 0 if _HOST.fullmatch(authority) else last + 1
    # If a host follows the `@`, the text before the `@` is a user name that contains a slash. Otherwise, this
    # text is part of a path in a bucket.
    is_host = scheme.startswith(("http", *_CAMERAS)) and (_HOST.fullmatch(host) or _WITH_PORT.fullmatch(host))
    return last + 1 if is_host and "." not in authority else 0


def _hide(text: str, ends: str) -> str:
    """Hide each value that has a secret name. A value ends before the first character that is in `ends`."""
    shown, at = "", 0
    while found := _SECRET.search(text, at):
        shown += text[at : found.end()] + HIDDEN
        at = min((end for sign in ends if (end := text.find(sign, found.end())) >= 0), default=len(text))
    return shown + text[at:]
