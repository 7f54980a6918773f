"""A network as a file describes it. It can contain errors of the file.

Every reader returns a FoundNetwork. `assemble` converts it to a Network, and the doctor reports its errors.
Kernels are (out, in, kernel_y, kernel_x). Fully connected weights are (in, out). Biases and slopes are
(channels,). All these arrays are float32.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from ..model import Model
from ..reference.model import Conv2d, FullyConnected, Network
from ..reference.plan import STAGES, pooled_size
from ..types import FloatArray, StageName
from .errors import PortError

if TYPE_CHECKING:
    import onnx
Pads: TypeAlias = tuple[int, int, int, int]  # top, left, bottom, right
NO_PADS: Pads = (0, 0, 0, 0)


def check_sizes(name: str, sizes: tuple[int, ...]) -> None:
    if min(sizes) < 1:
        raise PortError(f"{name}: expected windows and strides of at least 1, found {sizes}")


@dataclass(frozen=True, eq=False)
class FoundConv:
    """A convolution. `bias` is None if the layer has no bias."""

    name: str
    kernel: FloatArray
    bias: FloatArray | None
    pads: Pads = NO_PADS
    strides: tuple[int, int] = (1, 1)

    def __post_init__(self) -> None:
        check_sizes(self.name, self.strides)


@dataclass(frozen=True, eq=False)
class FoundFullyConnected:
    """A fully connected layer.

    `order` is the flattening order of the input (see `conventions`). It is None if the input is a vector or
    if the order is unknown.
    """

    name: str
    weights: FloatArray
    bias: FloatArray | None
    order: str | None = None


@dataclass(frozen=True)
class FoundPool:
    """Max pooling. Kernel and strides are (y, x).

    `mode` is the rule for the number of windows. "ceil" rounds the number up, and "floor" rounds it down.
    "same" divides the number of values by the stride, rounds the result up, and adds the padding that these
    windows need. "unknown" means that the file states no rule. In this case, OpenFace's rule is used.
    """

    name: str
    kernel: tuple[int, int]
    strides: tuple[int, int]
    pads: Pads = NO_PADS
    mode: str = "ceil"

    def __post_init__(self) -> None:
        check_sizes(self.name, self.kernel + self.strides)

    def windows(self, size: int, axis: int) -> tuple[int, int]:
        """Return the padding before the first value and the number of windows.

        `axis` is 0 for y and 1 for x. `size` is the number of values along this axis.
        """
        kernel, stride = self.kernel[axis], self.strides[axis]
        if self.mode == "same":
            count = -(-size // stride)
            return max((count - 1) * stride + kernel - size, 0) // 2, count
        begin = self.pads[axis]
        span = begin + size + self.pads[axis + 2] - kernel
        if self.mode == "unknown":
            return begin, pooled_size(size, kernel, stride)
        if self.mode == "floor":
            return begin, span // stride + 1
        count = -(-span // stride) + 1
        return begin, count - 1 if (
            count - 1
        ) * stride >= begin + size else count  # no window starts after the end


@dataclass(frozen=True, eq=False)
class FoundActivation:
    """`v >= 0 ? v : v * slope`, or a sigmoid.

    `kind` is "PRelu", "LeakyRelu", "Relu" or "Sigmoid". `slopes` is (channels,), or (1,) if all channels have
    the same slope. A sigmoid does not use `slopes`.
    """

    name: str
    kind: str
    slopes: FloatArray


FoundLayer: TypeAlias = FoundConv | FoundFullyConnected | FoundPool | FoundActivation


@dataclass(frozen=True, eq=False)
class FoundGraph:
    """The graph from which a network was read. Its outputs are compared with those of the network.

    `input_name` is the name of its input. The shape of the input is (N, H, W, 3) if `channels_last`,
    otherwise (N, 3, H, W).
    """

    model: onnx.ModelProto
    input_name: str
    channels_last: bool


@dataclass(frozen=True, eq=False)
class FoundNetwork:
    """One network that was read from a file.

    Attributes:
        source: Name of the file in errors and reports.
        layers: The layers in execution order. The last layer contains all heads.
        complete: Whether the file states pooling and padding. A graph states them. A table of weights does
            not state them.
        scale: Factor of the image normalisation `v * scale + shift` in the graph. Its shape is (1,), or (3,)
            with one value per channel. None if the graph has no normalisation.
        shift: Offset of the image normalisation, with the same shapes as `scale`.
        notes: Remarks that are not errors.
        graph: The graph. None if the file contains only weights.
        alterations: Operations of the graph that no layer represents, such as a Softmax between layers. If
            the list is not empty, the graph and the layers compute different results.
    """

    source: str
    layers: tuple[FoundLayer, ...]
    complete: bool
    scale: FloatArray | None = None
    shift: FloatArray | None = None
    notes: tuple[str, ...] = ()
    graph: FoundGraph | None = None
    alterations: tuple[str, ...] = ()

    @property
    def weighted(self) -> tuple[FoundConv | FoundFullyConnected, ...]:
        """The convolutions and fully connected layers."""
        return tuple(layer for layer in self.layers if isinstance(layer, (FoundConv, FoundFullyConnected)))


FoundNetworks: TypeAlias = dict[StageName, FoundNetwork]


def official_network(stage: StageName) -> Network:
    """Return OpenFace's network of a stage."""
    return Model.default().networks[stage]


def recognise_stage(layers: Sequence[FoundConv | FoundFullyConnected], source: str) -> StageName:
    """Return the stage whose network has the same numbers of outputs as `layers`, layer by layer.

    Raises PortError if there is no such stage.
    """
    found = [count_outputs(layer) for layer in layers]
    for stage in STAGES:
        if found == expected_outputs(stage):
            return stage
    expected = "; ".join(
        f"{stage.file_name} {join_arrows(expected_outputs(stage.name))}" for stage in STAGES.values()
    )
    raise PortError(
        f"{source}: another architecture: expected layers with these numbers of outputs: {expected}; "
        f"found {join_arrows(found)}"
    )


def count_outputs(layer: FoundConv | FoundFullyConnected) -> int:
    """Return the number of output channels or values of a weighted layer."""
    return int(layer.kernel.shape[0] if isinstance(layer, FoundConv) else layer.weights.shape[1])


def expected_outputs(stage: StageName) -> list[int]:
    """Return the number of outputs of each weighted layer of OpenFace's network."""
    return [
        layer.kernel.shape[0] if isinstance(layer, Conv2d) else layer.weights.shape[1]
        for layer in official_network(stage).layers
        if isinstance(layer, (Conv2d, FullyConnected))
    ]


def join_arrows(numbers: Iterable[int]) -> str:
    return " → ".join(map(str, numbers)) or "none"
