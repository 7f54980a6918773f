"""Errors of reading and writing network files."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from .._util.errors import MtcnnError
from .._util.escape import printable

MAX_MESSAGE = 2000  # characters; text from a file can be longer


def safe_text(text: object, limit: int = MAX_MESSAGE) -> str:
    """Escape the unprintable characters of a text from a file, and cut the text to `limit` characters."""
    full = str(text)
    return printable(full[:limit]) + ("…" if len(full) > limit else "")


class PortError(MtcnnError, ValueError):
    """A file or graph cannot be read as one of the three networks.

    The message states the cause and contains no control characters.
    """

    def __init__(self, message: str) -> None:
        super().__init__(safe_text(message))


class Unsupported(MtcnnError):
    """A node of an ONNX graph cannot be read.

    The reader converts this error to a PortError that names the node.
    """


@contextlib.contextmanager
def translate_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """Convert the exceptions that a damaged file causes into PortError. The message contains `path`.

    Examples are KeyError, RecursionError and MemoryError. OSError and MissingExtra are not converted. The
    message of an OSError already names the path.
    """
    try:
        yield
    except (OSError, ImportError):
        raise
    except ValueError as error:
        if str(error).startswith(safe_text(path)):
            raise
        raise PortError(f"{path}: {error_message(error)}") from error
    except MemoryError as error:
        raise PortError(
            f"{path}: reading this file needs more memory than is available ({error_message(error)})"
        ) from error
    except Exception as error:
        raise PortError(f"{path}: damaged, or another kind of file ({error_message(error)})") from error


def error_message(error: BaseException) -> str:
    """Return the first line of an exception's message.

    For exceptions other than PortError, the name of the class is added.
    """
    text = str(error).partition("\n")[0]
    if isinstance(error, PortError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
