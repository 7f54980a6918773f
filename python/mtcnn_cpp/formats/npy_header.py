"""The header of NumPy's files: type and shape of the array that follows. It is matched, never evaluated."""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

from .errors import PortError

MAGIC = b"\x93NUMPY"
LONGEST = 10_000  # bytes of a header, as in NumPy
OBJECTS = {"|O", "O", "|O4", "|O8"}  # types of arrays that hold a pickle
FIELD = re.compile(
    r"""\s*['"](?:(descr)['"]\s*:\s*['"]([<>=|]?[A-Za-z][0-9]{0,6})['"]"""
    r"""|(fortran_order)['"]\s*:\s*(True|False)|(shape)['"]\s*:\s*\(([0-9L, ]*)\))\s*(?:,|\Z)"""
)


class Header(NamedTuple):
    """`word`: the type as NumPy writes it, such as "<f4". `size`: bytes up to the first value."""

    word: str
    fortran: bool
    shape: tuple[int, ...]
    size: int


def read_header(data: bytes | bytearray) -> Header:
    """The header that a `.npy` begins with. PortError where there is none, or one of a structured type."""
    if not data.startswith(MAGIC) or len(data) < 12 or data[6] not in (1, 2, 3):
        raise PortError(f"expected the first bytes of a .npy, found {bytes(data[:8])!r}")
    form = "<H" if data[6] == 1 else "<I"
    begin = 8 + struct.calcsize(form)
    (length,) = struct.unpack(form, data[8:begin])
    if length > min(LONGEST, len(data) - begin):
        raise PortError(f"expected a header of at most {LONGEST} bytes, found {length}")
    text = bytes(data[begin : begin + length]).decode("latin1").strip()
    fields: dict[str, str] = {}
    body = text.removeprefix("{").removesuffix("}").rstrip()
    at = 0
    while at < len(body):
        match = FIELD.match(body, at)
        if match is None:
            raise PortError(f"expected a plain type and shape, found {text[:200]!r}")
        name, value = [group for group in match.groups() if group is not None]
        if name in fields:
            raise PortError(f"expected {name} once, found {text[:200]!r}")
        fields[name], at = value, match.end()
    if set(fields) != {"descr", "fortran_order", "shape"} or not (text[0] == "{" and text[-1] == "}"):
        raise PortError(f"expected type, order and shape, found {text[:200]!r}")
    sizes = [size.strip().rstrip("L") for size in fields["shape"].split(",")]  # Python 2 wrote 3L
    shape = tuple(whole(size) for size in sizes if size)
    return Header(fields["descr"], fields["fortran_order"] == "True", shape, begin + length)


def whole(text: str) -> int:
    if not text.isdecimal() or len(text) > 12:
        raise PortError(f"expected a size, found {text[:40]!r}")
    return int(text)
