"""What an implementation made of a case: read from a folder, or computed by an engine."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..backends.engine import Engine
from ..formats.errors import shown
from ..trace.file.npz import NpzReader
from ..trace.file.trace import MANIFEST, PICTURE
from ..trace.record.capture import record
from ..types import FloatArray
from . import files
from .cases import Case

FACES_AT_MOST = 100_000


@dataclass(frozen=True, eq=False)
class Result:
    """boxes (N, 4), scores (N,), and landmarks (N, 5, 2) where they were given, float32. layers: arrays by
    the tensor's name; hashes: SHA-256 by the tensor's name. version: of the cases that the program was run
    on, as the result states it, None if it does not."""

    boxes: FloatArray
    scores: FloatArray
    landmarks: FloatArray | None = None
    layers: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    hashes: Mapping[str, str] = field(default_factory=dict)
    version: int | None = None

    def has(self, tensor: str) -> bool:
        """Whether its values or its SHA-256 were given."""
        return tensor in self.layers or tensor in self.hashes

    def close(self) -> None:
        """Close the file of the layers."""
        if isinstance(self.layers, Layers):
            self.layers.close()


# Gives the result of a case, or the error in words.
Results: TypeAlias = Callable[[Case], Result | str]


def results_of(engine: Engine) -> Results:
    """Runs an engine, with each case's options."""

    def run(case: Case) -> Result | str:
        try:
            made = record(dataclasses.replace(engine, options=case.options), case.pixels, limit=None)
        except (ValueError, RuntimeError, MemoryError) as error:
            return f"{type(error).__name__}: {error}"
        boxes, scores, landmarks = (made[f"final/{name}"] for name in ("boxes", "scores", "landmarks"))
        return Result(boxes, scores, landmarks, made)

    return run


def results_in(folder: str | Path) -> FolderResults:
    """Reads `NAME.json`, and `NAME.npz` where there is one. A file that cannot be read becomes the case's
    error. FileNotFoundError where there is no such folder."""
    return FolderResults(Path(folder))


class FolderResults:
    """The results in a folder, read when they are asked for."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder}: expected a folder with results (NAME.json), found none")
        self.folder = folder

    def __call__(self, case: Case) -> Result | str:
        try:
            return _read(self.folder, case.name)
        except (OSError, ValueError) as error:
            return shown(error, 500)

    def others(self, names: Iterable[str]) -> list[str]:
        """The files of results that belong to none of these cases."""
        known = set(names)
        files = (path for path in self.folder.iterdir() if path.suffix in (".json", ".npz"))
        return sorted(path.name for path in files if path.stem not in known)


def _read(folder: Path, name: str) -> Result:
    path, archive = folder / f"{name}.json", folder / f"{name}.npz"
    found = files.read_json(path)
    if not isinstance(found, dict):
        raise ValueError(f"{path}: expected an object with boxes and scores, found {type(found).__name__}")
    if found.get("error"):
        raise ValueError(f"the program says: {shown(str(found['error']), 300)}")
    scores = _numbers(path, found, "scores", ())
    boxes = _numbers(path, found, "boxes", (4,))
    landmarks = _numbers(path, found, "landmarks", (5, 2)) if "landmarks" in found else None
    for title, array in (("boxes", boxes), ("landmarks", landmarks)):
        if array is not None and len(array) != len(scores):
            raise ValueError(
                f"{path}: expected as many {title} as scores ({len(scores)}), found {len(array)}"
            )
    hashes = found.get("layers", {})
    if not isinstance(hashes, dict) or not all(isinstance(value, str) for value in hashes.values()):
        raise ValueError(f"{path}: layers: expected an object of SHA-256 by name")
    version = found.get("version")
    if version is not None and type(version) is not int:
        raise ValueError(f"{path}: version: expected a whole number, found {type(version).__name__}")
    hashes = {name: value.lower() for name, value in hashes.items()}
    layers: Mapping[str, NDArray[Any]] = Layers(archive) if archive.exists() else {}
    return Result(boxes, scores, landmarks, layers, hashes, version)


def _numbers(path: Path, found: dict[str, Any], key: str, row: tuple[int, ...]) -> FloatArray:
    """`found[key]`, N rows of that shape, as float32. ValueError for anything else."""
    words = f"{path}: {key}: expected a list of {'x'.join(map(str, row)) or 'single'} numbers"
    value = found.get(key)
    if not isinstance(value, list):
        raise ValueError(f"{words}, found {'nothing' if value is None else type(value).__name__}")
    if len(value) > FACES_AT_MOST:
        raise ValueError(f"{words}, at most {FACES_AT_MOST}, found {len(value)}")
    if not value:
        return np.empty((0, *row), np.float32)
    try:
        array = np.array(value)
    except ValueError:
        array = np.array("?")
    if array.dtype.kind not in "iuf" or array.shape != (len(value), *row):
        raise ValueError(f"{words}, found others")
    with np.errstate(over="ignore"):
        numbers: FloatArray = array.astype(np.float32)
    if not np.isfinite(numbers).all():
        raise ValueError(f"{words}, all finite, found NaN or infinity")
    return numbers


class Layers(Mapping[str, NDArray[Any]]):
    """The arrays of an NPZ file, by a tensor's name, each read when it is asked for."""

    def __init__(self, path: Path) -> None:
        self._reader = NpzReader(path)
        self._names = dict.fromkeys(name for name in self._reader.names if name not in (MANIFEST, PICTURE))
        self.close = self._reader.close

    def __getitem__(self, name: str) -> NDArray[Any]:
        """KeyError for a name that is not there, TraceError for an entry that cannot be read."""
        if name not in self._names:
            raise KeyError(name)
        return self._reader.read(name)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
