"""Run a graph, and compare its outputs with those of the network that was read from the graph.

The reader ignores operators for which a `Network` has no layer. The comparison finds the ignored operators
that change a result.

The inputs are deterministic. They are noise of several magnitudes, uniform images, gradients, single colours
and the bundled sample image. Together they reach every branch of the activations. If the graph allows
different batch sizes and image sizes, the inputs have several of them.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from .._util.errors import import_extra
from ..media.image import sample_image
from ..reference.model import Network
from ..reference.plan import STAGES, Size
from ..types import StageName
from .conventions import HEADS
from .errors import PortError
from .evaluation import (
    OUTPUT_TOLERANCE,
    DoubleArray,
    LastLayer,
    compute_last_layer,
    estimate_memory,
    match_output,
)
from .found import FoundGraph, FoundNetwork
from .onnx.process import GraphRunError, GuardedGraph
from .tables import to_found_network

if TYPE_CHECKING:
    import onnx
Array: TypeAlias = npt.NDArray[Any]

# Height and width differ, except in the smallest size. No output map of PNet has as many rows or columns as a
# head has values. Therefore the shape of an output shows the order of its axes.
FREE_SIZES: tuple[Size, ...] = ((16, 23), (12, 12), (33, 26), (190, 301))
# Magnitudes of the noise in OpenFace's scale, in which an image has values from -1 to 1. Large noise reaches
# limits of a graph that no image reaches. Small noise stays near 0, where the branches of an activation meet.
# Magnitude 0 means noise that contains only the values -1 and 1.
NOISE_MAGNITUDES = (1.0, 1000.0, 1 / 64, 8.0, 1.0, 0.0)
GREY_PIXELS = 40_000  # maximum number of pixels of all uniform images together
GREY_LEVELS = (0, 127, 128, 255)  # used for images of any size
# Maximum number of bytes that one input may need, here and in a runtime. The number is estimated in advance.
MEMORY_LIMIT = 3 << 29
# Number of pixels. If a batch has more pixels, only the first two inputs of each kind are generated.
LARGE_BATCH = 200_000

# Operators that the reader ignores. In a correct graph they have no effect, or the detector also applies
# them.
IGNORED_OPERATORS = {"Softmax", "LogSoftmax", "Cast", "Dropout", "QuantizeLinear", "DequantizeLinear"}


@dataclass(frozen=True, eq=False)
class GraphInput:
    """One input of a graph.

    `images` is (N, 3, H, W). `tensor` has the same values in the layout and type of the graph.
    """

    description: str
    images: DoubleArray
    tensor: npt.NDArray[Any]


@dataclass(frozen=True)
class InputSpec:
    """The element type, batch size, height and width of a graph's input. The size 0 means any size."""

    dtype: np.dtype[Any]
    count: int
    height: int
    width: int

    @classmethod
    def from_graph(cls, graph: FoundGraph) -> InputSpec:
        onnx = import_extra("onnx", "mtcnn-cpp[onnx]", "reading ONNX")
        value = next(value for value in graph.model.graph.input if value.name == graph.input_name)
        tensor_type = value.type.tensor_type
        dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor_type.elem_type))
        count, *sizes = [max(int(size.dim_value), 0) for size in tensor_type.shape.dim] or [0] * 4
        height, width = sizes[:2] if graph.channels_last else sizes[1:]
        return cls(dtype, count, height, width)

    def restrictions(self, stage: StageName) -> Iterator[str]:
        """Describe the inputs that OpenFace's network accepts and the graph does not accept."""
        if self.count > 1:
            yield f"its input has exactly {self.count} images"
        if STAGES[stage].size is None and (self.height or self.width):
            sizes = [str(size or "any") for size in (self.height, self.width)]
            yield f"its input is {' x '.join(sizes)}; OpenFace's {stage} takes images of any size"

    def batch_shapes(self, stage: StageName) -> Iterator[tuple[int, Size, str]]:
        """Yield the batch size, image size and kind of the inputs to generate."""
        side = STAGES[stage].size
        sizes = [(self.height or h, self.width or w) for h, w in ([side] if side else FREE_SIZES)]
        usual, smallest, other, large = (sizes * 4)[:4] if side else sizes
        yield self.count or 1, usual, "noise"
        yield self.count or 64, smallest, "flat"
        yield self.count or 5, other, "images"
        yield self.count or 2, other, "little noise"
        if large != other:
            yield self.count or 1, large, "sample"


def check_input_memory(found: FoundNetwork, graph: FoundGraph, stage: StageName) -> None:
    """Raise GraphRunError if a generated input needs more than MEMORY_LIMIT."""
    for count, (height, width), _ in InputSpec.from_graph(graph).batch_shapes(stage):
        if estimate_memory(found, (count, height, width)) > MEMORY_LIMIT:
            raise GraphRunError(
                f"an input of {count} x 3 x {height} x {width} needs more than {MEMORY_LIMIT >> 20} MB; "
                "export the graph with a smaller batch or image size, or without fixed sizes"
            )


def generate_inputs(
    graph: FoundGraph, stage: StageName, factor: DoubleArray, shift: DoubleArray
) -> Iterator[GraphInput]:
    """Generate inputs for a graph that expects `v * factor + shift`, for values v in OpenFace's scale.

    `factor` and `shift` have the shape (1,) or (3,).
    """
    spec = InputSpec.from_graph(graph)
    for count, size, kind in spec.batch_shapes(stage):
        large = count * size[0] * size[1] > LARGE_BATCH
        for description, values in itertools.islice(
            generate_batches(kind, count, size), 2 if large else None
        ):
            values = values * factor[:, None, None] + shift[:, None, None]
            if spec.dtype.kind in "iu":
                values = np.clip(np.round(values), 0, min(np.iinfo(spec.dtype).max, 255))
            with np.errstate(over="ignore"):
                images = values.astype(spec.dtype)
            if not np.isfinite(images.astype(np.float64)).all():
                continue
            tensor = images.transpose(0, 2, 3, 1) if graph.channels_last else images
            shape = " x ".join(map(str, tensor.shape))
            text = f"{shape}, {description}, {values.min():.3g} … {values.max():.3g}"
            yield GraphInput(text, images.astype(np.float64), np.ascontiguousarray(tensor))


def generate_batches(kind: str, count: int, size: Size) -> Iterator[tuple[str, DoubleArray]]:
    """Yield the description and the values of each batch of a kind.

    A batch is (count, 3, height, width) and has values in OpenFace's scale.
    """
    random = np.random.default_rng(9)
    if kind == "noise":
        for magnitude in NOISE_MAGNITUDES:
            noise = random.uniform(-1, 1, (count, 3, *size))
            yield "noise", noise * magnitude if magnitude else np.sign(noise)
    elif kind == "little noise":
        yield kind, random.uniform(-1, 1, (count, 3, *size)) / 4
    elif kind == "flat":
        uniform = [np.full((3, *size), level, np.float64) for level in grey_levels(size)]
        yield from (("flat", batch) for batch in stack_batches(uniform, count))
    elif kind == "images":
        yield from ((kind, batch) for batch in stack_batches(make_images(size), count))
    else:
        yield from ((kind, batch) for batch in stack_batches([resized_sample(size)], count))


def stack_batches(pixels: Sequence[DoubleArray], count: int) -> Iterator[DoubleArray]:
    """Convert images (3, height, width) with values 0 … 255 to batches in OpenFace's scale.

    If the last batch has fewer than `count` images, the first images are added again.
    """
    for start in range(0, len(pixels), count):
        chosen = list(itertools.islice(itertools.cycle(pixels), start, start + count))
        yield (np.stack(chosen) - 127.5) / 128


def grey_levels(size: Size) -> list[int]:
    """Return the grey levels of the uniform images ("flat"), one level for each image.

    If the images are small, there is one image for each of the 256 levels.
    """
    count = min(max(GREY_PIXELS // (size[0] * size[1]), 0), 256)
    return sorted({*GREY_LEVELS, *np.linspace(0, 255, count).astype(int).tolist()})


def make_images(size: Size) -> list[DoubleArray]:
    """Return gradients, single colours and the sample image, (3, height, width), with values 0 … 255."""
    height, width = size
    horizontal = np.broadcast_to(np.linspace(0, 255, width), (3, height, width))
    vertical = np.broadcast_to(np.linspace(0, 255, height)[:, None], (3, height, width))
    colours = [np.eye(3)[channel][:, None, None] * np.full((3, height, width), 255.0) for channel in range(3)]
    gradients = [horizontal.round(), vertical[:, ::-1].round()]
    return [resized_sample(size), *gradients, *colours, 255 - colours[0]]


def resized_sample(size: Size) -> DoubleArray:
    """Return the bundled sample image in RGB. It is resized with nearest neighbour interpolation."""
    image = sample_image()[..., ::-1]
    rows, columns = (np.arange(n) * full // n for n, full in zip(size, image.shape, strict=False))
    resized: DoubleArray = image[rows][:, columns].transpose(2, 0, 1).astype(np.float64)
    return resized


class RunnableGraph:
    """A loaded graph that runs without optimisation.

    `names` contains the graph outputs, and after them the other tensors that were requested.

    Raises GraphRunError if the runtime refuses the graph, or if the graph exceeds a limit
    (`formats.graph_limits`). Raises MissingExtra if no runtime is installed.
    """

    def __init__(self, model: onnx.ModelProto, tensors: Iterable[str] = ()) -> None:
        onnx = import_extra("onnx", "mtcnn-cpp[onnx]", "reading ONNX")
        self.names = [value.name for value in model.graph.output]
        added = [name for name in tensors if name not in self.names]
        if added:
            extended = onnx.ModelProto()
            extended.CopyFrom(model)
            extended.graph.output.extend(onnx.ValueInfoProto(name=name) for name in added)
            model, self.names = extended, self.names + added
        self._graph = GuardedGraph(model)

    def run(self, input_name: str, values: Array) -> dict[str, Array]:
        """Run the graph on one input, and return the tensors by name. Raises GraphRunError."""
        return self._graph.run({input_name: values}, self.names)


def check_imported(found: FoundNetwork, network: Network, stage: StageName) -> None:
    """Run the graph from which `network` was read, and compare its outputs with those of `network`.

    If `found` has no graph, because its file contains only weights, the function does nothing.

    Raises:
        PortError: If the graph cannot be run, if its outputs differ from the outputs of the network, or if
            the graph has an operation that a model cannot represent.

    Warns:
        UserWarning: If the graph ends in a Softmax of the class values. The network has no Softmax, because
            the detector applies it.
    """
    if found.graph is None:
        return
    read, softmax = to_found_network(network, found.source), ""
    try:
        check_input_memory(found, found.graph, stage)
        graph = RunnableGraph(found.graph.model)
        compared = 0
        for item in generate_inputs(found.graph, stage, np.ones(1), np.zeros(1)):
            outputs = graph.run(found.graph.input_name, item.tensor)
            softmax = compare_outputs(found, outputs, compute_last_layer(read, item.images)) or softmax
            compared += 1
    except GraphRunError as error:
        raise PortError(
            f"{found.source}: the graph could not be run, so its outputs are unknown ({error})"
        ) from error
    if not compared:
        raise PortError(
            f"{found.source}: the graph could not be checked, because no input in its number range could be "
            "generated; mtcnn-cpp doctor checks its layers"
        )
    if found.alterations:
        raise PortError(
            f"{found.source}: {'; '.join(found.alterations)}. A model cannot represent this operation; "
            "remove it from the graph"
        )
    if softmax:
        warnings.warn(
            f"{found.source}: the {softmax} of the class values at the end of the graph was omitted: the "
            "model returns logits, and the detector applies the Softmax",
            UserWarning,
            stacklevel=3,
        )


def compare_outputs(found: FoundNetwork, outputs: Mapping[str, Array], last: LastLayer) -> str:
    """Compare the graph outputs with the last layer.

    Return the name of the Softmax that was applied to the class values, or "". Raises PortError if no output
    contains the values of a head.
    """
    count = last.values.shape[1]
    missing = {name for name, columns in HEADS.items() if columns.start < count}
    softmax = {""}
    nearest = ""
    for name, output in outputs.items():
        match = match_output(output, last, tuple(range(count)))
        if match is not None and match.difference <= OUTPUT_TOLERANCE:
            missing -= match.heads
            softmax.add(match.softmax)
        elif match is not None:
            nearest = f"; output {name!r} differs by {match.difference:.1e} of the sum of magnitudes"
    if not missing:
        return max(softmax)
    assert found.graph is not None
    nodes = [
        f"{node.name or node.output[0]!r} ({node.op_type})"
        for node in found.graph.model.graph.node
        if node.op_type in IGNORED_OPERATORS
    ]
    reason = (
        f". The graph has {', '.join(nodes)}, which a model cannot represent; remove them" if nodes else ""
    )
    raise PortError(
        f"{found.source}: the graph and the network that was read from it compute different outputs: "
        f"no graph output contains the values of {', '.join(sorted(missing))}{nearest}{reason}. "
        "mtcnn-cpp doctor reports the first layer that differs"
    )
