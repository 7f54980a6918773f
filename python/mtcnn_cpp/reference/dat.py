"""Reads and writes networks in `.dat` files.

A `.dat` file is little endian. It begins with the number of layers (int32). Each layer consists of its type
(int32) and its fields. A matrix begins with three int32 numbers: rows, columns and number type. Its values
follow, row by row. Number type 5 is float32, and number type 6 is float64. The reader rounds float64 to
float32.
"""

from __future__ import annotations

import struct
from collections import Counter
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from .model import SIZE_LIMIT, Conv2d, FullyConnected, Layer, MaxPool, Network, PReLU, Sigmoid
from .plan import find_mismatch
from .types import FloatArray

CONV, POOL, FC, PRELU, SIGMOID = range(5)
FLOAT32, FLOAT64 = 5, 6


class Reader:
    """Reads the bytes of a file.

    It checks each size before it uses the size. All its errors have the same form.
    """

    def __init__(self, data: bytes, source: str) -> None:
        self.data, self.source, self.offset = data, source, 0

    def fail(self, offset: int, expected: str, found: str) -> NoReturn:
        raise ValueError(f"{self.source}: byte {offset}: expected {expected}, found {found}")

    def check_limit(self, count: int, size: int, what: str) -> None:
        if count > SIZE_LIMIT // size:
            self.fail(self.offset, f"at most {SIZE_LIMIT} bytes of {what}", f"{count} x {size} bytes")

    def take(self, count: int, size: int, what: str) -> memoryview:
        self.check_limit(count, size, what)
        left = len(self.data) - self.offset
        if count * size > left:
            self.fail(self.offset, f"{count * size} bytes of {what}", f"{left} bytes")
        self.offset += count * size
        return memoryview(self.data)[self.offset - count * size : self.offset]

    def int32(self, what: str) -> int:
        return int(struct.unpack("<i", self.take(1, 4, what))[0])

    def positive(self, what: str) -> int:
        value = self.int32(what)
        if value < 1:
            self.fail(self.offset - 4, f"{what} of 1 or more", str(value))
        return value

    def equal(self, value: int, what: str) -> None:
        found = self.int32(what)
        if found != value:
            self.fail(self.offset - 4, f"{what} {value}", str(found))

    def number_type(self, what: str) -> np.dtype[Any]:
        value = self.int32(what)
        if value not in (FLOAT32, FLOAT64):
            self.fail(self.offset - 4, f"{what} 5 (float32) or 6 (float64)", str(value))
        return np.dtype("<f4" if value == FLOAT32 else "<f8")

    def matrix(self, what: str, *, columns: int | None = None) -> NDArray[Any]:
        rows = self.positive(f"{what} rows")
        if columns is None:
            columns = self.positive(f"{what} columns")
        else:
            self.equal(columns, f"{what} columns")
        number = self.number_type(f"{what} type")
        data = self.take(rows * columns, number.itemsize, what)
        return np.frombuffer(data, number).reshape(rows, columns)

    def kernels(self, maps_in: int, maps_out: int, what: str) -> NDArray[Any]:
        """Read maps_in x maps_out matrices. The headers of all these matrices must be equal."""
        start = self.offset
        rows = self.positive(f"{what} rows")
        columns = self.positive(f"{what} columns")
        number = self.number_type(f"{what} type")
        self.check_limit(rows * columns, number.itemsize, what)
        self.offset = start
        header = [("rows", "<i4"), ("columns", "<i4"), ("type", "<i4")]
        record = np.dtype([*header, ("values", number, (rows, columns))])
        data = self.take(maps_in * maps_out, record.itemsize, f"{what}s")
        matrices = np.frombuffer(data, record)
        fields = np.stack([matrices[name] for name, _ in header], axis=1)
        different = np.argwhere(fields != fields[0])
        if different.size:
            index, field = (int(value) for value in different[0])
            offset = start + index * record.itemsize + 4 * field
            self.fail(offset, f"{what} {header[field][0]} {fields[0, field]}", str(fields[index, field]))
        return matrices["values"].reshape(maps_in, maps_out, rows, columns)

    def layer(self, names: Counter[str]) -> Layer:
        kind = self.int32("layer type")
        if not CONV <= kind <= SIGMOID:
            self.fail(self.offset - 4, "layer type 0, 1, 2, 3 or 4", str(kind))
        name = ("conv", "pool", "fc", "prelu", "sigmoid")[kind]
        names[name] += 1
        name = f"{name}{names[name]}"
        if kind == CONV:
            maps_in = self.positive(f"{name} input maps")
            maps_out = self.positive(f"{name} output maps")
            bias = np.frombuffer(self.take(maps_out, 4, f"{name} bias"), "<f4")
            return Conv2d(self.kernels(maps_in, maps_out, f"{name} kernel").transpose(1, 0, 2, 3), bias)
        if kind == POOL:
            fields = ("kernel_x", "kernel_y", "stride_x", "stride_y")
            return MaxPool(*[self.positive(f"{name} {field}") for field in fields])
        if kind == FC:
            bias = self.matrix(f"{name} bias", columns=1).ravel()
            return FullyConnected(self.matrix(f"{name} weights", columns=bias.size), bias)
        if kind == PRELU:
            return PReLU(self.matrix(f"{name} slopes", columns=1).ravel())
        return Sigmoid()


def read_network(
    data: bytes, source: str, *, input_size: int | None = None, outputs: int | None = None
) -> Network:
    """Read the content of a `.dat` file.

    Args:
        data: Content of the file.
        source: Name of the file for error messages.
        input_size: Height and width of the input maps. If given, the network must accept maps (3, input_size,
            input_size) and return one value per output, as RNet and ONet do.
        outputs: Required number of outputs. If only `input_size` is None, the network must accept input maps
            of any size, as PNet does. If `input_size` and `outputs` are both None, any network is valid.

    Returns:
        The network.

    Raises:
        ValueError: The file is damaged, or its network does not meet the requirements above. The message is
            `{source}: byte {offset}: expected …, found …`.
    """
    reader = Reader(data, source)
    layers: list[Layer] = []
    offsets: list[int] = []
    names: Counter[str] = Counter()
    for _ in range(reader.positive("number of layers")):
        offsets.append(reader.offset)
        layers.append(reader.layer(names))
    if reader.offset != len(data):
        reader.fail(reader.offset, "the end of the file", f"{len(data) - reader.offset} more bytes")
    network = Network(tuple(layers))
    mismatch = find_mismatch(network, input_size=input_size, outputs=outputs)
    if mismatch:
        reader.fail(offsets[mismatch.index], mismatch.expected, mismatch.found)
    return network


def write_network(network: Network) -> bytes:
    """Return the content of a `.dat` file for a network. Weights are stored as float32.

    Args:
        network: The network.

    Returns:
        The bytes of the file. `read_network` converts them back to the same network.
    """
    parts = [struct.pack("<i", len(network.layers))]
    for layer in network.layers:
        if isinstance(layer, Conv2d):
            maps_out, maps_in, rows, columns = layer.kernel.shape
            record = np.dtype([("header", "<i4", (3,)), ("values", "<f4", (rows, columns))])
            matrices = np.empty((maps_in, maps_out), record)
            matrices["header"] = rows, columns, FLOAT32
            matrices["values"] = layer.kernel.transpose(1, 0, 2, 3)
            parts += [
                struct.pack("<3i", CONV, maps_in, maps_out),
                layer.bias.astype("<f4").tobytes(),
                matrices.tobytes(),
            ]
        elif isinstance(layer, MaxPool):
            parts.append(
                struct.pack("<5i", POOL, layer.kernel_x, layer.kernel_y, layer.stride_x, layer.stride_y)
            )
        elif isinstance(layer, FullyConnected):
            parts += [struct.pack("<i", FC), matrix(layer.bias[:, None]), matrix(layer.weights)]
        elif isinstance(layer, PReLU):
            parts += [struct.pack("<i", PRELU), matrix(layer.slopes[:, None])]
        else:
            parts.append(struct.pack("<i", SIGMOID))
    return b"".join(parts)


def matrix(values: FloatArray) -> bytes:
    return struct.pack("<3i", *values.shape, FLOAT32) + values.astype("<f4").tobytes()
