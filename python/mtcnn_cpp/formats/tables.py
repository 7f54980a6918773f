"""Tables of arrays, which hold weights but no graph: state_dicts of PyTorch, lists of the `mtcnn` package,
Caffe's NPY.

Pooling and the order of layers are taken to be OpenFace's; how a dense layer's input is laid flat is the
convention of whoever writes such tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ..reference.model import MaxPool, PReLU
from ..types import FloatArray
from . import flat
from .errors import PortError
from .found import FoundActivation, FoundConv, FoundDense, FoundLayer, FoundNetwork, FoundPool
from .heads import join_heads
from .recognise import official, recognise

Row: TypeAlias = FoundConv | FoundDense | FoundActivation


def found_from_table(layers: Iterable[Row], source: str, note: str) -> FoundNetwork:
    """Rows in execution order, heads last and separate or one, as the network that they stand for."""
    rows = list(layers)
    weighted = [row for row in rows if not isinstance(row, FoundActivation)]
    joined = join_heads(weighted)
    stage = recognise(joined, source)
    followers: dict[str, FoundActivation] = {}
    for before, row in pairwise(rows):
        if isinstance(row, FoundActivation):
            followers[before.name] = row
    result: list[FoundLayer] = []
    queue = iter(joined)
    skeleton = official(stage)
    for name, layer in zip(skeleton.names, skeleton.layers, strict=True):
        if isinstance(layer, MaxPool):
            kernel, strides = (layer.kernel_y, layer.kernel_x), (layer.stride_y, layer.stride_x)
            result.append(FoundPool(name, kernel, strides, mode="unknown"))
        elif isinstance(layer, PReLU):
            slopes = followers.get(result[-1].name)
            if slopes is not None:
                result.append(slopes)
        else:
            result.append(next(queue))
    return FoundNetwork(source, tuple(result), complete=False, notes=(note,) if note else ())


def from_state_dict(arrays: Mapping[str, npt.NDArray[Any]], source: str) -> FoundNetwork:
    """A state_dict (already as arrays): `NAME.weight` of rank 4 a convolution, 2 a dense layer (out, in), 1
    slopes.

    A dense layer named `dense…` follows facenet-pytorch, whose input is laid flat (x, y, channel); any
    other takes PyTorch's own (channel, y, x).
    """
    rows: list[Row] = []
    orders = set()
    for key, array in arrays.items():
        name, _, field = key.rpartition(".")
        if field != "weight":
            if field != "bias" or f"{name}.weight" not in arrays:
                raise PortError(f"{source}: {key}: expected a weight, or a bias beside a weight")
            continue
        bias = as_float(arrays[f"{name}.bias"]) if f"{name}.bias" in arrays else None
        values = as_float(array)
        if values.ndim == 4:
            rows.append(FoundConv(name, values, bias))
        elif values.ndim == 2:
            order = flat.FACENET if name.rpartition(".")[2].startswith("dense") else flat.NCHW
            rows.append(FoundDense(name, values.T, bias, order))
            orders.add(order)
        elif values.ndim == 1:
            rows.append(FoundActivation(name, "PRelu", values))
        else:
            raise PortError(f"{source}: {key}: expected rank 4, 2 or 1, found shape {values.shape}")
    note = f"dense layers read as laid flat ({', '.join(orders.pop())})" if len(orders) == 1 else ""
    return found_from_table(rows, source, note)


def from_package_list(arrays: Sequence[npt.NDArray[Any]], source: str) -> FoundNetwork:
    """A list of the `mtcnn` package: kernel (y, x, in, out), bias, slopes, …; dense (in, out) with its
    input (x, y, channel); then the heads box, [landmarks,] class."""
    rows: list[Row] = []
    values = [as_float(array) for array in arrays]
    index = 0
    while index < len(values):
        array, name = values[index], f"array {index}"
        bias = values[index + 1].ravel() if index + 1 < len(values) else None
        if array.ndim == 4:
            rows.append(FoundConv(name, array.transpose(3, 2, 0, 1), bias))
        elif array.ndim == 2:
            rows.append(FoundDense(name, array, bias, flat.FACENET))
        else:
            raise PortError(f"{source}: {name}: expected a kernel of rank 4 or 2, found shape {array.shape}")
        index += 2
        if index < len(values) and values[index].size == array.shape[-1]:
            rows.append(FoundActivation(f"array {index}", "PRelu", values[index].ravel()))
            index += 1
    return found_from_table(rows, source, "read as the `mtcnn` package's list")


def from_caffe_table(table: Mapping[str, Mapping[str, npt.NDArray[Any]]], source: str) -> FoundNetwork:
    """A table of facenet's `det1.npy` … `det3.npy`: layer name → {weights, biases} or {alpha}.

    Caffe's model looks at pictures on their side, so kernels lie as (x, y, in, out), and a dense input as
    (x, y, channel).
    """
    rows: list[Row] = []
    for name, fields in table.items():
        unknown = set(fields) - {"weights", "biases", "alpha"}
        if unknown or not fields:
            there = ", ".join(fields) or "none"
            raise PortError(f"{source}: {name}: expected weights and biases, or alpha; found {there}")
        if "alpha" in fields:
            rows.append(FoundActivation(name, "PRelu", as_float(fields["alpha"]).ravel()))
            continue
        weights = as_float(fields["weights"])
        bias = as_float(fields["biases"]).ravel() if "biases" in fields else None
        if weights.ndim == 4:
            rows.append(FoundConv(name, weights.transpose(3, 2, 1, 0), bias))
        elif weights.ndim == 2:
            rows.append(FoundDense(name, weights, bias, flat.FACENET))
        else:
            raise PortError(f"{source}: {name}: expected weights of rank 4 or 2, found shape {weights.shape}")
    return found_from_table(rows, source, "read as facenet's table, kernels (x, y, in, out)")


def as_float(array: npt.ArrayLike) -> FloatArray:
    values = np.asarray(array)
    if values.dtype.kind not in "fiu" or not values.size:
        raise PortError(f"expected an array of numbers, found {values.dtype} of shape {values.shape}")
    return values.astype(np.float32)
