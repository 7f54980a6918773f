"""Read files that contain weights but no graph: `mtcnn` lists, facenet tables, `.npz` and `.dat` files.

Lists, facenet tables and state_dict files state neither the order of all layers nor the pooling. For these
files, `found_from_table` uses the layers and the pooling of OpenFace's network.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from .._util.errors import import_extra
from .._util.user_files import read_file
from ..reference.dat import read_network
from ..reference.model import Conv2d, FullyConnected, Layer, MaxPool, Network, PReLU
from ..reference.plan import STAGES
from ..types import FloatArray
from . import conventions
from .arrays import CHUNK, OBJECT_DTYPES, Budget, read_header
from .conventions import join_heads, to_found_pool
from .errors import PortError, error_message, translate_errors
from .found import (
    FoundActivation,
    FoundConv,
    FoundFullyConnected,
    FoundLayer,
    FoundNetwork,
    FoundPool,
    official_network,
    recognise_stage,
)
from .pickles import unpickle

TableLayer: TypeAlias = FoundConv | FoundFullyConnected | FoundActivation


def found_from_table(layers: Iterable[TableLayer], source: str, note: str) -> FoundNetwork:
    """Build a network from its weights.

    `layers` are in execution order. The heads come last, either as one layer or as separate layers.

    Raises PortError if the layers are not those of PNet, RNet or ONet.
    """
    rows = list(layers)
    joined = join_heads([row for row in rows if not isinstance(row, FoundActivation)])
    official = official_network(recognise_stage(joined, source))
    slopes = {  # the key is the name of the preceding layer
        before.name: row
        for before, row in pairwise(rows)
        if isinstance(row, FoundActivation) and not isinstance(before, FoundActivation)
    }
    result: list[FoundLayer] = []
    weighted = iter(joined)
    for name, layer in zip(official.names, official.layers, strict=True):
        if isinstance(layer, MaxPool):
            result.append(to_found_pool(name, layer))
        elif not isinstance(layer, PReLU):
            result.append(next(weighted))
        elif result[-1].name in slopes:
            result.append(slopes[result[-1].name])
    for row in rows:
        if isinstance(row, FoundActivation) and row not in result:
            raise PortError(
                f"{source}: {row.name}: expected slopes only after a layer that has a PReLU in OpenFace"
            )
    return FoundNetwork(source, tuple(result), complete=False, notes=(note,) if note else ())


def weighted_row(
    source: str, name: str, weights: FloatArray, bias: FloatArray | None, axes: tuple[int, ...], order: str
) -> FoundConv | FoundFullyConnected:
    """Convert weights to a layer.

    Weights of rank 4 are those of a convolution, and `axes` is the permutation of their axes to (out, in, y,
    x). Weights of rank 2 are those of a fully connected layer, (in, out), with the flattening order `order`.
    Raises PortError if the weights have another rank.
    """
    if weights.ndim == 4:
        return FoundConv(name, weights.transpose(axes), bias)
    if weights.ndim == 2:
        return FoundFullyConnected(name, weights, bias, order)
    raise PortError(f"{source}: {name}: expected weights of rank 4 or 2, found shape {weights.shape}")


def as_float(array: npt.ArrayLike) -> FloatArray:
    """Return a float32 copy of the same shape. Raises PortError if the array is empty or not numeric."""
    values = np.asarray(array)
    if values.dtype.kind not in "fiu" or not values.size:
        raise PortError(f"expected an array of numbers, found {values.dtype} of shape {values.shape}")
    return values.astype(np.float32)


LZ4_MAGIC = b"\x04\x22\x4d\x18"  # the first bytes of an LZ4 file


def read_joblib(path: Path) -> list[FoundNetwork]:
    """Read the network in a `.lz4` or `.joblib` list of the `mtcnn` package.

    Raises FileNotFoundError and PortError. Raises MissingExtra if the package lz4 is needed but not
    installed.
    """
    data = read_file(path)
    if data.startswith(LZ4_MAGIC):
        data = decompress_lz4(data, path)
    content = unpickle(data, str(path))
    if not isinstance(content, list) or not all(isinstance(item, np.ndarray) for item in content):
        raise PortError(f"{path}: expected a list of arrays, found {type(content).__name__}")
    return [network_from_list(content, str(path))]


def decompress_lz4(data: bytes, path: Path) -> bytes:
    """Decompress LZ4 data in chunks, so that a small file cannot use all memory.

    Raises PortError if the data are damaged or truncated, or if the decompressed data exceed NETWORK_LIMIT.
    """
    lz4 = import_extra("lz4.frame", "lz4", "reading an LZ4 file")
    budget, result = Budget(), bytearray()
    with translate_errors(path):
        stream = lz4.LZ4FrameDecompressor()
        while not stream.eof:
            try:
                chunk = stream.decompress(data, max_length=CHUNK)
            except Exception as error:
                raise PortError(f"damaged LZ4 data ({error_message(error)})") from error
            if not chunk and stream.needs_input and not stream.eof:
                raise PortError("damaged LZ4 data (the data ends too early)")
            budget.spend(len(chunk), f"more bytes after the first {len(result)}")
            result += chunk
            data = b""  # the decompressor keeps the input that remains
        return bytes(result)


def network_from_list(arrays: Sequence[npt.NDArray[Any]], source: str) -> FoundNetwork:
    """Convert a list of arrays of the `mtcnn` package.

    The arrays of a convolution are the kernel (y, x, in, out), the bias and the slopes.

    Fully connected weights are (in, out), with the flattening order (x, y, channel). The heads come last, in
    the order box, landmarks (only in ONet), class. Raises PortError if an array has another rank.
    """
    rows: list[TableLayer] = []
    values = [as_float(array) for array in arrays]
    index = 0
    while index < len(values):
        weights = values[index]
        bias = values[index + 1].ravel() if index + 1 < len(values) else None
        rows.append(
            weighted_row(source, f"array {index}", weights, bias, (3, 2, 0, 1), conventions.FACENET_ORDER)
        )
        index += 2
        if index < len(values) and values[index].size == weights.shape[-1]:
            rows.append(FoundActivation(f"array {index}", "PRelu", values[index].ravel()))
            index += 1
    return found_from_table(rows, source, "read as the `mtcnn` package's list")


def read_npy(path: Path) -> list[FoundNetwork]:
    """Read the network in a `.npy` file of facenet. Raises FileNotFoundError and PortError."""
    content = read_object(path)
    if not isinstance(content, dict) or not all(isinstance(item, dict) for item in content.values()):
        raise PortError(f"{path}: expected a table of layers, found {type(content).__name__}")
    return [network_from_table(content, str(path))]


def read_object(path: Path) -> Any:
    """Read the object in a `.npy` file of dtype object. Raises FileNotFoundError and PortError."""
    file = io.BytesIO(read_file(path))
    with translate_errors(path):
        try:
            header = read_header(file)
        except PortError as error:
            raise PortError(f"expected a NumPy file (.npy), found something else ({error})") from error
        if header.dtype not in OBJECT_DTYPES:
            found = f"an array of {header.dtype}, shape {header.shape}"
            raise PortError(f"expected a table of layers, found {found}")
        return unpickle(file.read(), str(path))


def network_from_table(table: Mapping[str, Mapping[str, npt.NDArray[Any]]], source: str) -> FoundNetwork:
    """Convert a table of layers.

    The table maps the name of a layer to its fields, which are weights and biases, or alpha. Raises PortError
    if a layer has other fields.

    The authors of facenet converted the tables from a Caffe model, which takes transposed images. Therefore
    kernels are (x, y, in, out), and the flattening order is (x, y, channel).
    """
    rows: list[TableLayer] = []
    for name, fields in table.items():
        if set(fields) not in ({"weights", "biases"}, {"weights"}, {"alpha"}):
            found = ", ".join(fields) or "none"
            raise PortError(f"{source}: {name}: expected weights and biases, or alpha; found {found}")
        if not all(isinstance(array, np.ndarray) for array in fields.values()):
            raise PortError(f"{source}: {name}: expected arrays, found something else")
        if "alpha" in fields:
            rows.append(FoundActivation(name, "PRelu", as_float(fields["alpha"]).ravel()))
            continue
        weights = as_float(fields["weights"])
        bias = as_float(fields["biases"]).ravel() if "biases" in fields else None
        rows.append(weighted_row(source, name, weights, bias, (3, 2, 1, 0), conventions.FACENET_ORDER))
    return found_from_table(rows, source, "read as facenet's table, kernels (x, y, in, out)")


def networks_from_arrays(arrays: Mapping[str, npt.NDArray[Any]], source: str) -> list[FoundNetwork]:
    """Convert arrays that have the names of `Model.arrays()`, such as `pnet/conv1/kernel`.

    The bias of a layer may be missing.

    Raises PortError if an array has another name or shape.
    """
    named: dict[str, dict[str, dict[str, npt.NDArray[Any]]]] = {}
    for key, array in arrays.items():
        stage, layer, field = parts if len(parts := key.split("/")) == 3 else ("", "", "")
        if stage not in STAGES or not field:
            raise PortError(
                f"{source}: {key}: expected a name like pnet/conv1/kernel (pnet, rnet or onet first)"
            )
        named.setdefault(stage, {}).setdefault(layer, {})[field] = array
    if not named:
        raise PortError(f"{source}: expected arrays named pnet/conv1/kernel, …, found none")
    result = []
    for stage, layers in named.items():
        rows = tuple(layer_from_fields(name, fields, source) for name, fields in layers.items())
        result.append(FoundNetwork(f"{source}: {stage}", rows, complete=True))
    return result


def layer_from_fields(name: str, fields: Mapping[str, npt.NDArray[Any]], source: str) -> FoundLayer:
    """Convert the arrays of one layer. They have the shapes of `Model.arrays()`."""
    if not any(set(fields) - {"bias"} == {name} for name in ("kernel", "weights")) and len(fields) != 1:
        raise PortError(
            f"{source}: {name}: expected kernel and bias, weights and bias, slopes or window, "
            f"found {', '.join(fields)}"
        )
    bias = as_float(fields["bias"]).ravel() if "bias" in fields else None
    if "kernel" in fields and fields["kernel"].ndim == 4:
        return FoundConv(name, as_float(fields["kernel"]), bias)
    if "weights" in fields and fields["weights"].ndim == 2:
        return FoundFullyConnected(name, as_float(fields["weights"]), bias, conventions.OPENFACE_ORDER)
    if "slopes" in fields:
        return FoundActivation(name, "PRelu", as_float(fields["slopes"]).ravel())
    if "window" in fields and fields["window"].shape == (4,):
        kernel_x, kernel_y, stride_x, stride_y = fields["window"].tolist()
        return FoundPool(name, (kernel_y, kernel_x), (stride_y, stride_x), mode="unknown")
    found = ", ".join(f"{field} {array.shape}" for field, array in fields.items())
    raise PortError(f"{source}: {name}: expected kernel, weights, slopes or window, found {found}")


def read_dat(path: Path) -> list[FoundNetwork]:
    """Read the network of a `.dat` file.

    Raises FileNotFoundError. Raises ValueError if the file is damaged, and the message states the position.
    """
    return [to_found_network(read_network(read_file(path), str(path)), str(path))]


def to_found_network(network: Network, source: str) -> FoundNetwork:
    """Convert a Network to a FoundNetwork."""
    layers = tuple(map(to_found_layer, network.names, network.layers))
    return FoundNetwork(source, layers, complete=True)


def to_found_layer(name: str, layer: Layer) -> FoundLayer:
    if isinstance(layer, Conv2d):
        return FoundConv(name, layer.kernel, layer.bias)
    if isinstance(layer, MaxPool):
        return to_found_pool(name, layer)
    if isinstance(layer, FullyConnected):
        return FoundFullyConnected(name, layer.weights, layer.bias, conventions.OPENFACE_ORDER)
    if isinstance(layer, PReLU):
        return FoundActivation(name, "PRelu", layer.slopes)
    return FoundActivation(name, "Sigmoid", np.zeros(1, np.float32))
