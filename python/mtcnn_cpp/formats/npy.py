"""facenet's tables, `det1.npy` … `det3.npy`: a pickled dictionary in a NumPy file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..user_files import read_file
from . import flat
from .errors import PortError, reading
from .found import FoundActivation, FoundNetwork
from .npy_header import OBJECTS, read_header
from .pickles import unpickle
from .tables import Row, as_float, found_from_table, weighted_row


def read_npy(path: Path) -> list[FoundNetwork]:
    """The one network of a table. Raises FileNotFoundError, PortError."""
    held = read_object(path)
    if not isinstance(held, dict) or not all(isinstance(item, dict) for item in held.values()):
        raise PortError(f"{path}: expected a table of layers, found {type(held).__name__}")
    return [from_table(held, str(path))]


def read_object(path: Path) -> Any:
    """The one object that a `.npy` file of dtype object holds. Raises FileNotFoundError, PortError."""
    data = read_file(path)
    with reading(path):
        try:
            header = read_header(data)
        except PortError as error:
            raise PortError(f"expected a NumPy file (.npy), found something else ({error})") from error
        if header.word not in OBJECTS:
            found = f"an array of {header.word}, shape {header.shape}"
            raise PortError(f"expected a table of layers, found {found}")
        return unpickle(data[header.size :], str(path))


def from_table(table: Mapping[str, Mapping[str, npt.NDArray[Any]]], source: str) -> FoundNetwork:
    """The network of a table: layer name → {weights, biases} or {alpha}. PortError for other fields.

    Caffe's model, which these come from, was made for pictures on their side: kernels lie as (x, y, in, out),
    a dense layer's input as (x, y, channel).
    """
    rows: list[Row] = []
    for name, fields in table.items():
        if set(fields) not in ({"weights", "biases"}, {"weights"}, {"alpha"}):
            there = ", ".join(fields) or "none"
            raise PortError(f"{source}: {name}: expected weights and biases, or alpha; found {there}")
        if not all(isinstance(array, np.ndarray) for array in fields.values()):
            raise PortError(f"{source}: {name}: expected arrays, found something else")
        if "alpha" in fields:
            rows.append(FoundActivation(name, "PRelu", as_float(fields["alpha"]).ravel()))
            continue
        weights = as_float(fields["weights"])
        bias = as_float(fields["biases"]).ravel() if "biases" in fields else None
        rows.append(weighted_row(source, name, weights, bias, (3, 2, 1, 0), flat.FACENET))
    return found_from_table(rows, source, "read as facenet's table, kernels (x, y, in, out)")
