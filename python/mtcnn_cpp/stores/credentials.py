"""Addresses as they may be shown and stored: without users, passwords and tokens."""

from __future__ import annotations

import re

HIDDEN = "***"
_START = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]+:/{1,3}|(?<![\w/:])//)")
_IN_TEXT = re.compile(rf"(?<![A-Za-z0-9+.-]){_START.pattern}\S+")
# Hosts that no user's name looks like; with a port any host.
_HOST = re.compile(r"(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-fA-F:.%]+\]|localhost)(?::\d*)?", re.IGNORECASE)
_WITH_PORT = re.compile(r"[\w.-]+:\d{1,5}")
_CONTAINER = re.compile(r"[\w$-]+@[\w.-]+")  # Azure: container@account
_CAMERAS = ("rtsp", "rtmp", "rtp", "srt", "udp", "tcp", "mms")  # some have the password in the path
_AZURE = ("abfs://", "abfss://", "wasb://", "wasbs://")
_SECRET = re.compile(
    r"(?:^|(?<=[?&;#/]))([^?&;#/=\s]*"
    r"(?:pass|pwd|psw|pw|token|secret|sig|key|auth|cred|user|usr|login|session|jwt|ticket|hmac|otp)"
    r"[^?&;#/=\s]*=)",
    re.IGNORECASE,
)


def mask_address(address: str) -> str:
    """The address with `***` in place of user and password, and of values in its query (for streams of
    cameras also in its path) whose names stand for secrets: `token`, `X-Amz-Signature`, `password`, …

    Any other text stays as it is.

    A password may hold `@`, `:`, `/`, `?`, `#` and `%` as they are, so everything up to the last `@` is
    hidden where it may belong to one. A path with an `@` is then cut, too, if the host has a port and a name.
    """
    start = _START.match(address)
    if start is None:
        return address
    scheme, rest = start[0], address[start.end() :]
    end = _credentials_end(scheme.lower(), rest)
    shown = f"{HIDDEN}@{rest[end:]}" if end else mask_text(rest)
    path, mark, query = shown.partition("?")
    if scheme.lower().startswith(_CAMERAS):
        path = _hide(path, "/;&")
    return scheme + path + mark + _hide(query, "&;")


def credentials_of(address: str) -> str:
    """What `mask_address` takes for user and password; empty if there is nothing."""
    start = _START.match(address)
    if start is None:
        return ""
    rest = address[start.end() :]
    return rest[: max(0, _credentials_end(start[0].lower(), rest) - 1)]


def mask_text(text: str) -> str:
    """The text with every address in it masked by `mask_address`."""
    return _IN_TEXT.sub(lambda found: mask_address(found[0]), text)


def _credentials_end(scheme: str, rest: str) -> int:
    """Where the host begins behind a user and password; 0 if there are none."""
    last = rest.rfind("@")
    if last < 0:
        return 0
    authority = re.split(r"[/?#\\]", rest, maxsplit=1)[0]
    host = re.split(r"[/?#\\]", rest[last + 1 :], maxsplit=1)[0]
    if scheme in _AZURE and _CONTAINER.fullmatch(authority) and rest.count("@") == authority.count("@"):
        return 0
    if "@" in authority:
        return last + 1
    if ":" in authority:  # the beginning of user:password, unless it is surely a host
        return 0 if _HOST.fullmatch(authority) else last + 1
    # a user with a slash in it, if what follows is surely a host; buckets have paths like that, too
    surely = scheme.startswith(("http", *_CAMERAS)) and (_HOST.fullmatch(host) or _WITH_PORT.fullmatch(host))
    return last + 1 if surely and "." not in authority else 0


def _hide(text: str, ends: str) -> str:
    """Hide the values of secret names, up to one of these signs."""
    shown, at = "", 0
    while found := _SECRET.search(text, at):
        shown += text[at : found.end()] + HIDDEN
        at = min((place for sign in ends if (place := text.find(sign, found.end())) >= 0), default=len(text))
    return shown + text[at:]
