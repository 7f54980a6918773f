"""File formats of cases and results."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._util.user_files import read_file
from ...formats.errors import safe_text
from ...reference.options import Options

INDEX, TABLE = "conformance.json", "cases.txt"
CASE, IMAGE, EXPECTED = "case.json", "picture.ppm", "expected.npz"
TABLE_HEADER = "# name width height min_face threshold1 threshold2 threshold3 scale_factor"


def to_ppm(image: NDArray[Any]) -> bytes:
    """Return a BGR image as a binary PPM file (P6, RGB)."""
    height, width, _ = image.shape
    return b"P6\n%d %d\n255\n" % (width, height) + np.ascontiguousarray(image[..., ::-1]).tobytes()


def to_json(value: Mapping[str, Any]) -> bytes:
    """Return JSON that is easy to read: each entry has its own line, also in nested objects."""
    lines = []
    for key, item in value.items():
        text = json.dumps(item, allow_nan=False)
        if isinstance(item, Mapping) and item:
            entries = (
                f"  {json.dumps(name)}: {json.dumps(entry, allow_nan=False)}" for name, entry in item.items()
            )
            text = "{\n" + ",\n".join(entries) + "\n }"
        lines.append(f" {json.dumps(key)}: {text}")
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def read_json(path: Path) -> Any:
    """Return the content of a JSON file.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is not JSON; the message names the file.
    """
    try:
        return json.loads(read_file(path))
    except (ValueError, RecursionError) as error:
        if str(path) in str(error):
            raise
        raise ValueError(f"{path}: expected JSON ({safe_text(error, 200)})") from error


def find_table_rows(name: str, path: Path) -> list[str]:
    """Return the rows of a case in the table of all cases."""
    lines = read_file(path).decode(errors="replace").splitlines()
    return [line for line in lines if line.split(" ")[0] == name]


def table_row(name: str, shape: tuple[int, ...], options: Options) -> str:
    """Return a case as a row of the table of all cases."""
    numbers = (shape[1], shape[0], options.min_face, *options.thresholds, options.scale_factor)
    return " ".join([name, *(f"{number:g}" for number in numbers)])


def make_table(rows: Iterable[str]) -> bytes:
    """Return the table of all cases, one row per case, for programs that cannot read JSON."""
    return "\n".join([TABLE_HEADER, *rows, ""]).encode()


def is_case_name(name: object) -> bool:
    """Return whether a value is a plain folder name: ASCII letters, digits, "-" and "_"."""
    return isinstance(name, str) and name.isascii() and name.replace("-", "").replace("_", "").isalnum()
