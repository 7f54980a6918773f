"""Results of an implementation: read from a folder, or computed by an engine."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...backends.engine import Engine
from ...formats.errors import safe_text
from ...trace.capture import record
from ...trace.file.npz import NpzReader
from ...trace.trace import IMAGE, MANIFEST
from ...types import FloatArray
from . import files
from .cases import Case

MAX_FACES = 100_000


@dataclass(frozen=True, eq=False)
class Result:
    """The result of an implementation for one case.

    Attributes:
        boxes: (N, 4) float32 x, y, width, height in pixels.
        scores: (N,) float32.
        landmarks: (N, 5, 2) float32 pixels, or None if not given.
        layers: Arrays by tensor name.
        hashes: SHA-256 in hexadecimal by tensor name.
        version: Version of the cases that were the program's input; None if the result does not state it.
    """

    boxes: FloatArray
    scores: FloatArray
    landmarks: FloatArray | None = None
    layers: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    hashes: Mapping[str, str] = field(default_factory=dict)
    version: int | None = None

    def has(self, tensor: str) -> bool:
        """Return whether the values or the SHA-256 of a tensor were given."""
        return tensor in self.layers or tensor in self.hashes

    def close(self) -> None:
        """Close the file of the layers."""
        if isinstance(self.layers, LayerArchive):
            self.layers.close()


# A function that returns the result of a case, or an error message.
ResultSource: TypeAlias = Callable[[Case], Result | str]


def results_of(engine: Engine) -> ResultSource:
    """Return a function that runs the engine on a case with the options of this case."""

    def run(case: Case) -> Result | str:
        try:
            trace = record(dataclasses.replace(engine, options=case.options), case.pixels, limit=None)
        except (ValueError, RuntimeError, MemoryError) as error:
            return f"{type(error).__name__}: {error}"
        boxes, scores, landmarks = (trace[f"final/{name}"] for name in ("boxes", "scores", "landmarks"))
        return Result(boxes, scores, landmarks, trace)

    return run


def results_in(folder: str | os.PathLike[str]) -> FolderResults:
    """Return the results in a folder: `NAME.json` for each case, and `NAME.npz` with its layers if it exists.

    If a file is unreadable, the result of its case is an error message.

    Raises:
        FileNotFoundError: The folder does not exist.
    """
    return FolderResults(Path(folder))


class FolderResults:
    """The results in a folder. A file is read only when its case is graded."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder}: expected a folder with results (NAME.json), found none")
        self.folder = folder

    def __call__(self, case: Case) -> Result | str:
        """Return the result of a case, or an error message."""
        try:
            return _read_result(self.folder, case.name)
        except (OSError, ValueError) as error:
            return safe_text(error, 500)

    def find_unused(self, names: Iterable[str]) -> list[str]:
        """Return the names of result files that do not belong to any of these cases."""
        known = set(names)
        paths = (path for path in self.folder.iterdir() if path.suffix in (".json", ".npz"))
        return sorted(path.name for path in paths if path.stem not in known)


def _read_result(folder: Path, name: str) -> Result:
    path, archive = folder / f"{name}.json", folder / f"{name}.npz"
    found = files.read_json(path)
    if not isinstance(found, dict):
        raise ValueError(f"{path}: expected an object with boxes and scores, found {type(found).__name__}")
    if found.get("error"):
        raise ValueError(f"the program reported: {safe_text(str(found['error']), 300)}")
    scores = _read_numbers(path, found, "scores", ())
    boxes = _read_numbers(path, found, "boxes", (4,))
    landmarks = _read_numbers(path, found, "landmarks", (5, 2)) if "landmarks" in found else None
    for title, array in (("boxes", boxes), ("landmarks", landmarks)):
        if array is not None and len(array) != len(scores):
            raise ValueError(
                f"{path}: expected as many {title} as scores ({len(scores)}), found {len(array)}"
            )
    hashes = found.get("layers", {})
    if not isinstance(hashes, dict) or not all(isinstance(value, str) for value in hashes.values()):
        raise ValueError(f"{path}: layers: expected an object with a SHA-256 per tensor name")
    version = found.get("version")
    if version is not None and type(version) is not int:
        raise ValueError(f"{path}: version: expected an integer, found {type(version).__name__}")
    hashes = {name: value.lower() for name, value in hashes.items()}
    layers: Mapping[str, NDArray[Any]] = LayerArchive(archive) if archive.exists() else {}
    return Result(boxes, scores, landmarks, layers, hashes, version)


def _read_numbers(path: Path, found: dict[str, Any], key: str, row: tuple[int, ...]) -> FloatArray:
    """Return `found[key]` as N float32 rows of shape `row`. If that is impossible, raise ValueError."""
    expected = f"{path}: {key}: expected a list of {'x'.join(map(str, row)) or 'single'} numbers"
    value = found.get(key)
    if not isinstance(value, list):
        raise ValueError(f"{expected}, found {'nothing' if value is None else type(value).__name__}")
    if len(value) > MAX_FACES:
        raise ValueError(f"{expected}, at most {MAX_FACES}, found {len(value)}")
    if not value:
        return np.empty((0, *row), np.float32)
    try:
        array = np.array(value)
    except ValueError:
        array = np.array("?")
    if array.dtype.kind not in "iuf" or array.shape != (len(value), *row):
        raise ValueError(f"{expected}, found other values or another shape")
    with np.errstate(over="ignore"):
        numbers: FloatArray = array.astype(np.float32)
    if not np.isfinite(numbers).all():
        raise ValueError(f"{expected}, all finite, found NaN or infinity")
    return numbers


class LayerArchive(Mapping[str, NDArray[Any]]):
    """The arrays of an NPZ file by tensor name. An array is read when it is accessed.

    Access to an unknown name raises KeyError. Access to an unreadable entry raises TraceError.
    """

    def __init__(self, path: Path) -> None:
        self._reader = NpzReader(path)
        self._names = dict.fromkeys(name for name in self._reader.names if name not in (MANIFEST, IMAGE))
        self.close = self._reader.close

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self._names:
            raise KeyError(name)
        return self._reader.read(name)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
