"""Networks as ONNX: one operator for each layer, tensors named as in a trace.

`pnet.onnx` takes (N, 3, H, W) of any size, `rnet.onnx` (N, 3, 24, 24), `onet.onnx` (N, 3, 48, 48): float32,
maps R, G, B, values (v - 127.5) / 128. The last layer is the output: (N, 6, h, w), (N, 6), (N, 16), with the
columns not-face, face, dx1, dy1, dx2, dy2, and for ONet x1..x5, y1..y5.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...files import write_whole
from ...model import Model
from ...reference.dat import write_network
from ...reference.model import Conv2d, FullyConnected, MaxPool, Network, PReLU
from ...reference.plan import ONET, RNET, STAGES, Step, walk
from ...types import StageName
from .. import flat
from ..errors import need
from ..pooling import end_padding

if TYPE_CHECKING:
    import onnx

OPSET, IR_VERSION = 17, 8  # read by every ONNX Runtime since 1.12
INPUT = "input"
CONVENTION = "float32 (N, 3, H, W), maps R, G, B, values (v - 127.5) / 128 of 8-bit pixels v"
COLUMNS = {
    RNET.outputs: "not-face logit, face logit, dx1, dy1, dx2, dy2",
    ONET.outputs: "not-face logit, face logit, dx1, dy1, dx2, dy2, x1..x5, y1..y5",
}
LICENCE = "MIT, copyright 2016 Kaipeng Zhang (weights)"


def export_onnx(model: Model, folder: str | Path, *, all_layers: bool = False) -> dict[StageName, Path]:
    """Write pnet.onnx, rnet.onnx and onet.onnx into `folder` (made if need be); their paths by stage.

    With `all_layers` every layer's output is an output of the graph, in execution order. Raises MissingExtra
    without the package onnx.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths: dict[StageName, Path] = {}
    for name, stage in STAGES.items():
        paths[name] = folder / f"{name}.onnx"
        write_onnx(model.networks[name], stage.side, stage.file_name, paths[name], all_layers=all_layers)
    return paths


def write_onnx(
    network: Network, input_size: int | None, title: str, path: str | Path, *, all_layers: bool = False
) -> None:
    """Write one network's graph into a file; the same bytes every time. Arguments as `onnx_model`."""
    graph = onnx_model(network, input_size, title, all_layers=all_layers)
    write_whole(path, graph.SerializeToString(deterministic=True))


def onnx_model(
    network: Network, input_size: int | None, title: str, *, all_layers: bool = False
) -> onnx.ModelProto:
    """The graph of one network, for inputs (N, 3, input_size, input_size), or of any size (None). It passes
    onnx.checker and strict shape inference. Raises MissingExtra without the package onnx."""
    onnx = need("onnx", "'mtcnn-cpp[onnx]'", "writing ONNX")
    helper, float32 = onnx.helper, onnx.TensorProto.FLOAT
    size = None if input_size is None else (input_size, input_size)
    graph = _Graph(onnx)
    tensor = INPUT
    for last in walk(network, size):
        tensor = graph.add(last, tensor)
    shown = network.names if all_layers else [tensor]
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            title,
            [helper.make_tensor_value_info(INPUT, float32, ["N", 3, *(size or ("H", "W"))])],
            [helper.make_tensor_value_info(name, float32, None) for name in shown],
            graph.constants,
        ),
        producer_name="mtcnn-cpp",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    helper.set_model_props(model, _metadata(network, title, last.leaving.channels or 0))
    model = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    onnx.checker.check_model(model, full_check=True)
    return model  # type: ignore[no-any-return]


def _metadata(network: Network, title: str, outputs: int) -> dict[str, str]:
    """What a graph says about itself."""
    digest = hashlib.sha256(write_network(network)).hexdigest()
    official = digest in Model.default().hashes().values()
    source = (
        f"{title}.dat as OpenFace distributes it" if official else f"a {title}.dat that is not OpenFace's"
    )
    return {
        "source": source,
        "sha256": digest,
        "input": CONVENTION,
        "output": COLUMNS.get(outputs, f"{outputs} values"),
        "licence": LICENCE,
    }


class _Graph:
    """The nodes and constants of a graph; every layer adds its own."""

    def __init__(self, onnx: Any) -> None:
        self.onnx = onnx
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, step: Step, tensor: str) -> str:
        """Add a layer that takes `tensor`; the name of its output, which is the layer's."""
        layer = step.layer
        if isinstance(layer, Conv2d):
            self.node("Conv", step, [tensor, *self.hold(step, kernel=layer.kernel, bias=layer.bias)])
        elif isinstance(layer, MaxPool):
            self.node("MaxPool", step, [tensor], **pool_attributes(layer))
        elif isinstance(layer, PReLU):
            slopes = layer.slopes if step.entering.flat else layer.slopes[:, None, None]
            self.node("PRelu", step, [tensor, *self.hold(step, slopes=slopes)])
        elif isinstance(layer, FullyConnected):
            self.dense(layer, step, tensor)
        else:
            self.node("Sigmoid", step, [tensor])
        return step.name

    def dense(self, layer: FullyConnected, step: Step, tensor: str) -> None:
        """A 1x1 Conv where maps leave the layer; else a Gemm, after a Flatten where maps enter it."""
        weights = layer.weights
        if not step.leaving.flat:
            kernel = weights.T[:, :, None, None]
            self.node("Conv", step, [tensor, *self.hold(step, kernel=kernel, bias=layer.bias)])
            return
        if step.flattens:  # ONNX's Flatten gives (channel, y, x)
            weights = flat.reorder(weights, step.entering.shape, flat.OPENFACE, flat.NCHW)
            flattened = f"{step.name}.flat"
            self.nodes.append(self.onnx.helper.make_node("Flatten", [tensor], [flattened], flattened, axis=1))
            tensor = flattened
        self.node("Gemm", step, [tensor, *self.hold(step, weights=weights.T, bias=layer.bias)], transB=1)

    def node(self, operator: str, step: Step, inputs: list[str], **attributes: Any) -> None:
        node = self.onnx.helper.make_node(operator, inputs, [step.name], step.name, **attributes)
        self.nodes.append(node)

    def hold(self, step: Step, **arrays: npt.NDArray[np.float32]) -> Iterator[str]:
        """Add constants; their names in the graph."""
        for field, array in arrays.items():
            name = f"{step.name}.{field}"
            self.constants.append(self.onnx.numpy_helper.from_array(np.ascontiguousarray(array), name))
            yield name


def pool_attributes(layer: MaxPool) -> dict[str, Any]:
    """MaxPool's attributes for as many windows as ours: round((n - k) / s) + 1, half away from zero.

    `ceil_mode` gives that where s = 1, and where s = 2 <= k: the only remainder, 1/2, is rounded up. For a
    larger s a smaller remainder is rounded down; then padding at the end and rounding down give it.
    """
    kernel, stride = (layer.kernel_y, layer.kernel_x), (layer.stride_y, layer.stride_x)
    window = {"kernel_shape": kernel, "strides": stride}
    if all(s == 1 or s == 2 <= k for k, s in zip(kernel, stride, strict=True)):
        return window | {"ceil_mode": 1}
    return window | {"pads": [0, 0, *end_padding(layer)]}
