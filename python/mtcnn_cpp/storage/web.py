"""Downloads files from http:// and https:// addresses. The size and the time of a download are limited."""

from __future__ import annotations

import http.client
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

from .address import credentials_of, is_web, masked

LIMIT = 256 << 20  # bytes per file
SECONDS = 120.0  # per file
SILENCE = 15.0  # maximum seconds without data; maximum seconds to connect
_PIECE = 1 << 16
HEAD = 512  # minimum number of bytes for `accept`, unless the file is shorter
_KEPT = "/%:@!$&'()*+,;=~-._?"  # characters that are not percent-encoded
_PLAYLISTS = (
    "application/vnd.apple.mpegurl",
    "application/x-mpegurl",
    "audio/mpegurl",
    "application/dash+xml",
)
_PAGES = ("text/", "application/json", "application/xml", "application/xhtml")


def path_of(address: str) -> str:
    """Return the path of a web address, without host and query; "" if the address is not valid."""
    try:
        return unquote(_split(address)[1].path)
    except ValueError:
        return ""


def _split(address: str) -> tuple[str, SplitResult]:
    """Split an address into its login (user and password) and the address without the login.

    User and password can contain any characters.
    """
    login = credentials_of(address)
    return login, urlsplit(address.replace(f"{login}@", "", 1) if login else address)


@dataclass(frozen=True)
class Fetched:
    """A downloaded file.

    Attributes:
        data: The content, or its beginning if the download is not complete.
        content_type: Content type according to the server, in lower case.
        is_complete: Whether the file was downloaded to its end.
    """

    data: bytes
    content_type: str
    is_complete: bool = False

    @property
    def is_page(self) -> bool:
        """Whether the content type is a text or data format, not an image or video."""
        return self.content_type.startswith(_PAGES)

    @property
    def is_stream(self) -> bool:
        """Whether the content type is a video, a playlist, or multipart (Motion JPEG of cameras)."""
        return self.content_type.startswith(("multipart/", "video/", *_PLAYLISTS))


Accept: TypeAlias = Callable[[Fetched], bool]


@dataclass
class _Fetch:
    """One request, which runs on a separate thread. The caller can abandon the request."""

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
        except Exception as error:  # the waiting thread raises it
            if isinstance(error, urllib.error.HTTPError):
                error.close()
            self.error = error
        finally:
            self.done.set()

    def _read(self, response: Any) -> Fetched:
        content_type = response.headers.get_content_type().lower()
        data, accepted = bytearray(), self.accept is None
        while not self.abandoned.is_set():
            piece = response.read1(_PIECE)
            data += piece
            if not accepted and (len(data) >= HEAD or not piece):
                fetched = Fetched(bytes(data), content_type)
                if self.accept is not None and not self.accept(fetched):
                    return fetched
                accepted = True
            if not piece:
                break
            if accepted and len(data) + (response.length or 0) > self.limit:
                raise _TooLarge
        if response.length:
            raise http.client.IncompleteRead(b"", response.length)
        return Fetched(bytes(data), content_type, is_complete=True)


class _TooLarge(Exception):
    """The file has more bytes than the limit."""


class _Cancelled(Exception):
    """The caller cancelled the download."""


def fetch(
    address: str,
    *,
    accept: Accept | None = None,
    stop: threading.Event | None = None,
    limit: int | None = None,
    seconds: float | None = None,
) -> Fetched:
    """Download a file. Follow redirects only to http:// and https:// addresses.

    User and password in the address are sent only to the host in the address.

    Args:
        address: An http:// or https:// address.
        accept: Called with a `Fetched` that contains at least the first 512 bytes (all bytes of a shorter
            file). If it returns False, the download ends.
        stop: Event that cancels the download.
        limit: Maximum number of bytes. None: 256 MiB.
        seconds: Time limit for the download. None: 120 s. A TimeoutError is also raised if the server sends
            no data for 15 s.

    Raises:
        OSError: The download failed (FileNotFoundError, PermissionError, TimeoutError, ConnectionError).
        ValueError: The address is not valid, or the file is too large.

    All messages contain the address without user and password.
    """
    limit, seconds = limit or LIMIT, seconds or SECONDS
    task = _Fetch(address, accept, limit)
    threading.Thread(target=task.run, name="mtcnn_cpp fetch", daemon=True).start()
    end = time.monotonic() + seconds
    try:
        while not task.done.wait(0.05):
            if stop is not None and stop.is_set():
                raise _error(address, _Cancelled(), limit)
            if time.monotonic() > end:
                raise TimeoutError(
                    f"{masked(address)}: not complete after {seconds:g} s; download it and pass the file"
                )
    finally:
        task.abandoned.set()
    if task.error is not None:
        raise _error(address, task.error, limit) from None
    assert task.result is not None
    return task.result


class _WebRedirectHandler(urllib.request.HTTPRedirectHandler):
    """Follows redirects only to http:// and https:// addresses."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if not is_web(newurl):
            raise urllib.error.HTTPError(newurl, code, "a redirect to another protocol", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _open(address: str) -> Any:
    """Send a request and return the response."""
    login, parts = _split(address)
    user, _, password = login.partition(":")
    host = parts.netloc
    host = host.encode("idna").decode() if not host.isascii() else host
    path, query = quote(parts.path, safe=_KEPT), quote(parts.query, safe=_KEPT)
    plain = urlunsplit((parts.scheme, host, path, query, ""))
    handlers: list[Any] = [_WebRedirectHandler]
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
    """Convert an exception to an error whose message is written for users."""
    name = masked(address)
    reason: object = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(error, urllib.error.HTTPError):
        status = f"the server responds with {error.code} ({' '.join(str(error.reason).split())})"
        if error.code in (404, 410):
            return FileNotFoundError(f"{name}: there is nothing at this address: {status}")
        if error.code in (401, 403, 407):
            return PermissionError(f"{name}: access is denied: {status}")
        return OSError(f"{name}: cannot be fetched: {status}")
    if isinstance(error, _TooLarge):
        return ValueError(
            f"{name}: expected an image of at most {limit} bytes, found more; download it first"
        )
    if isinstance(error, _Cancelled):
        return InterruptedError(f"{name}: cancelled before it was complete")
    if isinstance(reason, (socket.timeout, TimeoutError)):
        return TimeoutError(f"{name}: the server has sent no data for {SILENCE:g} s")
    if isinstance(reason, ssl.SSLError):
        return ConnectionError(f"{name}: no secure connection ({reason.reason or reason})")
    if isinstance(error, http.client.IncompleteRead):
        return ConnectionError(f"{name}: the connection broke, {error.expected} bytes are missing")
    if isinstance(error, (ValueError, http.client.InvalidURL, UnicodeError)):
        return ValueError(f"{name}: not a valid web address")
    message = masked(
        " ".join(str(getattr(reason, "strerror", None) or reason or type(reason).__name__).split())
    )
    if isinstance(reason, OSError):
        return ConnectionError(f"{name}: no connection to the server ({message})")
    return OSError(f"{name}: the server's answer is not valid HTTP ({message})")
