"""What they have: a trace, plain arrays in an NPZ file, or a folder of .npy files; under our names, or under
names that a small file maps to ours."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...trace.errors import TraceError
from ...trace.file.npy import read_npy
from ...trace.file.npz import NpzReader
from ...trace.file.trace import MANIFEST, Trace
from ...trace.names import hint, is_pattern
from ...user_files import read_text, why_unreadable
from .fault import Array

PLACE = re.compile(r"pnet(/level\d{2,4})?|[ro]net(/crop\d{3,5})?|final")  # where a tensor may stand
NUMBERS = re.compile(r"[./](weight|bias|kernel|weights|slopes|window)$")  # names of a network's arrays
LARGEST_NAMES = 1 << 24  # bytes of a file of names
WHOLE_NUMBERS = ("keep", "nms_keep")


def read_theirs(path: str | Path, names: str | Path | None = None) -> Trace:
    """Their trace. `names`: a JSON file, an object of their names to ours; a * in one of ours
    (rnet/crop*/conv1) stands for the number along the array's first axis. Raises TraceError for what cannot
    be used."""
    path = Path(path)
    if path.is_dir():
        arrays: Mapping[str, Array] = read_folder(path)
    else:
        with NpzReader(path) as reader:
            is_trace = MANIFEST in reader.names
            arrays = {} if is_trace else {name: reader.read(name) for name in reader.names}
        if is_trace and names is None:
            return Trace.load(path)
        if is_trace:
            with Trace.load(path) as trace:
                arrays = dict(trace)
    mapping = None if names is None else read_names(Path(names))
    return Trace.from_arrays(named(arrays, mapping, str(path)), source=str(path))


def holds_tensors(path: str | Path) -> bool:
    """Whether a file or folder holds what a detection computed, and no network: a trace, or arrays of which
    none is named as a network's numbers are. False for what cannot be read."""
    path = Path(path)
    try:
        if path.is_dir():
            files = list(path.rglob("*.npy"))
            return bool(files) and all(read_npy(file).dtype.kind in "fiub" for file in files)
        names = NpzReader(path).names if path.suffix.lower() == ".npz" else []
    except (TraceError, OSError):
        return False
    return MANIFEST in names or (bool(names) and not any(NUMBERS.search(name) for name in names))


def read_folder(path: Path) -> dict[str, Array]:
    """All .npy files below a folder; rnet/crop000/conv1.npy, or rnet__crop000__conv1.npy, is
    rnet/crop000/conv1."""
    found: dict[str, Array] = {}
    for file in sorted(path.rglob("*.npy")):
        name = file.relative_to(path).with_suffix("").as_posix().replace("__", "/")
        if name in found:
            raise TraceError(f"{path}: two files are named {name}")
        found[name] = read_npy(file)
    if not found:
        raise TraceError(
            f"{path}: expected .npy files, named as tensors (rnet/crop000/conv1.npy), found none"
        )
    return found


def read_names(path: Path) -> dict[str, str]:
    """Their names to ours. TraceError for a file that is something else."""
    try:
        text = read_text(path, limit=LARGEST_NAMES, pipes=True)
    except OSError as error:
        raise TraceError(f"{path}: cannot read the names ({why_unreadable(path, error)})") from error
    except ValueError as error:
        raise TraceError(str(error)) from error
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TraceError(f"{path} is not JSON: {error}") from error
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found.values()):
        raise TraceError(f'{path}: expected an object of names, {{"their name": "rnet/crop*/conv1", …}}')
    return found


def named(arrays: Mapping[str, Array], mapping: Mapping[str, str] | None, source: str) -> dict[str, Array]:
    """Their arrays under our names; those that the mapping does not have are left out."""
    if mapping is None:
        return dict(arrays)
    lacking = [name for name in mapping if name not in arrays]
    if lacking:
        raise TraceError(
            f"{source} has no array {lacking[0]!r}, which is in the file of names{hint(lacking[0], arrays)}"
        )
    result: dict[str, Array] = {}
    for name, ours in mapping.items():
        for our_name, array in spread(ours, np.asarray(arrays[name])):
            if our_name in result:
                raise TraceError(f"two arrays of {source} are named {our_name}")
            result[our_name] = array
    return result


def spread(name: str, array: Array) -> list[tuple[str, Array]]:
    """A batch as one tensor for each level or crop, where the name has a *."""
    if not is_pattern(name):
        return [(name, array)]
    if name.count("*") != 1 or array.ndim == 0:
        raise TraceError(f"{name}: expected one *, which stands for the number along the first axis")
    width = 2 if "level*" in name else 3
    return [(name.replace("*", f"{number:0{width}d}"), one) for number, one in enumerate(array)]


def as_ours(theirs: Trace, gold: Trace) -> tuple[dict[str, Array], list[str]]:
    """Their arrays in our dtypes, without a batch axis of 1; and notes on what was done or left out.
    TraceError where no name is one of a detection's."""
    tensors = {name.rpartition("/")[2] for name in gold}
    result: dict[str, Array] = {}
    unknown, converted, squeezed = [], 0, 0
    for name in theirs:
        head, _, tail = name.rpartition("/")
        if tail not in tensors or not PLACE.fullmatch(head):
            unknown.append(name)
            continue
        array: Any = theirs[name]
        wanted = np.int32 if tail in WHOLE_NUMBERS else np.float32
        if array.dtype != wanted:
            converted += 1
            with np.errstate(all="ignore"):
                array = array.astype(wanted)
        if name in gold and array.ndim == gold[name].ndim + 1 and len(array) == 1:
            array, squeezed = array[0], squeezed + 1
        result[name] = np.ascontiguousarray(array)
    if not result:
        example = unknown[0] if unknown else "nothing"
        raise TraceError(f"{theirs.source} has no tensor of a detection, but {example}{hint(example, gold)}")
    notes = []
    if unknown:
        notes.append(
            f"{len(unknown)} arrays have names that no tensor has, such as {unknown[0]}; they were left out"
        )
    if converted:
        notes.append(f"{converted} arrays were brought to float32 or int32")
    if squeezed:
        notes.append(f"{squeezed} arrays had a batch axis of 1")
    return result, notes
