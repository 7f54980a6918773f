"""The bytes of a picture, wherever it is; and what may be wrong with one source of many."""

from __future__ import annotations

import sys
import threading

from ..image import LARGEST, kind_of, read_bytes
from ..stores import Fetched, fetch, is_address, is_web, mask_text, read_file
from ..stores.address import masked
from ..stores.web import SILENCE
from ..user_files import read_up_to

FAILURES = (OSError, ValueError, TypeError, ImportError, MemoryError)  # of one source; the others are done


class StreamFound(ValueError):
    """A web address leads to a video or a stream, not to an image."""


def read_content(name: str, stop: threading.Event | None = None) -> bytes:
    """What is in an image file at a path or an address; `-` is standard input. stop: set, ends the wait for a
    web server. Raises StreamFound for a video or stream on the web."""
    if name == "-":
        return _standard_input()
    if is_web(name):
        return _from_the_web(name, stop)
    return read_file(name) if is_address(name) else read_bytes(name)


def is_image_on_the_web(address: str) -> bool:
    """Whether a web address leads to an image, by its first bytes; otherwise it may be a stream. True as well
    if nothing is there: reading it tells why."""
    try:
        return kind_of(fetch(address, accept=lambda _: False, seconds=SILENCE).data) == "picture"
    except PermissionError:  # FFmpeg knows more kinds of logins
        return False
    except (FileNotFoundError, TimeoutError, ConnectionError):
        return True
    except (OSError, ValueError):
        return False


def words(error: BaseException) -> str:
    """The message of an error, without passwords; of an exception without a message its name."""
    return mask_text(str(error)) or type(error).__name__


def _standard_input() -> bytes:
    data = read_up_to(sys.stdin.buffer, LARGEST, "standard input")
    if kind_of(data) == "video":
        raise ValueError("- is a video, expected an image on standard input; save it, and name the file")
    return data


def _from_the_web(address: str, stop: threading.Event | None) -> bytes:
    found = fetch(address, stop=stop, accept=lambda head: not _is_stream(head))
    name = masked(address)
    if _is_stream(found):
        raise StreamFound(f"{name} is a video or a stream, expected an image")
    if found.is_page and kind_of(found.data) is None:
        raise ValueError(f"{name} is not an image: the server sends {found.content_type}")
    return found.data


def _is_stream(found: Fetched) -> bool:
    kind = kind_of(found.data)
    return kind == "video" or (kind is None and found.is_stream)
