"""One tensor, as a notebook shows it: maps as a grid, lists as a table."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..escape import markup_text
from .map_grid import finite_range, input_picture, map_grid

ROWS, COLUMNS = 20, 16  # of a table
_INPUT = re.compile(r"(pnet/level\d+|[ro]net/crop\d+)/input")


@dataclass(frozen=True, eq=False, repr=False)
class TensorView:
    """A tensor to look at: `name`, and `array` with its values, untouched. A notebook shows maps (C, h, w) or
    (h, w) as a grid of tiles, a network's input as the picture it was, anything else as a table."""

    name: str
    array: NDArray[Any]

    def __repr__(self) -> str:
        return f"<TensorView: {self.name}, {self._figures()}>"

    def _figures(self) -> str:
        """Shape, dtype, range and mean in words."""
        array = self.array
        words = f"{' x '.join(map(str, array.shape)) or 'a number'}, {array.dtype}"
        if array.size == 0 or array.dtype.kind not in "fiub":
            return words + (", no values" if array.size == 0 else "")
        good = np.isfinite(array)
        low, high = finite_range(array)
        words += (
            f", {low:.6g} … {high:.6g}, mean {array[good].mean(dtype=np.float64):.6g}" if good.any() else ""
        )
        lost = array.size - np.count_nonzero(good)
        return words + (f", {lost:,} of {array.size:,} not finite (magenta)" if lost else "")

    def _repr_html_(self) -> str:
        title = f"<b>{markup_text(self.name)}</b>: {markup_text(self._figures())}"
        return f"<div>{title}{self._body()}</div>"

    def _body(self) -> str:
        array = self.array
        if array.size == 0 or array.dtype.kind not in "fiub":
            return ""
        maps = array[np.newaxis] if array.ndim == 2 and self.name.endswith("heat_map") else array
        if maps.ndim != 3 or maps.shape[1:] == (5, 2):  # landmarks: (N, 5, 2)
            return _table(array.reshape(len(array), -1) if array.ndim else array.reshape(1, 1))
        try:
            if _INPUT.fullmatch(self.name) and len(maps) == 3:
                return _image(input_picture(maps))
            png, beside, step = map_grid(maps)
        except ImportError as error:
            return f"<br>{markup_text(error)}"
        words = "dark is least, yellow is most"
        words += f"; channels 0 to {len(maps) - 1}, {beside} in a row" if len(maps) > 1 else ""
        words += f"; one of {step} rows and columns" if step > 1 else ""
        return f"<br>{words}{_image(png)}"


def _image(png: bytes) -> str:
    data = base64.b64encode(png).decode()
    return f'<br><img style="max-width: 100%" src="data:image/png;base64,{data}">'


def _table(rows: NDArray[Any]) -> str:
    """The first rows of (N, K); a vector (N, 1) lies down."""
    turned = rows.shape[1] == 1
    if turned:
        rows = rows.reshape(1, -1)
    lines = ""
    for number, row in enumerate(rows[:ROWS, :COLUMNS]):
        head = "" if turned else f"<th>{number}</th>"
        lines += f"<tr>{head}{''.join(f'<td>{value:.7g}</td>' for value in row)}</tr>"
    left_out = rows.size - rows[:ROWS, :COLUMNS].size
    more = f"… and {left_out:,} more values" if left_out else ""
    return f"<table>{lines}</table>{more}"
