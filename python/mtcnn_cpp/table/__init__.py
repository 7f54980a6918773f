"""Tables of faces: one row a face, written as it is found, and read back."""

from .columns import COLUMNS, KINDS
from .errors import TableError
from .formats import Format, Writer, make_writer, read_rows, read_states
from .result import Result, Row, rows
from .states import State
from .terminal import Terminal

__all__ = [
    "COLUMNS",
    "KINDS",
    "Format",
    "Result",
    "Row",
    "State",
    "TableError",
    "Terminal",
    "Writer",
    "make_writer",
    "read_rows",
    "read_states",
    "rows",
]
