"""Tensors of the candidate: a trace, plain arrays in an .npz file, or a folder of .npy files.

The arrays have the names of tensors in a trace, or a JSON file maps the port's names to these names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...._util.user_files import describe_read_error, read_text
from ....trace.errors import TraceError
from ....trace.file.npz import NpzReader, read_npy
from ....trace.names import is_pattern, suggest_names
from ....trace.trace import MANIFEST, Trace
from .faults import Array

PREFIX = re.compile(r"pnet(/level\d{2,4})?|[ro]net(/crop\d{3,5})?|final")  # beginning of a tensor's name
NETWORK_ARRAY = re.compile(r"[./](weight|bias|kernel|weights|slopes|window)$")
MAX_NAME_MAP_BYTES = 1 << 24
INTEGER_TENSORS = ("keep", "nms_keep")


def read_candidate(path: str | Path, names: str | Path | None = None) -> Trace:
    """Read the tensors of a port.

    Args:
        path: A trace, an .npz file, or a folder of .npy files.
        names: JSON file with an object that maps the port's names to names of tensors in a trace. A * in a
            tensor's name (`rnet/crop*/conv1`) stands for the index along the array's first axis.

    Raises:
        TraceError: If a file cannot be read or used.
    """
    path = Path(path)
    if path.is_dir():
        arrays: Mapping[str, Array] = read_npy_folder(path)
    else:
        with NpzReader(path) as reader:
            is_trace = MANIFEST in reader.names
            arrays = {} if is_trace else {name: reader.read(name) for name in reader.names}
        if is_trace and names is None:
            return Trace.load(path)
        if is_trace:
            with Trace.load(path) as trace:
                arrays = dict(trace)
    name_map = None if names is None else read_name_map(Path(names))
    return Trace.from_arrays(rename_arrays(arrays, name_map, str(path)), source=str(path))


def contains_tensors(path: str | Path) -> bool:
    """Return whether a file or folder contains the tensors of a detection instead of a network.

    The result is True for a trace, and for arrays whose names are not those of a network's arrays. It is
    False for an unreadable file.
    """
    path = Path(path)
    try:
        if path.is_dir():
            files = list(path.rglob("*.npy"))
            return bool(files) and all(read_npy(file).dtype.kind in "fiub" for file in files)
        names = NpzReader(path).names if path.suffix.lower() == ".npz" else []
    except (TraceError, OSError):
        return False
    return MANIFEST in names or (bool(names) and not any(NETWORK_ARRAY.search(name) for name in names))


def read_npy_folder(path: Path) -> dict[str, Array]:
    """Return a map from tensor names to the arrays of all .npy files in a folder and its subfolders.

    The files rnet/crop000/conv1.npy and rnet__crop000__conv1.npy both have the name rnet/crop000/conv1.
    """
    found: dict[str, Array] = {}
    for file in sorted(path.rglob("*.npy")):
        name = file.relative_to(path).with_suffix("").as_posix().replace("__", "/")
        if name in found:
            raise TraceError(f"{path}: two files have the name {name}")
        found[name] = read_npy(file)
    if not found:
        raise TraceError(
            f"{path}: expected .npy files with names of tensors (rnet/crop000/conv1.npy), found none"
        )
    return found


def read_name_map(path: Path) -> dict[str, str]:
    """Read a file that maps the port's names to names in a trace.

    Raises TraceError if the file cannot be read, or is not a JSON object whose values are names.
    """
    try:
        text = read_text(path, limit=MAX_NAME_MAP_BYTES, pipes=True)
    except OSError as error:
        raise TraceError(f"{path}: cannot read the names ({describe_read_error(path, error)})") from error
    except ValueError as error:
        raise TraceError(str(error)) from error
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TraceError(f"{path} is not JSON: {error}") from error
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found.values()):
        raise TraceError(f'{path}: expected a JSON object {{"name of an array": "rnet/crop*/conv1", …}}')
    return found


def rename_arrays(
    arrays: Mapping[str, Array], name_map: Mapping[str, str] | None, source: str
) -> dict[str, Array]:
    """Return the arrays under the names that tensors have in a trace.

    Arrays that are not in `name_map` are left out. If `name_map` is None, the names stay unchanged.
    """
    if name_map is None:
        return dict(arrays)
    missing = [name for name in name_map if name not in arrays]
    if missing:
        raise TraceError(
            f"{source} has no array {missing[0]!r}, which the file of names lists"
            f"{suggest_names(missing[0], arrays)}"
        )
    result: dict[str, Array] = {}
    for name, pattern in name_map.items():
        for tensor, array in split_batch(pattern, np.asarray(arrays[name])):
            if tensor in result:
                raise TraceError(f"two arrays of {source} have the name {tensor}")
            result[tensor] = array
    return result


def split_batch(name: str, array: Array) -> list[tuple[str, Array]]:
    """Split a batch into one tensor per level or crop if the name has a *. Otherwise return the array."""
    if not is_pattern(name):
        return [(name, array)]
    if name.count("*") != 1 or array.ndim == 0:
        raise TraceError(f"{name}: expected one *, which stands for the index along the first axis")
    width = 2 if "level*" in name else 3
    return [(name.replace("*", f"{number:0{width}d}"), one) for number, one in enumerate(array)]


def convert_tensors(candidate: Trace, reference: Trace) -> tuple[dict[str, Array], list[str]]:
    """Return the candidate's tensors in the form of a trace, and notes on the changes.

    The tensors get the dtypes of a trace, and batch axes are removed.

    Raises TraceError if no array has the name of a tensor.
    """
    tensors = {name.rpartition("/")[2] for name in reference}
    result: dict[str, Array] = {}
    unknown, converted, squeezed = [], 0, 0
    for name in candidate:
        prefix, _, tensor = name.rpartition("/")
        if tensor not in tensors or not PREFIX.fullmatch(prefix):
            unknown.append(name)
            continue
        array: Any = candidate[name]
        dtype = np.int32 if tensor in INTEGER_TENSORS else np.float32
        if array.dtype != dtype:
            converted += 1
            with np.errstate(all="ignore"):
                array = array.astype(dtype)
        if name in reference and array.ndim == reference[name].ndim + 1 and len(array) == 1:
            array, squeezed = array[0], squeezed + 1
        result[name] = np.ascontiguousarray(array)
    if not result:
        example = unknown[0] if unknown else "nothing"
        raise TraceError(
            f"{candidate.source}: expected tensors of a detection, found {example}"
            f"{suggest_names(example, reference)}"
        )
    notes = []
    if unknown:
        notes.append(
            f"{len(unknown)} arrays have names that are not names of tensors, such as {unknown[0]}; these "
            "arrays were left out"
        )
    if converted:
        notes.append(f"{converted} arrays were converted to float32 or int32")
    if squeezed:
        notes.append(f"{squeezed} arrays had a batch axis of 1, which was removed")
    return result, notes
