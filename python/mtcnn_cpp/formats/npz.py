"""`.npz` files: the arrays of a Model, or a state_dict as arrays."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..files import writing
from ..reference.plan import STAGES
from ..user_files import read_file
from . import flat
from .errors import PortError, reading, words
from .found import FoundActivation, FoundConv, FoundDense, FoundLayer, FoundNetwork, FoundPool
from .limits import Budget
from .npy_header import read_header
from .numbers import from_bytes, number_type
from .state_dict import from_state_dicts
from .tables import as_float

PIECE = 1 << 20  # bytes unpacked at a time


def read_npz(path: Path) -> list[FoundNetwork]:
    """The networks of an `.npz`. Raises as `read_arrays`, and PortError for arrays of other names or
    shapes."""
    arrays = read_arrays(path)
    if arrays and all(name.endswith((".weight", ".bias")) for name in arrays):
        return from_state_dicts(arrays, str(path))
    return from_arrays(arrays, str(path))


def read_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """An `.npz` of plain arrays. Raises FileNotFoundError, PortError (pickles are refused)."""
    file = io.BytesIO(read_file(path))
    with reading(path):
        try:
            with zipfile.ZipFile(file) as archive:
                entries = archive.infolist()
                check_sizes(entries)
                return {entry.filename.removesuffix(".npy"): read_entry(archive, entry) for entry in entries}
        except Exception as error:  # a damaged archive can fail in any way
            raise PortError(f"expected an .npz of plain arrays ({words(error)})") from error


def check_sizes(entries: Sequence[zipfile.ZipInfo]) -> None:
    """PortError where an archive states more bytes than a network's file may have, two entries of one name,
    or a way to pack them that NumPy does not have."""
    budget = Budget()
    for entry in entries:
        budget.spend(entry.file_size, f"{entry.filename} of {entry.file_size}")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise PortError(f"{entry.filename}: packed in another way than NumPy does")
    if len({entry.filename for entry in entries}) != len(entries):
        raise PortError("two entries have one name")


def read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> npt.NDArray[Any]:
    """One array. Memory grows with what is really there, up to the size that is stated."""
    data = bytearray()
    with archive.open(entry) as stream:
        while piece := stream.read(PIECE):
            data += piece
            if len(data) > entry.file_size:
                raise PortError(f"{entry.filename}: more bytes than the archive states")
    try:
        header = read_header(data)
        dtype = number_type(header.word, others=True)
        return from_bytes(memoryview(data)[header.size :], dtype, header.shape, fortran=header.fortran)
    except PortError as error:
        raise PortError(f"{entry.filename}: {error}") from error


def write_npz(arrays: Mapping[str, npt.NDArray[Any]], path: str | Path) -> None:
    """Arrays by name into an `.npz`."""
    with writing(path) as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def from_arrays(arrays: Mapping[str, npt.NDArray[Any]], source: str) -> list[FoundNetwork]:
    """The networks of `Model.arrays()`, changed by somebody or not: `pnet/conv1/kernel`, …; a bias may be
    missing. PortError for other names and shapes."""
    named: dict[str, dict[str, dict[str, npt.NDArray[Any]]]] = {}
    for key, array in arrays.items():
        stage, layer, field = parts if len(parts := key.split("/")) == 3 else ("", "", "")
        if stage not in STAGES or not field:
            raise PortError(
                f"{source}: {key}: expected a name like pnet/conv1/kernel (pnet, rnet or onet first)"
            )
        named.setdefault(stage, {}).setdefault(layer, {})[field] = array
    if not named:
        raise PortError(f"{source}: expected arrays named pnet/conv1/kernel, …, found none")
    result = []
    for stage, layers in named.items():
        rows = tuple(from_fields(name, fields, source) for name, fields in layers.items())
        result.append(FoundNetwork(f"{source}: {stage}", rows, complete=True))
    return result


def from_fields(name: str, fields: Mapping[str, npt.NDArray[Any]], source: str) -> FoundLayer:
    """One layer of its arrays, in the shapes that `Model.arrays` states."""
    if not any(set(fields) - {"bias"} == {name} for name in ("kernel", "weights")) and len(fields) != 1:
        raise PortError(
            f"{source}: {name}: expected kernel and bias, weights and bias, slopes or window, "
            f"found {', '.join(fields)}"
        )
    bias = as_float(fields["bias"]).ravel() if "bias" in fields else None
    if "kernel" in fields and fields["kernel"].ndim == 4:
        return FoundConv(name, as_float(fields["kernel"]), bias)
    if "weights" in fields and fields["weights"].ndim == 2:
        return FoundDense(name, as_float(fields["weights"]), bias, flat.OPENFACE)
    if "slopes" in fields:
        return FoundActivation(name, "PRelu", as_float(fields["slopes"]).ravel())
    if "window" in fields and fields["window"].shape == (4,):
        kernel_x, kernel_y, stride_x, stride_y = fields["window"].tolist()
        return FoundPool(name, (kernel_y, kernel_x), (stride_y, stride_x), mode="unknown")
    there = ", ".join(f"{field} {array.shape}" for field, array in fields.items())
    raise PortError(f"{source}: {name}: expected kernel, weights, slopes or window, found {there}")
