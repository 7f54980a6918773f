"""Export of networks as ONNX graphs.

Each layer is one operator. Its output has the name that it also has in a trace.

The inputs are float32 with the channels R, G, B. An 8-bit pixel v has the value (v - 127.5) / 128. The input
of `pnet.onnx` is (N, 3, H, W) of any size. The input of `rnet.onnx` is (N, 3, 24, 24). The input of
`onet.onnx` is (N, 3, 48, 48). The output of each graph is the output of its last layer. Its shape is (N, 6,
h, w) for PNet, (N, 6) for RNet and (N, 16) for ONet. Its channels are not-face, face, dx1, dy1, dx2, dy2.
ONet also has the channels x1..x5, y1..y5.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..._util.errors import import_extra
from ..._util.files import write_file
from ...model import Model
from ...reference.dat import write_network
from ...reference.model import Conv2d, FullyConnected, MaxPool, Network, PReLU
from ...reference.plan import ONET, RNET, STAGES, LayerStep, iterate_layers
from ...types import StageName
from .. import conventions
from ..conventions import pooling_end_padding

if TYPE_CHECKING:
    import onnx

OPSET, IR_VERSION = 17, 8  # supported by ONNX Runtime 1.12 and later
INPUT = "input"
CONVENTION = "float32 (N, 3, H, W), maps R, G, B, values (v - 127.5) / 128 of 8-bit pixels v"
COLUMNS = {
    RNET.outputs: "not-face logit, face logit, dx1, dy1, dx2, dy2",
    ONET.outputs: "not-face logit, face logit, dx1, dy1, dx2, dy2, x1..x5, y1..y5",
}
LICENCE = "MIT, copyright 2016 Kaipeng Zhang (weights)"


def export_onnx(model: Model, folder: str | Path, *, all_layers: bool = False) -> dict[StageName, Path]:
    """Write pnet.onnx, rnet.onnx and onet.onnx. The same model always gives the same bytes.

    Args:
        model: The networks.
        folder: Folder of the files. It is created if it does not exist.
        all_layers: Whether the outputs of all layers, in execution order, are outputs of the graph. Default:
            only the output of the last layer is an output of the graph.

    Returns:
        The path of the file of each stage.

    Raises:
        MissingExtra: If onnx is not installed.
        OSError: If a file cannot be written.

    Example:
        >>> export_onnx(Model.default(), "graphs")["pnet"].name
        'pnet.onnx'
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
    """Write the graph of one network to a file. The arguments are those of `onnx_model`."""
    graph = onnx_model(network, input_size, title, all_layers=all_layers)
    write_file(path, graph.SerializeToString(deterministic=True))


def onnx_model(
    network: Network, input_size: int | None, title: str, *, all_layers: bool = False
) -> onnx.ModelProto:
    """Return the graph of one network. It passes onnx.checker and strict shape inference.

    The input of the graph is (N, 3, input_size, input_size). If `input_size` is None, the input is (N, 3, H,
    W) of any size. Raises MissingExtra if onnx is not installed.
    """
    onnx = import_extra("onnx", "mtcnn-cpp[onnx]", "writing ONNX")
    helper, float32 = onnx.helper, onnx.TensorProto.FLOAT
    size = None if input_size is None else (input_size, input_size)
    graph = _Graph(onnx)
    tensor = INPUT
    for last in iterate_layers(network, size):
        tensor = graph.add_layer(last, tensor)
    output_names = network.names if all_layers else [tensor]
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            title,
            [helper.make_tensor_value_info(INPUT, float32, ["N", 3, *(size or ("H", "W"))])],
            [helper.make_tensor_value_info(name, float32, None) for name in output_names],
            graph.constants,
        ),
        producer_name="mtcnn-cpp",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    helper.set_model_props(model, _metadata(network, title, last.output.channels or 0))
    model = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    onnx.checker.check_model(model, full_check=True)
    return model  # type: ignore[no-any-return]


def _metadata(network: Network, title: str, outputs: int) -> dict[str, str]:
    """Return the metadata of a graph."""
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
    """The nodes and constants of a graph. Each layer adds its nodes and constants."""

    def __init__(self, onnx: Any) -> None:
        self.onnx = onnx
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add_layer(self, step: LayerStep, tensor: str) -> str:
        """Add a layer with the input `tensor`.

        Return the name of its output. This is also the name of the layer.
        """
        layer = step.layer
        if isinstance(layer, Conv2d):
            self.add_node(
                "Conv", step, [tensor, *self.add_constants(step, kernel=layer.kernel, bias=layer.bias)]
            )
        elif isinstance(layer, MaxPool):
            self.add_node("MaxPool", step, [tensor], **pool_attributes(layer))
        elif isinstance(layer, PReLU):
            slopes = layer.slopes if step.input.flat else layer.slopes[:, None, None]
            self.add_node("PRelu", step, [tensor, *self.add_constants(step, slopes=slopes)])
        elif isinstance(layer, FullyConnected):
            self.add_fully_connected(layer, step, tensor)
        else:
            self.add_node("Sigmoid", step, [tensor])
        return step.name

    def add_fully_connected(self, layer: FullyConnected, step: LayerStep, tensor: str) -> None:
        """Add a fully connected layer.

        If the output is maps, add a 1x1 Conv. Otherwise add a Gemm. If the input of the Gemm is maps, add a
        Flatten before the Gemm.
        """
        weights = layer.weights
        if not step.output.flat:
            kernel = weights.T[:, :, None, None]
            self.add_node("Conv", step, [tensor, *self.add_constants(step, kernel=kernel, bias=layer.bias)])
            return
        if step.flattens:  # Flatten of ONNX has the order (channel, y, x)
            weights = conventions.reorder_inputs(
                weights, step.input.shape, conventions.OPENFACE_ORDER, conventions.NCHW_ORDER
            )
            flattened = f"{step.name}.flat"
            self.nodes.append(self.onnx.helper.make_node("Flatten", [tensor], [flattened], flattened, axis=1))
            tensor = flattened
        self.add_node(
            "Gemm", step, [tensor, *self.add_constants(step, weights=weights.T, bias=layer.bias)], transB=1
        )

    def add_node(self, operator: str, step: LayerStep, inputs: list[str], **attributes: Any) -> None:
        node = self.onnx.helper.make_node(operator, inputs, [step.name], step.name, **attributes)
        self.nodes.append(node)

    def add_constants(self, step: LayerStep, **arrays: npt.NDArray[np.float32]) -> Iterator[str]:
        """Add the constants of a layer, and yield the names that they have in the graph."""
        for field, array in arrays.items():
            name = f"{step.name}.{field}"
            self.constants.append(self.onnx.numpy_helper.from_array(np.ascontiguousarray(array), name))
            yield name


def pool_attributes(layer: MaxPool) -> dict[str, Any]:
    """Return the attributes with which MaxPool has OpenFace's number of windows, round((n - k) / s) + 1.

    n is the size of the map, k the size of the kernel, and s the stride. OpenFace rounds halves away from
    zero. If s = 1, or if s = 2 and k >= 2, the only possible fraction is 1/2. In this case, rounding up
    (`ceil_mode`) gives the same number. For a larger s, OpenFace rounds fractions below 1/2 down. Therefore
    the attributes then specify padding at the end, and MaxPool rounds down.
    """
    kernel, stride = (layer.kernel_y, layer.kernel_x), (layer.stride_y, layer.stride_x)
    window = {"kernel_shape": kernel, "strides": stride}
    if all(s == 1 or s == 2 <= k for k, s in zip(kernel, stride, strict=True)):
        return window | {"ceil_mode": 1}
    return window | {"pads": [0, 0, *pooling_end_padding(layer)]}
