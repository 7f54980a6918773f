"""A table in one file, or in an object store as one object."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ..files import writing
from ..stores import is_address, open_folder
from ..table import Format, Writer, make_writer


@contextlib.contextmanager
def writing_table(name: str, format: Format) -> Iterator[Writer]:
    """A writer of the table that is `name` once the block has ended, whole or not at all.

    Raises FileNotFoundError if its folder does not exist, another OSError if it cannot be written,
    ImportError for Parquet without pyarrow.
    """
    if is_address(name):
        where, _, file_name = name.rpartition("/")
        opened = open_folder(where).writing(file_name)
    else:
        opened = writing(name)
    with opened as file:
        writer = make_writer(format, file)
        yield writer
        writer.close()
