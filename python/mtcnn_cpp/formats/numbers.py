"""Arrays from bytes: the type from a checked word, the size compared before NumPy sees either."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import PortError

NUMBER = re.compile(r"[<>=|]?(?:f[248]|[iu][1248]|b1)")
OTHERS = re.compile(r"[<>=|]?(?:c8|c16|[SU][1-9][0-9]{0,3})")  # no weights, but there may be some beside them
MOST_AXES = 8


def number_type(word: object, *, others: bool = False) -> np.dtype[Any]:
    """The type that a word such as "<f4" names. PortError for any other; with `others` short texts and
    complex numbers are let through too."""
    if type(word) is str and (NUMBER.fullmatch(word) or (others and OTHERS.fullmatch(word))):
        return np.dtype(word)
    raise PortError(f"expected numbers of a type like '<f4', found {word!r}")


def byte_count(shape: object, dtype: np.dtype[Any]) -> int:
    """How many bytes an array has. PortError for a shape that is none."""
    if type(shape) is not tuple or len(shape) > MOST_AXES:
        raise PortError(f"expected a shape of at most {MOST_AXES} sizes, found {type(shape).__name__}")
    if not all(type(size) is int and 0 <= size < 1 << 40 for size in shape):
        raise PortError(f"expected a shape, found {shape!r}")
    return math.prod(shape) * dtype.itemsize


def from_bytes(
    data: bytes | bytearray | memoryview, dtype: np.dtype[Any], shape: object, *, fortran: bool
) -> npt.NDArray[Any]:
    """An array on these very bytes. PortError where they are not as many as it has."""
    expected = byte_count(shape, dtype)
    if len(data) != expected:
        raise PortError(f"expected {expected} bytes for shape {shape} of {dtype}, found {len(data)}")
    assert isinstance(shape, tuple)  # `byte_count` has looked
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")
