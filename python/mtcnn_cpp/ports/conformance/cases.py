"""Conformance cases: each has an image, options and the expected result.

The cases are built into the package. `write_cases` writes them to a folder, which programs in any language
can read. All images are made by copying pixels of the package's sample image (by NASA, in the public domain),
without arithmetic.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._util.errors import MtcnnError
from ..._util.files import write_file
from ..._util.user_files import read_file
from ...backends.engine import Engine
from ...detector.detector import Detector
from ...formats.errors import safe_text
from ...media.image import sample_image
from ...media.image.pixels import Pixels, to_pixels
from ...model import Model
from ...reference.options import Options
from ...trace.capture import record
from ...trace.comparison.boxes import final_detections
from ...trace.errors import TraceError
from ...trace.trace import Trace
from . import files

FORMAT = "mtcnn_cpp conformance"
VERSION = 2  # version of the cases and of their expected results; a result may state its version
EXPECTED = Path(__file__).parent / "expected"
REWRITE = "write the cases again (--write)"


class ConformanceError(MtcnnError, ValueError):
    """A folder of cases or results is unusable; the message says what to do."""


@dataclass(frozen=True, eq=False)
class Case:
    """A conformance case.

    Attributes:
        name: Name of the case and of its folder.
        expected: A complete trace: the image, the options, all tensors and the faces.
    """

    name: str
    expected: Trace

    @property
    def options(self) -> Options:
        """Options of the detection."""
        return self.expected.options

    @property
    def pixels(self) -> Pixels:
        """The image, ready for a detection."""
        return to_pixels(self.expected.image)


_Image = NDArray[np.uint8]
_sample = functools.cache(sample_image)


def _portrait() -> _Image:
    return _sample()[52:212, 136:312]


def _mosaic() -> _Image:
    """Return an image with four faces of different sizes; one of them is mirrored."""
    portrait = _portrait()
    canvas = np.zeros((320, 352, 3), np.uint8)
    canvas[:160, :176] = portrait
    canvas[:160, 176:] = portrait[:, ::-1]
    canvas[160:240, :88] = portrait[::2, ::2]
    canvas[200:, 200:] = portrait[20:140, 12:164]
    return canvas


_LOOSE = Options(40, (0.5, 0.3, 0.1))
_STRICT = Options(40, (0.7, 0.8, 0.9))
CASES: Mapping[str, tuple[Callable[[], Any], Options]] = {
    "portrait": (_portrait, Options()),
    "whole": (_sample, Options()),
    "strict": (_sample, _STRICT),
    "loose": (_portrait, _LOOSE),
    "mirrored": (lambda: _portrait()[:, ::-1], Options()),
    "gray": (lambda: np.repeat(_portrait()[..., 1:2], 3, axis=2), Options()),
    "dark": (lambda: _portrait() // 4, Options()),
    "mosaic": (_mosaic, Options(60)),
    "edge": (lambda: _sample()[52:212, 200:312], Options()),
    "odd": (lambda: _sample()[51:188, 135:318], Options(33)),
    "nothing": (lambda: _sample()[300:460, 330:500], Options()),
    "tiny": (lambda: _portrait()[:50, :50], Options()),
}


def make_image(name: str) -> _Image:
    """Return the image of a built-in case, (H, W, 3) uint8 BGR, C-contiguous."""
    pixels: _Image = np.ascontiguousarray(CASES[name][0]())
    return pixels


def built_in_cases() -> Iterator[Case]:
    """Yield all cases, computed by the core and checked against the recorded hashes.

    Raises:
        ConformanceError: A case differs from its recorded hashes.
    """
    for name, (_, options) in CASES.items():
        computed = record(engine_for(options), to_pixels(make_image(name)), limit=None)
        where = first_difference(name, computed)
        if where:
            raise ConformanceError(
                f"case {name}: the result of this build differs from the recorded one, first at {where}; "
                "install mtcnn_cpp again, or report it"
            )
        yield Case(name, computed)


def first_difference(name: str, found: Trace) -> str:
    """Return the first part in which a case differs from the recorded case, or "" if both are equal.

    The result is the name of a tensor, or a text such as "options". The comparison includes image, options,
    networks, and the name, shape, dtype and SHA-256 of each tensor.
    """
    with Trace.load(EXPECTED / f"{name}.npz") as recorded:
        first, second = recorded.manifest, found.manifest
    pairs = {what: (getattr(first, what), getattr(second, what)) for what in ("image", "options")}
    pairs |= {a.name: (a, b) for a, b in zip(first.tensors, second.tensors, strict=False)}
    pairs |= {"number of tensors": (len(first.tensors), len(second.tensors))}
    pairs |= {what: (getattr(first, what), getattr(second, what)) for what in ("model", "only")}
    return next((what for what, (a, b) in pairs.items() if a != b), "")


def engine_for(options: Options) -> Engine:
    """Return the core with OpenFace's networks and these options."""
    return dataclasses.replace(Detector().engine, options=options)


def write_cases(folder: str | Path) -> list[str]:
    """Write all built-in cases into a folder.

    Args:
        folder: Folder to write into. It is created if it does not exist.

    Returns:
        The names of the cases.

    Raises:
        ConformanceError: The folder contains other files.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise ConformanceError(f"{folder}: expected a folder to write cases into, found a file")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / files.INDEX).is_file():
        raise ConformanceError(
            f"{folder}: expected an empty folder or a folder of cases, found other files; use another folder"
        )
    names = []
    rows = []
    for case in built_in_cases():
        place = folder / case.name
        place.mkdir(parents=True, exist_ok=True)
        write_file(place / files.IMAGE, files.to_ppm(case.expected.image))
        write_file(place / files.CASE, files.to_json(to_dict(case)))
        case.expected.save(place / files.EXPECTED)
        names.append(case.name)
        rows.append(files.table_row(case.name, case.expected.image.shape, case.options))
    write_file(folder / files.TABLE, files.make_table(rows))
    index = {"format": FORMAT, "version": VERSION, "model": Model.default().hashes(), "cases": names}
    write_file(folder / files.INDEX, files.to_json(index))  # written last: a folder without it is incomplete
    return names


def to_dict(case: Case) -> dict[str, Any]:
    """Return a case as plain values for JSON, without its image and the values of its layers."""
    faces = final_detections(case.expected)
    assert faces is not None
    height, width, _ = case.expected.image.shape
    return {
        "version": VERSION,
        "name": case.name,
        "picture": files.IMAGE,
        "width": width,
        "height": height,
        **case.expected.manifest.options,
        "boxes": _shortest_decimals(faces.boxes),
        "scores": _shortest_decimals(faces.scores),
        "landmarks": _shortest_decimals(faces.landmarks),
        "layers": {
            name: {"shape": list(entry.shape), "dtype": entry.dtype, "sha256": entry.sha256}
            for name in case.expected
            for entry in [case.expected.info(name)]
        },
    }


def load_cases(folder: str | Path) -> Iterator[Case]:
    """Yield the cases of a folder that `write_cases` has written.

    Raises:
        ConformanceError: The folder is not a folder of cases, or a file in it was changed.
        TraceError: A trace file is unreadable.
    """
    folder = Path(folder)
    index_file = folder / files.INDEX
    index = files.read_json(index_file)
    if not isinstance(index, Mapping) or index.get("format") != FORMAT:
        raise ConformanceError(f"{index_file}: expected format {FORMAT!r}; is this a folder of cases?")
    if index.get("version") != VERSION:
        raise ConformanceError(
            f"{index_file}: found version {safe_text(str(index.get('version')), 20)}, expected {VERSION}; "
            f"{REWRITE}, or update mtcnn_cpp"
        )
    names = index.get("cases")
    if not isinstance(names, list) or not names or not all(map(files.is_case_name, names)):
        raise ConformanceError(f"{index_file}: expected a list of case names; {REWRITE}")
    for problem, wrong in (
        ("cases are listed more than once", [name for name, n in Counter(names).items() if n > 1]),
        ("cases are unknown to this package", [name for name in names if name not in CASES]),
    ):
        if wrong:
            raise ConformanceError(f"{index_file}: {problem}: {safe_text(', '.join(wrong), 300)}; {REWRITE}")
    if index.get("model") != Model.default().hashes():
        raise ConformanceError(f"{index_file}: the cases were made with other networks; {REWRITE}")
    for name in names:
        yield _load_case(folder, name)


def _load_case(folder: Path, name: str) -> Case:
    case = Case(name, Trace.load(folder / name / files.EXPECTED))
    try:
        _check_unchanged(folder, case)
    except BaseException:
        case.expected.close()
        raise
    return case


def _check_unchanged(folder: Path, case: Case) -> None:
    """Raise ConformanceError if a case differs from the recorded one. The message names the file."""
    source, place = case.expected.source, folder / case.name
    if case.expected.manifest.capture != "full":
        raise TraceError(f"{source}: expected a complete trace with values; {REWRITE}")
    where = first_difference(case.name, case.expected)
    if where:
        raise ConformanceError(
            f"{source}: the case differs from the recorded one, first at {where}; {REWRITE}"
        )
    row = files.table_row(case.name, case.expected.image.shape, case.options)
    unchanged = {
        place / files.IMAGE: read_file(place / files.IMAGE) == files.to_ppm(case.expected.image),
        place / files.CASE: files.read_json(place / files.CASE) == json.loads(files.to_json(to_dict(case))),
        folder / files.TABLE: files.find_table_rows(case.name, folder / files.TABLE) == [row],
    }
    for path, is_same in unchanged.items():
        if not is_same:
            raise ConformanceError(
                f"{path}: the file was changed after this package wrote it for case {case.name}; {REWRITE}"
            )


def _shortest_decimals(values: np.ndarray[Any, Any]) -> Any:
    """Return nested lists of the shortest decimals that give the same float32 when they are read."""
    if values.ndim:
        return [_shortest_decimals(part) for part in values]
    return json.loads(str(values[()]))
