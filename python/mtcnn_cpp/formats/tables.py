"""Tables of arrays, which hold weights but no graph: state_dicts of PyTorch, lists of the `mtcnn` package,
facenet's `.npy` files.

The order of layers and their pooling are taken to be OpenFace's.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ..reference.model import MaxPool, PReLU
from ..types import FloatArray
from .errors import PortError
from .found import FoundActivation, FoundConv, FoundDense, FoundLayer, FoundNetwork
from .heads import join_heads
from .pooling import found_pool
from .recognise import official, recognise

Row: TypeAlias = FoundConv | FoundDense | FoundActivation


def found_from_table(layers: Iterable[Row], source: str, note: str) -> FoundNetwork:
    """The network that these rows stand for. They are in execution order, heads last, joined or separate.
    PortError where it is none of the three."""
    rows = list(layers)
    joined = join_heads([row for row in rows if not isinstance(row, FoundActivation)])
    ours = official(recognise(joined, source))
    slopes = {  # by the layer that they follow
        before.name: row
        for before, row in pairwise(rows)
        if isinstance(row, FoundActivation) and not isinstance(before, FoundActivation)
    }
    result: list[FoundLayer] = []
    weighted = iter(joined)
    for name, layer in zip(ours.names, ours.layers, strict=True):
        if isinstance(layer, MaxPool):
            result.append(found_pool(name, layer))
        elif not isinstance(layer, PReLU):
            result.append(next(weighted))
        elif result[-1].name in slopes:
            result.append(slopes[result[-1].name])
    for row in rows:
        if isinstance(row, FoundActivation) and row not in result:
            raise PortError(f"{source}: {row.name}: expected slopes after a layer that has a PReLU")
    return FoundNetwork(source, tuple(result), complete=False, notes=(note,) if note else ())


def weighted_row(
    source: str, name: str, weights: FloatArray, bias: FloatArray | None, axes: tuple[int, ...], order: str
) -> FoundConv | FoundDense:
    """A convolution of a kernel of rank 4, whose `axes` are (out, in, y, x); a dense layer of weights (in,
    out), its input laid flat in `order`. PortError for another rank."""
    if weights.ndim == 4:
        return FoundConv(name, weights.transpose(axes), bias)
    if weights.ndim == 2:
        return FoundDense(name, weights, bias, order)
    raise PortError(f"{source}: {name}: expected weights of rank 4 or 2, found shape {weights.shape}")


def as_float(array: npt.ArrayLike) -> FloatArray:
    """A copy in float32, of the same shape. PortError where these are no numbers, or none at all."""
    values = np.asarray(array)
    if values.dtype.kind not in "fiu" or not values.size:
        raise PortError(f"expected an array of numbers, found {values.dtype} of shape {values.shape}")
    return values.astype(np.float32)
