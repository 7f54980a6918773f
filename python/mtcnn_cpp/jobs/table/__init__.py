"""Tables of faces in CSV, JSON lines, JSON and Parquet. There is one row for each face."""

from .formats import TableFormat, read_rows
from .rows import TableError

__all__ = ["TableError", "TableFormat", "read_rows"]
