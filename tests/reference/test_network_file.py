"""Networks in `.dat` files. Errors name the file, the byte and the expected content."""

from __future__ import annotations

import struct
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from gold_results import same_bits
from mtcnn_cpp import Model
from mtcnn_cpp.model import Conv2d, FullyConnected, MaxPool, Network, PReLU, Sigmoid
from mtcnn_cpp.reference.plan import pooled_size

F = np.float32
FILES = {"PNet": (None, 6), "RNet": (24, 6), "ONet": (48, 16)}
WEIGHTS = Path(__file__).parents[2] / "third_party" / "weights"


def ints(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}i", *values)


def numbers(*values: float) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)


def matrix(rows: int, columns: int, kind: int = 5) -> bytes:
    return ints(rows, columns, kind) + bytes(rows * columns * (4 if kind == 5 else 8))


# conv 2 x 1 x 2 x 1, prelu, pool 2/1 x 1/1, fc 2 -> 3, sigmoid
CONV = ints(0, 1, 2) + numbers(0.5, -0.5) + matrix(2, 1) * 2
SMALL = (
    ints(5)
    + CONV
    + ints(3)
    + matrix(2, 1)
    + ints(1, 2, 1, 1, 1)
    + ints(2)
    + matrix(3, 1)
    + matrix(2, 3)
    + ints(4)
)


@pytest.mark.parametrize("name", FILES)
def test_official_files_are_written_byte_for_byte(components: SimpleNamespace, name: str) -> None:
    data = (WEIGHTS / f"{name}.dat").read_bytes()
    input_size, outputs = FILES[name]
    network = components.read_network(data, name, input_size=input_size, outputs=outputs)
    assert components.write_network(network) == data


def test_layers_of_the_official_networks() -> None:
    model = Model.default()
    assert model.pnet.names == ("conv1", "prelu1", "pool1", "conv2", "prelu2", "conv3", "prelu3", "fc1")
    first = model.pnet.layers[0]
    assert isinstance(first, Conv2d)
    assert first.kernel.shape == (10, 3, 3, 3)
    assert first.kernel.dtype == F
    assert model.pnet.layers[2] == MaxPool(2, 2, 2, 2)
    asymmetry = np.abs(first.kernel - first.kernel.swapaxes(2, 3)).max()
    assert round(float(asymmetry), 4) == 4.0058  # the documented number for transposed kernels
    with pytest.raises(ValueError, match="read-only"):
        first.kernel[0] = 0


def test_order_of_kernels_and_matrices(components: SimpleNamespace) -> None:
    """Input maps are the outer loop, output maps the inner one; rows are y; weights are (in, out)."""
    kernels = b"".join(
        ints(2, 3, 5) + numbers(*(100 * i + 10 * o + k for k in range(6))) for i in (0, 1) for o in range(3)
    )
    weights = ints(3, 2, 5) + numbers(1, 2, 3, 4, 5, 6)
    data = (
        ints(2)
        + ints(0, 2, 3)
        + numbers(7, 8, 9)
        + kernels
        + ints(2)
        + ints(2, 1, 5)
        + numbers(1, -1)
        + weights
    )
    conv, fc = components.read_network(data, "x").layers
    expected = [
        [[[100 * i + 10 * o + 3 * y + x for x in range(3)] for y in (0, 1)] for i in (0, 1)] for o in range(3)
    ]
    assert np.array_equal(conv.kernel, expected)
    assert conv.bias.tolist() == [7, 8, 9]
    assert fc.weights.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert fc.bias.tolist() == [1, -1]
    assert components.write_network(components.read_network(data, "x")) == data


def test_float64_matrices_are_rounded(components: SimpleNamespace) -> None:
    values = [0.1, 1e300, -1e-50, 1 + 2.0**-24]
    data = ints(1, 3, 4, 1, 6) + struct.pack("<4d", *values)
    (prelu,) = components.read_network(data, "x").layers
    with np.errstate(over="ignore"):
        assert same_bits(np.asarray(prelu.slopes), np.array(values).astype(F))
    kernels = ints(1, 2, 6) + struct.pack("<2d", 0.1, 0.2)
    (conv,) = components.read_network(ints(1, 0, 1, 1) + numbers(3) + kernels, "x").layers
    assert same_bits(np.asarray(conv.kernel), np.array([[[[0.1, 0.2]]]], F))


def test_truncated_at_every_byte(components: SimpleNamespace) -> None:
    components.read_network(SMALL, "small.dat")
    for length in range(len(SMALL)):
        with pytest.raises(
            ValueError, match=r"^small\.dat: byte \d+: expected \d+ bytes of .+, found \d+ bytes$"
        ):
            components.read_network(SMALL[:length], "small.dat")


def test_no_flipped_bit_crashes(components: SimpleNamespace) -> None:
    rejected = 0
    for bit in range(8 * len(SMALL)):
        data = bytearray(SMALL)
        data[bit // 8] ^= 1 << bit % 8
        try:
            network = components.read_network(bytes(data), "x")
        except ValueError as error:
            assert str(error).startswith("x: byte ")  # noqa: PT017
            rejected += 1
        else:
            assert components.write_network(network) == bytes(data)
    assert rejected > 700  # the other bits belong to numbers, or to headers that remain valid


HUGE = (1 << 31) - 1
LIMIT = 1 << 30
MALFORMED = {
    "empty": (b"", 0, "4 bytes of number of layers", "0 bytes"),
    "no layers": (ints(0), 0, "number of layers of 1 or more", "0"),
    "negative number of layers": (ints(-3), 0, "number of layers of 1 or more", "-3"),
    "more layers than the file has": (ints(HUGE, 4), 8, "4 bytes of layer type", "0 bytes"),
    "unknown layer": (ints(1, 7), 4, "layer type 0, 1, 2, 3 or 4", "7"),
    "trailing": (ints(1, 4) + b"..", 8, "the end of the file", "2 more bytes"),
    "no maps": (ints(1, 0, 0), 8, "conv1 input maps of 1 or more", "0"),
    "negative maps": (ints(1, 0, 3, -1), 12, "conv1 output maps of 1 or more", "-1"),
    "huge bias": (ints(1, 0, 1, HUGE), 16, f"at most {LIMIT} bytes of conv1 bias", f"{HUGE} x 4 bytes"),
    "bias beyond the end": (ints(1, 0, 1, 9, 1), 16, "36 bytes of conv1 bias", "4 bytes"),
    "many kernels": (
        ints(1, 0, HUGE, 1) + numbers(0) + matrix(1, 1),
        20,
        f"at most {LIMIT} bytes of conv1 kernels",
        f"{HUGE} x 16 bytes",
    ),
    "huge kernel": (
        ints(1, 0, 1, 1) + numbers(0) + ints(HUGE, HUGE, 6),
        32,
        f"at most {LIMIT} bytes of conv1 kernel",
        f"{HUGE * HUGE} x 8 bytes",
    ),
    "flat kernel": (
        ints(1, 0, 1, 1) + numbers(0) + ints(3, 0, 5),
        24,
        "conv1 kernel columns of 1 or more",
        "0",
    ),
    "kernel type": (
        ints(1, 0, 1, 1) + numbers(0) + ints(3, 3, 4),
        28,
        "conv1 kernel type 5 (float32) or 6 (float64)",
        "4",
    ),
    "kernels beyond the end": (
        ints(1, 0, 1, 2) + numbers(0, 0) + matrix(3, 3),
        24,
        "96 bytes of conv1 kernels",
        "48 bytes",
    ),
    "other rows": (
        ints(1, 0, 1, 3) + numbers(0, 0, 0) + matrix(1, 2) * 2 + ints(2, 1, 5) + bytes(8),
        68,
        "conv1 kernel rows 1",
        "2",
    ),
    "other columns": (
        ints(1, 0, 1, 2) + numbers(0, 0) + matrix(2, 2) + ints(2, 1, 5) + bytes(16),
        56,
        "conv1 kernel columns 2",
        "1",
    ),
    "other type": (
        ints(1, 0, 2, 1) + numbers(0) + matrix(2, 2) + ints(2, 2, 6) + bytes(16),
        56,
        "conv1 kernel type 5",
        "6",
    ),
    "pool": (ints(1, 1, 2, 2, 0, 2), 16, "pool1 stride_x of 1 or more", "0"),
    "second pool": (ints(2, 1, 2, 2, 2, 2, 1, 2, -2, 2, 2), 32, "pool2 kernel_y of 1 or more", "-2"),
    "fc bias is no column": (ints(1, 2, 2, 2, 5), 12, "fc1 bias columns 1", "2"),
    "fc bias and weights differ": (
        ints(1, 2) + matrix(2, 1) + ints(4, 3, 5),
        32,
        "fc1 weights columns 2",
        "3",
    ),
    "fc weights of 2^62 numbers": (
        ints(1, 2) + matrix(2, 1) + ints(HUGE, 2, 6),
        40,
        f"at most {LIMIT} bytes of fc1 weights",
        f"{2 * HUGE} x 8 bytes",
    ),
    "fc type": (ints(1, 2, 2, 1, 0), 16, "fc1 bias type 5 (float32) or 6 (float64)", "0"),
    "slopes are no column": (ints(1, 3, 1, 3, 5), 12, "prelu1 slopes columns 1", "3"),
    "no slopes": (ints(1, 3, 0, 1, 5), 8, "prelu1 slopes rows of 1 or more", "0"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed(components: SimpleNamespace, case: str) -> None:
    data, offset, expected, found = MALFORMED[case]
    with pytest.raises(ValueError, match="byte") as error:
        components.read_network(data, "folder/net.dat")
    assert str(error.value) == f"folder/net.dat: byte {offset}: expected {expected}, found {found}"


def conv(maps_in: int, maps_out: int, kernel_y: int = 1, kernel_x: int = 1) -> Conv2d:
    return Conv2d(np.ones((maps_out, maps_in, kernel_y, kernel_x), F), np.zeros(maps_out, F))


def fc(inputs: int, outputs: int) -> FullyConnected:
    return FullyConnected(np.ones((inputs, outputs), F), np.zeros(outputs, F))


def slopes(count: int) -> PReLU:
    return PReLU(np.ones(count, F))


# layers, input_size, outputs, index of the faulty layer, expected, found
MISMATCHES = {
    "image has 3 maps": ([conv(1, 6)], None, 6, 0, "conv1 with 3 input maps", "1"),
    "maps in between": ([conv(3, 4), conv(5, 6)], None, 6, 1, "conv2 with 4 input maps", "5"),
    "free, maps in between": ([conv(7, 4), conv(5, 6)], None, None, 1, "conv2 with 4 input maps", "5"),
    "slopes": ([conv(3, 6), slopes(5)], None, 6, 1, "prelu1 with 6 slopes", "5"),
    "slopes of a vector": (
        [fc(27, 6), slopes(27)],
        3,
        6,
        1,
        "prelu1 with 6 slopes",
        "27",
    ),
    "PNet flattens": ([conv(3, 4), fc(8, 6)], None, 6, 1, "fc1 with 4 inputs, for maps of any size", "8"),
    "free, not a multiple": (
        [conv(3, 4), fc(9, 6)],
        None,
        None,
        1,
        "fc1 with a multiple of 4 inputs",
        "9",
    ),
    "RNet's size": (
        [conv(3, 4, 3, 3), MaxPool(3, 3, 2, 2), fc(400, 6)],
        24,
        6,
        2,
        "fc1 with 4 inputs (on maps) or 484 (on all values)",
        "400",
    ),
    "vector": ([fc(27, 5), fc(4, 6)], 3, 6, 1, "fc2 with 5 inputs", "4"),
    "conv after vector": ([fc(27, 5), conv(5, 6)], 3, 6, 1, "maps before conv1", "a vector of 5 values"),
    "pool after vector": (
        [fc(27, 5), MaxPool(1, 1, 1, 1)],
        3,
        6,
        1,
        "maps before pool1",
        "a vector of 5 values",
    ),
    "kernel too large": (
        [conv(3, 4, 2, 2), conv(4, 6, 2, 3)],
        3,
        6,
        1,
        "conv2 with a kernel that fits 2 x 2 maps",
        "2 x 3",
    ),
    "window too large": (
        [conv(3, 6, 23, 23), MaxPool(4, 3, 2, 2)],
        24,
        6,
        1,
        "pool1 with a kernel that fits 2 x 2 maps",
        "3 x 4",
    ),
    "outputs": ([conv(3, 5)], None, 6, 0, "conv1 with 6 outputs", "5"),
    "outputs of a vector": ([fc(27, 6), Sigmoid()], 3, 16, 1, "sigmoid1 with 16 outputs", "6"),
    "not one value per output": ([conv(3, 6, 2, 1)], 3, 6, 0, "conv1 with outputs of 1 x 1", "2 x 3"),
}


@pytest.mark.parametrize("case", MISMATCHES)
def test_mismatches(components: SimpleNamespace, case: str) -> None:
    layers, input_size, outputs, at, expected, found = MISMATCHES[case]
    data = components.write_network(Network(tuple(layers)))
    offset = 4 + sum(len(components.write_network(Network((layer,)))) - 4 for layer in layers[:at])
    with pytest.raises(ValueError, match="byte") as error:
        components.read_network(data, "net.dat", input_size=input_size, outputs=outputs)
    assert str(error.value) == f"net.dat: byte {offset}: expected {expected}, found {found}"


VALID = {
    "1x1 maps count as values": ([conv(3, 6, 3, 3)], 3, 6),
    "fc on 1x1 maps": ([conv(3, 9, 3, 3), fc(9, 16)], 3, 16),
    "all values": ([conv(3, 4, 3, 3), MaxPool(3, 3, 2, 2), fc(484, 6)], 24, 6),
    "any size": ([conv(3, 4, 5, 1), Sigmoid(), MaxPool(9, 9, 9, 9), fc(4, 6)], None, 6),
    "free": ([slopes(5), conv(5, 2), fc(8, 3), fc(3, 1)], None, None),
}


@pytest.mark.parametrize("case", VALID)
def test_valid_networks_are_written_as_they_were_read(components: SimpleNamespace, case: str) -> None:
    layers, input_size, outputs = VALID[case]
    data = components.write_network(Network(tuple(layers)))
    assert (
        components.write_network(components.read_network(data, "x", input_size=input_size, outputs=outputs))
        == data
    )


def test_pooled_size_against_the_definition() -> None:
    for size in range(1, 30):
        for kernel in range(1, 12):
            for stride in range(1, 8):
                steps = (size - kernel) / stride
                rounded = int(np.copysign(np.floor(abs(steps) + 0.5), steps)) + 1
                inside = sum(i * stride < size for i in range(max(rounded, 0)))
                assert pooled_size(size, kernel, stride) == (inside if rounded > 0 else rounded)
