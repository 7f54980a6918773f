"""Images at http:// and https:// addresses: fetched whole, with limits of size and time."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import SplitResult, quote, unquote, urlsplit, urlunsplit

from .address import masked
from .credentials import credentials_of

LIMIT = 256 << 20  # bytes of one image
SECONDS = 120.0  # for the whole of one image
SILENCE = 15.0  # seconds without a byte, and to connect
_PIECE = 1 << 16
_HTTP = re.compile(r"https?://", re.IGNORECASE)
HEAD = 512  # bytes that `accept` gets at least, if there are so many
_KEPT = "/%:@!$&'()*+,;=~-._?"  # signs of an address that stay as they are
_PLAYLISTS = (
    "application/vnd.apple.mpegurl",
    "application/x-mpegurl",
    "audio/mpegurl",
    "application/dash+xml",
)
_PAGES = ("text/", "application/json", "application/xml", "application/xhtml")


def is_web(name: str) -> bool:
    """Whether the name is an http:// or https:// address."""
    return _HTTP.match(name) is not None


def path_of(address: str) -> str:
    """The path of a web address, without host and query; empty if it is not valid."""
    try:
        return unquote(_split(address)[1].path)
    except ValueError:
        return ""


def _split(address: str) -> tuple[str, SplitResult]:
    """User and password of an address, which may hold any sign, and its other parts."""
    login = credentials_of(address)
    return login, urlsplit(address.replace(f"{login}@", "", 1) if login else address)


@dataclass(frozen=True)
class Fetched:
    """data: the content, or its beginning if it is not complete. content_type: what the server calls it, in
    lower case. is_complete: whether it was read to its end."""

    data: bytes
    content_type: str
    is_complete: bool = False

    @property
    def is_page(self) -> bool:
        """Whether the server calls it text or data, not an image or video."""
        return self.content_type.startswith(_PAGES)

    @property
    def is_stream(self) -> bool:
        """Whether the server calls it a video, a playlist, or parts that follow each other, as cameras send
        Motion JPEG."""
        return self.content_type.startswith(("multipart/", "video/", *_PLAYLISTS))


Accept: TypeAlias = Callable[[Fetched], bool]


@dataclass
class _Fetch:
    """One request, on a thread of its own, which nobody has to wait for."""

    address: str
    accept: Accept | None
    limit: int
    abandoned: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)
    result: Fetched | None = None
    error: Exception | None = None

    def run(self) -> None:
        try:
            with _open(self.address) as response:
                self.result = self._read(response)
        except Exception as error:  # of any kind: it belongs to the thread that waits
            if isinstance(error, urllib.error.HTTPError):
                error.close()
            self.error = error
        finally:
            self.done.set()

    def _read(self, response: Any) -> Fetched:
        content_type = response.headers.get_content_type().lower()
        data, asked = bytearray(), self.accept is None
        while not self.abandoned.is_set():
            piece = response.read1(_PIECE)
            data += piece
            if not asked and (len(data) >= HEAD or not piece):
                found = Fetched(bytes(data), content_type)
                if self.accept is not None and not self.accept(found):
                    return found
                asked = True
            if not piece:
                break
            if asked and len(data) + (response.length or 0) > self.limit:
                raise _TooLarge
        if response.length:
            raise http.client.IncompleteRead(b"", response.length)
        return Fetched(bytes(data), content_type, is_complete=True)


class _TooLarge(Exception):
    """More bytes than the limit."""


class _Stopped(Exception):
    """The caller gave up."""


def fetch(
    address: str,
    *,
    accept: Accept | None = None,
    stop: threading.Event | None = None,
    limit: int | None = None,
    seconds: float | None = None,
) -> Fetched:
    """What is at a web address. Redirects lead to web addresses only; user and password of the address go to
    its own host.

    accept: gets the first 512 bytes, or more; if it returns False they are all that is read. stop: set, ends
    the wait. limit: most bytes (256 MiB). seconds: for everything (120 s); a server that sends
    nothing for 15 s is given up, too.

    Raises OSError (FileNotFoundError, PermissionError, TimeoutError, ConnectionError) or ValueError, which
    names the address without user and password.
    """
    limit, seconds = limit or LIMIT, seconds or SECONDS
    task = _Fetch(address, accept, limit)
    threading.Thread(target=task.run, name="mtcnn_cpp fetch", daemon=True).start()
    end = time.monotonic() + seconds
    try:
        while not task.done.wait(0.05):
            if stop is not None and stop.is_set():
                raise _error(address, _Stopped(), limit)
            if time.monotonic() > end:
                raise TimeoutError(
                    f"{masked(address)}: not complete after {seconds:g} s; download it, and give the file"
                )
    finally:
        task.abandoned.set()
    if task.error is not None:
        raise _error(address, task.error, limit) from None
    assert task.result is not None
    return task.result


class _SameKind(urllib.request.HTTPRedirectHandler):
    """Follows redirects to other web addresses, not to ftp://."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if not is_web(newurl):
            raise urllib.error.HTTPError(newurl, code, "a redirect that leaves the web", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _open(address: str) -> Any:
    """The response to a request for the address."""
    login, parts = _split(address)
    user, _, password = login.partition(":")
    host = parts.netloc
    host = host.encode("idna").decode() if not host.isascii() else host
    path, query = quote(parts.path, safe=_KEPT), quote(parts.query, safe=_KEPT)
    plain = urlunsplit((parts.scheme, host, path, query, ""))
    handlers: list[Any] = [_SameKind]
    if login:
        logins = urllib.request.HTTPPasswordMgrWithDefaultRealm()
        logins.add_password(None, f"{parts.scheme}://{host}/", unquote(user), unquote(password))
        handlers += [
            urllib.request.HTTPBasicAuthHandler(logins),
            urllib.request.HTTPDigestAuthHandler(logins),
        ]
    headers = {"User-Agent": "mtcnn-cpp", "Accept": "image/*, */*;q=0.5"}
    request = urllib.request.Request(plain, headers=headers)
    return urllib.request.build_opener(*handlers).open(request, timeout=SILENCE)


def _error(address: str, error: Exception, limit: int) -> Exception:
    """The error that a user sees."""
    name = masked(address)
    reason: object = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(error, urllib.error.HTTPError):
        status = f"the server answers {error.code} ({' '.join(str(error.reason).split())})"
        if error.code in (404, 410):
            return FileNotFoundError(f"{name}: there is nothing at this address: {status}")
        if error.code in (401, 403, 407):
            return PermissionError(f"{name}: access is denied: {status}")
        return OSError(f"{name}: cannot be fetched: {status}")
    if isinstance(error, _TooLarge):
        return ValueError(
            f"{name}: expected an image of at most {limit} bytes, found more; download it first"
        )
    if isinstance(error, _Stopped):
        return InterruptedError(f"{name}: stopped before it was complete")
    if isinstance(reason, (socket.timeout, TimeoutError)):
        return TimeoutError(f"{name}: the server has sent nothing for {SILENCE:g} s")
    if isinstance(reason, ssl.SSLError):
        return ConnectionError(f"{name}: no secure connection ({reason.reason or reason})")
    if isinstance(error, http.client.IncompleteRead):
        return ConnectionError(f"{name}: the connection broke, {error.expected} bytes are missing")
    if isinstance(error, (ValueError, http.client.InvalidURL, UnicodeError)):
        return ValueError(f"{name}: not a valid web address")
    words = masked(
        " ".join(str(getattr(reason, "strerror", None) or reason or type(reason).__name__).split())
    )
    if isinstance(reason, OSError):
        return ConnectionError(f"{name}: no connection to the server ({words})")
    return OSError(f"{name}: the server's answer is not valid HTTP ({words})")
