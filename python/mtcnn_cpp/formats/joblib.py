"""The lists of the `mtcnn` package: `.lz4` and `.joblib` files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..user_files import read_file
from . import flat
from .errors import PortError, need, reading, words
from .found import FoundActivation, FoundNetwork
from .limits import Budget
from .pickles import unpickle
from .tables import Row, as_float, found_from_table, weighted_row

LZ4 = b"\x04\x22\x4d\x18"  # how such a file begins
PIECE = 1 << 20  # bytes unpacked at a time


def read_joblib(path: Path) -> list[FoundNetwork]:
    """The one network of a list. Raises FileNotFoundError, PortError, MissingExtra without the package
    lz4."""
    data = read_file(path)
    if data.startswith(LZ4):
        data = unpack(data, path)
    held = unpickle(data, str(path))
    if not isinstance(held, list) or not all(isinstance(item, np.ndarray) for item in held):
        raise PortError(f"{path}: expected a list of arrays, found {type(held).__name__}")
    return [from_list(held, str(path))]


def unpack(data: bytes, path: Path) -> bytes:
    """What LZ4 data hold, piece by piece, so that a small file cannot take all memory. PortError where they
    are damaged, end early or hold more than a network's file may."""
    lz4 = need("lz4.frame", "lz4", "reading an LZ4 file")
    budget, result = Budget(), bytearray()
    with reading(path):
        stream = lz4.LZ4FrameDecompressor()
        while not stream.eof:
            try:
                piece = stream.decompress(data, max_length=PIECE)
            except Exception as error:
                raise PortError(f"damaged LZ4 data ({words(error)})") from error
            if not piece and stream.needs_input and not stream.eof:
                raise PortError("damaged LZ4 data (it ends too early)")
            budget.spend(len(piece), f"more behind its {len(result)}")
            result += piece
            data = b""  # the stream keeps what it has not unpacked yet
        return bytes(result)


def from_list(arrays: Sequence[npt.NDArray[Any]], source: str) -> FoundNetwork:
    """The network of a list: kernel (y, x, in, out), bias, slopes, …; dense weights (in, out), the input
    laid flat (x, y, channel); at the end the heads box, [landmarks,] class. PortError for other ranks."""
    rows: list[Row] = []
    values = [as_float(array) for array in arrays]
    index = 0
    while index < len(values):
        weights = values[index]
        bias = values[index + 1].ravel() if index + 1 < len(values) else None
        rows.append(weighted_row(source, f"array {index}", weights, bias, (3, 2, 0, 1), flat.FACENET))
        index += 2
        if index < len(values) and values[index].size == weights.shape[-1]:
            rows.append(FoundActivation(f"array {index}", "PRelu", values[index].ravel()))
            index += 1
    return found_from_table(rows, source, "read as the `mtcnn` package's list")
