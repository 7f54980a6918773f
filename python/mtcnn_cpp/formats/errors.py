"""What can be wrong with a port, and what is missing to look at it."""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Iterator
from typing import Any

from ..escape import printable

LONGEST = 2000  # characters of an error; what a file holds can be longer


def shown(text: object, longest: int = LONGEST) -> str:
    """Text that may come from a file, fit for a terminal: what cannot be printed is escaped, what is too long
    is cut."""
    whole = str(text)
    return printable(whole[:longest]) + ("…" if len(whole) > longest else "")


class PortError(ValueError):
    """A file or a graph that cannot be read as one of the three networks; the message names the cause, and
    never holds control characters."""

    def __init__(self, message: str) -> None:
        super().__init__(shown(message))


class Unsupported(Exception):
    """Why a node of an ONNX graph cannot be read; the reader makes a PortError of it that names the node."""


class MissingExtra(ImportError):
    """A package is needed that is not installed; the message says which one and how to get it."""


@contextlib.contextmanager
def reading(path: str | os.PathLike[str]) -> Iterator[None]:
    """Whatever goes wrong with a file in this block is a PortError that names the path.

    A damaged file fails in any way (KeyError, RecursionError, MemoryError, …), so all of them count. What is
    no fault of the file stays as it is: OSError, which names the path by itself, and MissingExtra.
    """
    try:
        yield
    except (OSError, ImportError):
        raise
    except ValueError as error:
        if str(error).startswith(shown(path)):
            raise
        raise PortError(f"{path}: {words(error)}") from error
    except MemoryError as error:
        raise PortError(f"{path}: it asks for more memory than there is ({words(error)})") from error
    except Exception as error:
        raise PortError(f"{path}: damaged, or another kind of file ({words(error)})") from error


def words(error: BaseException) -> str:
    """What an exception says, in one line; its class where that is not plain from the words."""
    text = str(error).partition("\n")[0]
    if isinstance(error, PortError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def need(module: str, install: str, purpose: str) -> Any:
    """Import `module`, or raise MissingExtra saying that `purpose` needs it and what to `pip install`."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtra(
            f"{purpose} needs the package {module.partition('.')[0]!r}, which is not installed "
            f"(or does not import: {error}); pip install {install}",
            name=module,
        ) from error
