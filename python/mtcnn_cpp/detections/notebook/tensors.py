"""Displays tensors and traces in notebooks. Maps become a grid of tiles, and lists become a table."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..._util.escape import markup_text
from ...media.image.opencv import import_opencv

GRID_WIDTH = 960  # approximate width of a grid, in pixels
MAX_TILE_SIDE = 700  # pixels; for larger maps, only every n-th row and column is shown
GAP = 2
BACKGROUND = 128
NOT_FINITE = (255, 0, 255)  # BGR
MAX_ROWS, MAX_COLUMNS = 20, 16  # of the table of a tensor
MAX_TABLE_ROWS = 200  # of the table of a trace
_INPUT = re.compile(r"(pnet/level\d+|[ro]net/crop\d+)/input")


def map_grid(maps: NDArray[Any]) -> tuple[bytes, int, int]:
    """Return a PNG file that shows maps (C, h, w) as a grid of tiles. Each channel is one tile.

    The tiles are in rows, from left to right, in the order of the channels. All tiles use the same color
    scale: dark blue is the smallest finite value in `maps`, and yellow is the largest finite value. Values
    that are not finite are magenta.

    Returns:
        The PNG file, the number of tiles in a row, and the step between the displayed values along each axis.
    """
    cv2 = import_opencv("showing maps")
    step = math.ceil(max(maps.shape[1:]) / MAX_TILE_SIDE)
    maps = maps[:, ::step, ::step]
    count, height, width = maps.shape
    columns = max(1, min(count, round(math.sqrt(count * 1.8 * height / width))))
    factor = max(1, min(16, GRID_WIDTH // (max(columns, 2) * width), MAX_TILE_SIDE // height))
    tiles = np.repeat(np.repeat(_apply_colors(cv2, maps), factor, axis=1), factor, axis=2)
    rows = -(-count // columns)
    tile_height, tile_width = height * factor + GAP, width * factor + GAP
    grid = np.full((rows * tile_height - GAP, columns * tile_width - GAP, 3), BACKGROUND, np.uint8)
    for index, tile in enumerate(tiles):
        top, left = index // columns * tile_height, index % columns * tile_width
        grid[top : top + tile_height - GAP, left : left + tile_width - GAP] = tile
    return cv2.imencode(".png", grid)[1].tobytes(), columns, step


def _apply_colors(cv2: Any, maps: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the colors of all values, (C, h, w, 3) uint8 BGR."""
    finite = np.isfinite(maps)
    values = maps.astype(np.float64)
    low, high = finite_range(values)
    span = high - low if high > low else 1.0
    levels = np.where(finite, np.rint((np.where(finite, values, low) - low) / span * 255), 0).astype(np.uint8)
    column = levels.reshape(-1, 1)
    colors: NDArray[np.uint8] = cv2.applyColorMap(column, cv2.COLORMAP_VIRIDIS).reshape(*maps.shape, 3)
    colors[~finite] = NOT_FINITE
    return colors


def finite_range(values: NDArray[Any]) -> tuple[float, float]:
    """Return the smallest and the largest finite value, or (0, 0) if no value is finite."""
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def input_image(pixels: NDArray[Any]) -> bytes:
    """Return a network input (3, h, w) RGB as a PNG file.

    An input value v becomes the pixel value v * 128 + 127.5.
    """
    cv2 = import_opencv("showing maps")
    height, width = pixels.shape[1:]
    values = pixels[::-1].transpose(1, 2, 0).astype(np.float64) * 128 + 127.5
    finite = np.isfinite(values)
    image = np.where(finite, np.clip(np.rint(np.where(finite, values, 0)), 0, 255), NOT_FINITE)
    step, factor = math.ceil(max(height, width) / GRID_WIDTH), max(1, min(8, 384 // max(height, width)))
    shown = np.repeat(np.repeat(image.astype(np.uint8)[::step, ::step], factor, axis=0), factor, axis=1)
    png: bytes = cv2.imencode(".png", shown)[1].tobytes()
    return png


@dataclass(frozen=True, eq=False, repr=False)
class TensorView:
    """A tensor for display in a notebook.

    Maps (C, h, w) or (h, w) are displayed as a grid of tiles, and the input of a network as an image. All
    other tensors are displayed as a table.

    Attributes:
        name: Name of the tensor.
        array: Its values.
    """

    name: str
    array: NDArray[Any]

    def __repr__(self) -> str:
        return f"<TensorView: {self.name}, {self._summary()}>"

    def _summary(self) -> str:
        """Return shape, dtype, range and mean as text."""
        array = self.array
        text = f"{' x '.join(map(str, array.shape)) or 'a number'}, {array.dtype}"
        if array.size == 0 or array.dtype.kind not in "fiub":
            return text + (", no values" if array.size == 0 else "")
        finite = np.isfinite(array)
        low, high = finite_range(array)
        text += (
            f", {low:.6g} … {high:.6g}, mean {array[finite].mean(dtype=np.float64):.6g}"
            if finite.any()
            else ""
        )
        excluded = array.size - np.count_nonzero(finite)
        return text + (f", {excluded:,} of {array.size:,} not finite (magenta)" if excluded else "")

    def _repr_html_(self) -> str:
        title = f"<b>{markup_text(self.name)}</b>: {markup_text(self._summary())}"
        return f"<div>{title}{self._body()}</div>"

    def _body(self) -> str:
        array = self.array
        if array.size == 0 or array.dtype.kind not in "fiub":
            return ""
        maps = array[np.newaxis] if array.ndim == 2 and self.name.endswith("heat_map") else array
        if maps.ndim != 3 or maps.shape[1:] == (5, 2):  # landmarks
            return _html_table(array.reshape(len(array), -1) if array.ndim else array.reshape(1, 1))
        try:
            if _INPUT.fullmatch(self.name) and len(maps) == 3:
                return _html_image(input_image(maps))
            png, columns, step = map_grid(maps)
        except ImportError as error:
            return f"<br>{markup_text(error)}"
        note = "dark blue: smallest value, yellow: largest value"
        note += f"; channels 0 to {len(maps) - 1}, {columns} per row" if len(maps) > 1 else ""
        note += f"; one of every {step} rows and columns is shown" if step > 1 else ""
        return f"<br>{note}{_html_image(png)}"


def _html_image(png: bytes) -> str:
    data = base64.b64encode(png).decode()
    return f'<br><img style="max-width: 100%" src="data:image/png;base64,{data}">'


def _html_table(rows: NDArray[Any]) -> str:
    """Return the first rows and columns of `rows` (N, K) as a table. A vector (N, 1) becomes one row."""
    is_vector = rows.shape[1] == 1
    if is_vector:
        rows = rows.reshape(1, -1)
    lines = ""
    for number, row in enumerate(rows[:MAX_ROWS, :MAX_COLUMNS]):
        head = "" if is_vector else f"<th>{number}</th>"
        lines += f"<tr>{head}{''.join(f'<td>{value:.7g}</td>' for value in row)}</tr>"
    omitted = rows.size - rows[:MAX_ROWS, :MAX_COLUMNS].size
    more = f"… and {omitted:,} more values" if omitted else ""
    return f"<table>{lines}</table>{more}"


class DescribedTensor(Protocol):
    """The attributes of a manifest entry that `trace_table` uses."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> str: ...
    @property
    def layout(self) -> str: ...
    @property
    def nbytes(self) -> int: ...


def trace_table(caption: str, entries: Mapping[str, DescribedTensor], template: Callable[[str], str]) -> str:
    """Return an HTML table of the tensors. All levels or crops of a tensor have one common row.

    The function does not read the values of the tensors. `template` converts the name of a tensor to a name
    that is the same for all its levels or crops.
    """
    groups: dict[str, list[str]] = {}
    for name in entries:
        groups.setdefault(template(name), []).append(name)
    rows = "".join(
        _table_row(name, [entries[member] for member in names])
        for name, names in list(groups.items())[:MAX_TABLE_ROWS]
    )
    more = f"… and {len(groups) - MAX_TABLE_ROWS:,} more rows" if len(groups) > MAX_TABLE_ROWS else ""
    head = "".join(f"<th>{title}</th>" for title in ("tensor", "count", "shape", "dtype", "axes", "kB"))
    return f"<div>{markup_text(caption)}<table><tr>{head}</tr>{rows}</table>{more}</div>"


def _table_row(name: str, entries: Sequence[DescribedTensor]) -> str:
    shapes = list(dict.fromkeys(" x ".join(map(str, entry.shape)) for entry in entries))
    cells = (
        name,
        f"{len(entries):,}",
        shapes[0] if len(shapes) == 1 else f"{shapes[0]} … {shapes[-1]}",
        entries[0].dtype,
        entries[0].layout,
        f"{sum(entry.nbytes for entry in entries) / 1000:,.1f}",
    )
    return "<tr>" + "".join(f"<td>{markup_text(cell)}</td>" for cell in cells) + "</tr>"
