"""A case: a picture, options, and what is expected of them. Built in, and as a folder for any language."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..backends.engine import Engine
from ..detector import Detector
from ..files import write_whole
from ..formats.errors import shown
from ..image import Pixels, to_pixels
from ..model import Model
from ..reference.options import Options
from ..trace.errors import TraceError
from ..trace.file.trace import Trace
from ..trace.judge.faces import faces_of
from ..trace.record.capture import record
from . import files, pictures

FORMAT = "mtcnn_cpp conformance"
VERSION = 2  # of the cases and their expected results; results state the version that they belong to
EXPECTED = Path(__file__).parent / "expected"


class ConformanceError(ValueError):
    """A folder of cases or results that cannot be used; the message says what to do."""


@dataclass(frozen=True, eq=False)
class Case:
    """`expected` is a complete trace: the picture, the options, every tensor, and the faces."""

    name: str
    expected: Trace

    @property
    def options(self) -> Options:
        return self.expected.options

    @property
    def pixels(self) -> Pixels:
        return to_pixels(self.expected.picture)


def built_in_cases() -> Iterator[Case]:
    """All cases, computed by the core and held against the hashes that are on record. ConformanceError where
    one differs."""
    for name in pictures.CASES:
        engine = engine_for(pictures.CASES[name][1])
        made = record(engine, to_pixels(pictures.picture_of(name)), limit=None)
        where = first_difference(name, made)
        if where:
            raise ConformanceError(
                f"case {name}: this build does not give what is on record, first at {where}; "
                "install mtcnn_cpp again, or report it"
            )
        yield Case(name, made)


def first_difference(name: str, found: Trace) -> str:
    """Where a case is not the one that the package has on record: picture, options, networks, a tensor's
    name, shape, dtype or SHA-256. Empty if it is the same."""
    with Trace.load(EXPECTED / f"{name}.npz") as recorded:
        first, second = recorded.manifest, found.manifest
    pairs = {what: (getattr(first, what), getattr(second, what)) for what in ("picture", "options")}
    pairs |= {a.name: (a, b) for a, b in zip(first.tensors, second.tensors, strict=False)}
    pairs |= {"number of tensors": (len(first.tensors), len(second.tensors))}
    pairs |= {what: (getattr(first, what), getattr(second, what)) for what in ("model", "only")}
    return next((what for what, (a, b) in pairs.items() if a != b), "")


def engine_for(options: Options) -> Engine:
    """The core with OpenFace's networks."""
    return dataclasses.replace(Detector().engine, options=options)


def write_cases(folder: str | Path) -> list[str]:
    """Write all built-in cases into a folder, made if need be, and return their names. ConformanceError where
    the folder holds something else."""
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise ConformanceError(f"{folder}: expected a folder to write cases into, found a file")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / files.INDEX).is_file():
        raise ConformanceError(
            f"{folder}: expected an empty folder or one with cases, found other files; give another name"
        )
    names = []
    rows = []
    for case in built_in_cases():
        place = folder / case.name
        place.mkdir(parents=True, exist_ok=True)
        write_whole(place / files.PICTURE, files.to_ppm(case.expected.picture))
        write_whole(place / files.CASE, files.to_json(describe(case)))
        case.expected.save(place / files.EXPECTED)
        names.append(case.name)
        rows.append(files.table_row(case.name, case.expected.picture.shape, case.options))
    write_whole(folder / files.TABLE, files.table(rows))
    index = {"format": FORMAT, "version": VERSION, "model": Model.default().hashes(), "cases": names}
    write_whole(folder / files.INDEX, files.to_json(index))  # last: a folder without it is incomplete
    return names


def describe(case: Case) -> dict[str, Any]:
    """A case as plain values, but for its picture and the values of its layers."""
    faces = faces_of(case.expected)
    assert faces is not None
    height, width, _ = case.expected.picture.shape
    return {
        "version": VERSION,
        "name": case.name,
        "picture": files.PICTURE,
        "width": width,
        "height": height,
        **case.expected.manifest.options,
        "boxes": _decimals(faces.boxes),
        "scores": _decimals(faces.scores),
        "landmarks": _decimals(faces.landmarks),
        "layers": {
            name: {"shape": list(entry.shape), "dtype": entry.dtype, "sha256": entry.sha256}
            for name in case.expected
            for entry in [case.expected.entry(name)]
        },
    }


def load_cases(folder: str | Path) -> Iterator[Case]:
    """The cases in a folder that `write_cases` made. ConformanceError or TraceError says what is wrong."""
    folder = Path(folder)
    index = files.read_json(folder / files.INDEX)
    if not isinstance(index, Mapping) or index.get("format") != FORMAT:
        raise ConformanceError(
            f"{folder / files.INDEX}: expected format {FORMAT!r}; is it a folder of cases?"
        )
    if index.get("version") != VERSION:
        raise ConformanceError(
            f"{folder / files.INDEX}: version {shown(str(index.get('version')), 20)}, this package knows "
            f"{VERSION}; write the cases again (--write), or update mtcnn_cpp"
        )
    names = index.get("cases")
    if not isinstance(names, list) or not names or not all(map(files.is_name, names)):
        raise ConformanceError(f"{folder / files.INDEX}: expected a list of names of cases; write them again")
    for title, wrong in (
        ("cases that stand there more than once", [name for name, n in Counter(names).items() if n > 1]),
        ("cases that this package does not have", [name for name in names if name not in pictures.CASES]),
    ):
        if wrong:
            listed = shown(", ".join(wrong), 300)
            raise ConformanceError(
                f"{folder / files.INDEX}: {title}: {listed}; write the cases again (--write)"
            )
    if index.get("model") != Model.default().hashes():
        raise ConformanceError(f"{folder / files.INDEX}: other networks; write the cases again (--write)")
    for name in names:
        yield _load(folder, name)


def _load(folder: Path, name: str) -> Case:
    case = Case(name, Trace.load(folder / name / files.EXPECTED))
    try:
        _verify(folder, case)
    except BaseException:
        case.expected.close()
        raise
    return case


def _verify(folder: Path, case: Case) -> None:
    """Raise ConformanceError, which names the file, where a case is not the one that the package has on
    record."""
    source, place = case.expected.source, folder / case.name
    if case.expected.manifest.capture != "full":
        raise TraceError(f"{source}: expected a complete trace with values; write the cases again (--write)")
    where = first_difference(case.name, case.expected)
    if where:
        raise ConformanceError(
            f"{source}: not the case that this package has on record, first at {where}; write the cases "
            "again (--write)"
        )
    row = files.table_row(case.name, case.expected.picture.shape, case.options)
    same = {
        place / files.PICTURE: files.holds(place / files.PICTURE, files.to_ppm(case.expected.picture)),
        place / files.CASE: files.read_json(place / files.CASE) == json.loads(files.to_json(describe(case))),
        folder / files.TABLE: files.rows_of(case.name, folder / files.TABLE) == [row],
    }
    for path, unchanged in same.items():
        if not unchanged:
            raise ConformanceError(
                f"{path}: it was changed, and is not what this package wrote for case {case.name}; write the "
                "cases again (--write)"
            )


def _decimals(values: np.ndarray[Any, Any]) -> Any:
    """Nested lists of the shortest decimals that read back as the same float32."""
    if values.ndim:
        return [_decimals(part) for part in values]
    return json.loads(str(values[()]))
