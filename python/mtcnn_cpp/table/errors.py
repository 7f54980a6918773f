"""What can be wrong with a table that is read back."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ..formats.errors import shown


class TableError(ValueError):
    """A file that is not a table of faces, or a damaged one; the message names the file and the place, and
    never holds control characters."""

    def __init__(self, message: str) -> None:
        super().__init__(shown(message))


@contextlib.contextmanager
def reading(name: str) -> Iterator[None]:
    """Whatever is wrong with the data that this block reads is a TableError that begins with `name`.

    A missing package and an error of the system while reading stay as they are.
    """
    try:
        yield
    except (OSError, ImportError):
        raise
    except TableError as error:
        raise TableError(f"{name}: {error}") from error.__cause__
    except RecursionError as error:
        raise TableError(f"{name}: not a table of faces (brackets too deep)") from error
    except MemoryError as error:
        raise TableError(f"{name}: it asks for more memory than there is") from error
    except Exception as error:
        raise TableError(f"{name}: damaged, or not a table of faces ({error})") from error
