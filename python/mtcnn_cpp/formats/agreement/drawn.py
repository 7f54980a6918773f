"""The inputs on which a graph is run: drawn to reach every branch of it, the same every time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...reference.plan import STAGES, Size
from ...types import StageName
from ..errors import need
from ..found import FoundGraph
from .compute import Wide

# Height and width differ, and no map that leaves PNet has as many rows or columns as there are heads'
# values: so a shape tells how an output lies.
FREE_SIZES: tuple[Size, ...] = ((16, 23), (12, 12), (33, 26))
# How far the values reach, in OpenFace's own scale, where a picture has -1 … 1. Greater ones come to limits
# that no picture comes to; small ones stay near zero, where branches part.
REACHES = (1.0, 1.0, 1 / 64, 8.0, 1000.0)


@dataclass(frozen=True)
class Drawn:
    """One input. `words`: what it is; `pictures`: (N, 3, H, W), exactly what the graph is given; `given`: the
    same as the graph takes it."""

    words: str
    pictures: Wide
    given: npt.NDArray[Any]


def draw(graph: FoundGraph, stage: StageName, factor: Wide, shift: Wide) -> Iterator[Drawn]:
    """Inputs for a graph that wants `v * factor + shift`, (1,) or (3,) each, of OpenFace's values v."""
    onnx = need("onnx", "'mtcnn-cpp[onnx]'", "reading ONNX")
    kind = next(one for one in graph.model.graph.input if one.name == graph.picture).type.tensor_type
    dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type))
    stated = [int(one.dim_value) for one in kind.shape.dim] or [0] * 4  # 0: any size
    count, *others = stated
    height, width = others[:2] if graph.channels_last else others[1:]
    side = STAGES[stage].size
    sizes = FREE_SIZES if side is None and not (height and width) else (side or FREE_SIZES[0],)
    for size in sizes:
        yield from draw_size(graph, dtype, (count or 1, height or size[0], width or size[1]), factor, shift)


def draw_size(
    graph: FoundGraph, dtype: np.dtype[Any], shape: tuple[int, int, int], factor: Wide, shift: Wide
) -> Iterator[Drawn]:
    """Inputs (count, height, width), one for each reach, and one of nothing but -1 and 1."""
    random = np.random.default_rng(9)
    count, height, width = shape
    for reach in (*REACHES, 0.0):
        spread = random.uniform(-1, 1, (count, 3, height, width))
        values = spread * reach if reach else np.sign(spread)
        values = values * factor[:, None, None] + shift[:, None, None]
        if dtype.kind in "iu":
            values = np.clip(np.round(values), 0, min(np.iinfo(dtype).max, 255))
        with np.errstate(over="ignore"):
            pictures = values.astype(dtype)
        if np.isfinite(pictures.astype(np.float64)).all():
            given = pictures.transpose(0, 2, 3, 1) if graph.channels_last else pictures
            words = f"{' x '.join(map(str, given.shape))}, {values.min():.3g} … {values.max():.3g}"
            yield Drawn(words, pictures.astype(np.float64), np.ascontiguousarray(given))
