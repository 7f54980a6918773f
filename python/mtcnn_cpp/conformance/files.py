"""The files of cases and results, byte by byte."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..formats.errors import shown
from ..reference.options import Options
from ..user_files import read_file

INDEX, TABLE = "conformance.json", "cases.txt"
CASE, PICTURE, EXPECTED = "case.json", "picture.ppm", "expected.npz"
HEAD = "# name width height min_face threshold1 threshold2 threshold3 scale_factor"


def to_ppm(picture: NDArray[Any]) -> bytes:
    """A binary PPM (P6): red, green, blue bytes, row after row, after a head of three lines."""
    height, width, _ = picture.shape
    return b"P6\n%d %d\n255\n" % (width, height) + np.ascontiguousarray(picture[..., ::-1]).tobytes()


def to_json(value: Mapping[str, Any]) -> bytes:
    """An entry a line, also of objects inside, so that people can read and compare the text."""
    lines = []
    for key, item in value.items():
        text = json.dumps(item, allow_nan=False)
        if isinstance(item, Mapping) and item:
            inside = (
                f"  {json.dumps(name)}: {json.dumps(each, allow_nan=False)}" for name, each in item.items()
            )
            text = "{\n" + ",\n".join(inside) + "\n }"
        lines.append(f" {json.dumps(key)}: {text}")
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def read_json(path: Path) -> Any:
    """What a JSON file holds. FileNotFoundError, or ValueError naming the file."""
    try:
        return json.loads(read_file(path))
    except (ValueError, RecursionError) as error:
        if str(path) in str(error):
            raise
        raise ValueError(f"{path}: expected JSON ({shown(error, 200)})") from error


def holds(path: Path, data: bytes) -> bool:
    """Whether a file has these bytes."""
    return read_file(path) == data


def rows_of(name: str, path: Path) -> list[str]:
    """The rows of a case in the table of all cases."""
    lines = read_file(path).decode(errors="replace").splitlines()
    return [line for line in lines if line.split(" ")[0] == name]


def table_row(name: str, shape: tuple[int, ...], options: Options) -> str:
    numbers = (shape[1], shape[0], options.min_face, *options.thresholds, options.scale_factor)
    return " ".join([name, *(f"{number:g}" for number in numbers)])


def table(rows: Iterable[str]) -> bytes:
    """A line a case, for programs that read no JSON."""
    return "\n".join([HEAD, *rows, ""]).encode()


def is_name(name: object) -> bool:
    """A plain name of a folder."""
    return isinstance(name, str) and name.isascii() and name.replace("-", "").replace("_", "").isalnum()
