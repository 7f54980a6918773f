"""The bytes of a picture, wherever it is; and what may be wrong with one source of many."""

from __future__ import annotations

from ..image import read_bytes
from ..stores import is_address, mask_text, read_file

FAILURES = (OSError, ValueError, TypeError, ImportError, MemoryError)  # of one source; the others are done


def read_content(name: str) -> bytes:
    """What is in an image file at a path or an address."""
    return read_file(name) if is_address(name) else read_bytes(name)


def words(error: BaseException) -> str:
    """The message of an error, without passwords; of an exception without a message its name."""
    return mask_text(str(error)) or type(error).__name__
