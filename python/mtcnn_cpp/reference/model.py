"""Networks and their `.dat` files: layers as frozen dataclasses, `read_network`, `write_network`.

A `.dat` is little endian: int32 number of layers, then for each layer an int32 type and its fields, nothing
after. A matrix is int32 rows, columns, type (5 float32, 6 float64), then its numbers in row order. float64
is rounded to float32.
"""

from __future__ import annotations

import struct
from collections import Counter
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float32]

CONV, POOL, FC, PRELU, SIGMOID = range(5)
FLOAT32, FLOAT64 = 5, 6
SIZE_LIMIT = 1 << 30  # bytes that one array of a file may ask for
INT32_MAX = (1 << 31) - 1


@dataclass(frozen=True, eq=False)
class Conv2d:
    """Stride 1, no padding. kernel (out, in, kernel_y, kernel_x) and bias (out,), float32, read-only."""

    kernel: FloatArray
    bias: FloatArray

    def __post_init__(self) -> None:
        hold(self, "kernel", 4)
        hold(self, "bias", 1)
        agree("Conv2d: bias", self.bias.size, "kernel's outputs", self.kernel.shape[0])


@dataclass(frozen=True)
class MaxPool:
    """Maximum over kernel_y x kernel_x; the number of windows is rounded, the last are cut at the border."""

    kernel_x: int
    kernel_y: int
    stride_x: int
    stride_y: int

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not isinstance(value, (int, np.integer)) or not 1 <= value <= INT32_MAX:
                raise ValueError(f"MaxPool: expected {name} to be an integer of 1 or more, found {value!r}")
            object.__setattr__(self, name, int(value))


@dataclass(frozen=True, eq=False)
class FullyConnected:
    """Dense layer: per pixel when the maps are as many as its inputs, else on all values (channel, x, y).

    weights (in, out) and bias (out,), float32, read-only.
    """

    weights: FloatArray
    bias: FloatArray

    def __post_init__(self) -> None:
        hold(self, "weights", 2)
        hold(self, "bias", 1)
        agree("FullyConnected: bias", self.bias.size, "weights' outputs", self.weights.shape[1])


@dataclass(frozen=True, eq=False)
class PReLU:
    """`v >= 0 ? v : v * slope`. slopes (channels,), float32, read-only."""

    slopes: FloatArray

    def __post_init__(self) -> None:
        hold(self, "slopes", 1)


@dataclass(frozen=True)
class Sigmoid:
    """`1 / (1 + exp(-v))`."""


Layer: TypeAlias = Conv2d | MaxPool | FullyConnected | PReLU | Sigmoid

KINDS: dict[type[Layer], str] = {
    Conv2d: "conv",
    MaxPool: "pool",
    FullyConnected: "fc",
    PReLU: "prelu",
    Sigmoid: "sigmoid",
}


@dataclass(frozen=True, eq=False)
class Network:
    """Layers in order. Pickles as its `.dat`."""

    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        if not self.layers or not all(type(layer) in KINDS for layer in self.layers):
            kinds = ", ".join(kind.__name__ for kind in KINDS)
            raise ValueError(f"Network: expected one or more layers ({kinds}), found {self.layers!r}")
        object.__setattr__(self, "layers", tuple(self.layers))

    @property
    def names(self) -> tuple[str, ...]:
        """Stable names, numbered per kind: conv1, prelu1, pool1, conv2, …"""
        count: Counter[str] = Counter()
        names = []
        for layer in self.layers:
            kind = KINDS[type(layer)]
            count[kind] += 1
            names.append(f"{kind}{count[kind]}")
        return tuple(names)

    def __reduce__(self) -> tuple[Any, ...]:
        return read_network, (write_network(self), "pickled Network")


def hold(layer: Any, name: str, rank: int) -> None:
    """Replace an array field by a read-only contiguous float32 copy of it."""
    given = np.asarray(getattr(layer, name))
    if given.dtype.kind not in "fiu" or given.ndim != rank or not 0 < given.size * 4 <= SIZE_LIMIT:
        found = f"{given.dtype} of shape {given.shape}"
        expected = f"{name} to be a non-empty array of numbers of rank {rank}"
        raise ValueError(f"{type(layer).__name__}: expected {expected}, found {found}")
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite
        array = np.array(given, dtype=np.float32, order="C")
    array.flags.writeable = False
    object.__setattr__(layer, name, array)


def agree(what: str, found: int, other: str, expected: int) -> None:
    if found != expected:
        raise ValueError(f"{what}: expected {expected} values, as the {other}, found {found}")


class Reader:
    """A position in the bytes of a file. Complaints have one form; sizes are checked before they are used."""

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

    def matrix(self, what: str, *, columns: int | None = None) -> npt.NDArray[Any]:
        rows = self.positive(f"{what} rows")
        if columns is None:
            columns = self.positive(f"{what} columns")
        else:
            self.equal(columns, f"{what} columns")
        number = self.number_type(f"{what} type")
        data = self.take(rows * columns, number.itemsize, what)
        return np.frombuffer(data, number).reshape(rows, columns)

    def kernels(self, maps_in: int, maps_out: int, what: str) -> npt.NDArray[Any]:
        """maps_in x maps_out matrices, all headers equal to the first one."""
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
    """Read a `.dat`.

    `source` is what errors call it (a path). With `input_size` the network is for maps (3, input_size,
    input_size) and must end in one value per output; with `outputs` alone it must run on (3, H, W) of any
    size, as PNet does; with neither its input is free. Raises ValueError `{source}: byte {offset}: expected
    …, found …`.
    """
    from .shapes import find_misfit

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
    misfit = find_misfit(network, input_size=input_size, outputs=outputs)
    if misfit:
        reader.fail(offsets[misfit.index], misfit.expected, misfit.found)
    return network


def write_network(network: Network) -> bytes:
    """The `.dat` of a network, float32 throughout: what `read_network` reads back, byte for byte."""
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
