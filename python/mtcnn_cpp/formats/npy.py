"""facenet's tables, `det1.npy` … `det3.npy`: a pickled dictionary in a NumPy file."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..model import read_file
from . import flat
from .errors import PortError
from .found import FoundActivation, FoundNetwork
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
    file = io.BytesIO(read_file(path))
    headers = np.lib.format
    try:
        old = headers.read_magic(file) == (1, 0)
        read_header = headers.read_array_header_1_0 if old else headers.read_array_header_2_0
        shape, _, dtype = read_header(file)
    except ValueError as error:
        raise PortError(f"{path}: expected a NumPy file (.npy), found something else ({error})") from error
    if not dtype.hasobject:
        raise PortError(f"{path}: expected a table of layers, found an array of {dtype}, shape {shape}")
    # NumPy's arrays that Python 2 has pickled need latin1.
    held = unpickle(file.read(), str(path), encoding="latin1")
    return held.item() if isinstance(held, np.ndarray) and held.shape == () else held


def from_table(table: Mapping[str, Mapping[str, npt.NDArray[Any]]], source: str) -> FoundNetwork:
    """The network of a table: layer name → {weights, biases} or {alpha}. PortError for other fields.

    Caffe's model, which these come from, was made for pictures on their side: kernels lie as (x, y, in, out),
    a dense layer's input as (x, y, channel).
    """
    rows: list[Row] = []
    for name, fields in table.items():
        if not fields or set(fields) - {"weights", "biases", "alpha"}:
            there = ", ".join(fields) or "none"
            raise PortError(f"{source}: {name}: expected weights and biases, or alpha; found {there}")
        if "alpha" in fields:
            rows.append(FoundActivation(name, "PRelu", as_float(fields["alpha"]).ravel()))
            continue
        weights = as_float(fields["weights"])
        bias = as_float(fields["biases"]).ravel() if "biases" in fields else None
        rows.append(weighted_row(source, name, weights, bias, (3, 2, 1, 0), flat.FACENET))
    return found_from_table(rows, source, "read as facenet's table, kernels (x, y, in, out)")
