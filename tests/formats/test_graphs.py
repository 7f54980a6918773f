"""Equivalent graphs in the styles of other tools are read as the same network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from mtcnn_cpp.formats import conventions
from mtcnn_cpp.formats.errors import PortError
from mtcnn_cpp.ports.doctor import Diagnosis, diagnose
from mtcnn_cpp.reference.plan import STAGES
from planted import MAPS, correct, to_onnx

onnx = pytest.importorskip("onnx", reason="needs mtcnn-cpp[onnx]")

from mtcnn_cpp.formats.onnx.reader import found_from_onnx  # noqa: E402
from onnx import helper, numpy_helper  # noqa: E402

pytestmark = pytest.mark.usefixtures("graph_process")

Edit = Callable[["Graph"], None]


class Graph:
    """An ONNX graph that tests edit."""

    def __init__(self, stage: str) -> None:
        self.stage = stage
        self.model = to_onnx(correct(stage), stage)

    @property
    def nodes(self) -> list[Any]:
        return list(self.model.graph.node)

    def find(self, operator: str) -> list[Any]:
        return [node for node in self.nodes if node.op_type == operator]

    def values(self, name: str) -> np.ndarray:
        tensor = next(one for one in self.model.graph.initializer if one.name == name)
        return numpy_helper.to_array(tensor).copy()

    def add_constant(self, name: str, values: np.ndarray) -> str:
        for tensor in self.model.graph.initializer:
            if tensor.name == name:
                tensor.CopyFrom(numpy_helper.from_array(np.array(values, order="C"), name))
                return name
        self.model.graph.initializer.append(numpy_helper.from_array(np.array(values, order="C"), name))
        return name

    def replace(self, old: Any, new: list[Any]) -> None:
        """Replace a node by several nodes."""
        nodes = [one for node in self.nodes for one in (new if node is old or node == old else [node])]
        del self.model.graph.node[:]
        self.model.graph.node.extend(nodes)

    def before_input(self, operator: str, *constants: str, **attributes: Any) -> None:
        """Insert a node between the image and its users."""
        for node in self.model.graph.node:
            for index, name in enumerate(node.input):
                if name == "input":
                    node.input[index] = operator
        self.model.graph.node.insert(
            0, helper.make_node(operator, ["input", *constants], [operator], operator, **attributes)
        )

    def diagnosis(self) -> Diagnosis:
        return diagnose(found_from_onnx(self.model, self.stage))

    def outputs(self, *names: str) -> None:
        del self.model.graph.output[:]
        self.model.graph.output.extend(
            helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names
        )


def same_function(graph: Graph, shape: tuple[int, ...]) -> None:
    """Check that the edited graph has the same outputs as the original one."""
    runtime = pytest.importorskip("onnxruntime", reason="needs mtcnn-cpp[onnx]")
    batch = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    plain = Graph(graph.stage)
    right, found = (
        runtime.InferenceSession(one.model.SerializeToString(), providers=["CPUExecutionProvider"]).run(
            None, {one.model.graph.input[0].name: batch}
        )[0]
        for one in (plain, graph)
    )
    np.testing.assert_allclose(found, right, rtol=1e-4, atol=1e-5)


SHAPES = {"pnet": (1, 3, 30, 40), "rnet": (2, 3, 24, 24), "onet": (2, 3, 48, 48)}


def prelu_from_relus(graph: Graph) -> None:
    """Write a PReLU as relu(v) - slope * relu(-v), like tools without PReLU."""
    for node in graph.find("PRelu"):
        v, slopes, out = node.input[0], node.input[1], node.output[0]
        graph.replace(
            node,
            [
                helper.make_node("Relu", [v], [f"{out}/plus"], f"{out}/plus"),
                helper.make_node("Neg", [v], [f"{out}/neg"], f"{out}/neg"),
                helper.make_node("Relu", [f"{out}/neg"], [f"{out}/minus"], f"{out}/minus"),
                helper.make_node("Mul", [slopes, f"{out}/minus"], [f"{out}/part"], f"{out}/part"),
                helper.make_node("Sub", [f"{out}/plus", f"{out}/part"], [out], out),
            ],
        )


def prelu_from_abs(graph: Graph) -> None:
    """Write a PReLU as relu(v) + slope * (v - |v|) / 2, like old Keras."""
    half = graph.add_constant("half", np.float32(0.5))
    for node in graph.find("PRelu"):
        v, slopes, out = node.input[0], node.input[1], node.output[0]
        graph.replace(
            node,
            [
                helper.make_node("Abs", [v], [f"{out}/abs"], f"{out}/abs"),
                helper.make_node("Sub", [v, f"{out}/abs"], [f"{out}/low"], f"{out}/low"),
                helper.make_node("Mul", [f"{out}/low", half], [f"{out}/half"], f"{out}/half"),
                helper.make_node("Mul", [f"{out}/half", slopes], [f"{out}/part"], f"{out}/part"),
                helper.make_node("Relu", [v], [f"{out}/plus"], f"{out}/plus"),
                helper.make_node("Add", [f"{out}/plus", f"{out}/part"], [out], out),
            ],
        )


def reshape_by_shape(graph: Graph) -> None:
    """Flatten as PyTorch exports x.view(x.shape[0], -1)."""
    for node in graph.find("Flatten"):
        x, out = node.input[0], node.output[0]
        zero, rest = (
            graph.add_constant("zero", np.array(0, np.int64)),
            graph.add_constant("rest", np.array([-1], np.int64)),
        )
        axes = graph.add_constant("axes", np.array([0], np.int64))
        graph.replace(
            node,
            [
                helper.make_node("Shape", [x], ["shape"], "shape"),
                helper.make_node("Gather", ["shape", zero], ["count"], "count"),
                helper.make_node("Unsqueeze", ["count", axes], ["counts"], "counts"),
                helper.make_node("Concat", ["counts", rest], ["target"], "target", axis=0),
                helper.make_node("Reshape", [x, "target"], [out], out),
            ],
        )


def mat_mul_and_add(graph: Graph) -> None:
    for node in graph.find("Gemm"):
        x, weights, bias = node.input
        out = node.output[0]
        graph.replace(
            node,
            [
                helper.make_node("MatMul", [x, weights], [f"{out}/product"], f"{out}/product"),
                helper.make_node("Add", [bias, f"{out}/product"], [out], out),
            ],
        )


def transposed_weights(graph: Graph) -> None:
    """Compute the weights in the graph by transposing a constant."""
    for node in graph.find("Gemm"):
        weights = graph.values(node.input[1])
        stored = graph.add_constant(f"{node.name}/stored", weights.T)
        turned = f"{node.name}/turned"
        node.input[1] = turned
        graph.model.graph.node.insert(
            0, helper.make_node("Transpose", [stored], [turned], turned, perm=[1, 0])
        )


def dense_as_convolution(graph: Graph) -> None:
    """Replace fully connected layers by 3x3 and 1x1 convolutions, with PReLU on maps."""
    if graph.stage == "pnet":
        return
    for node in graph.find("Flatten"):
        graph.replace(node, [helper.make_node("Identity", list(node.input), list(node.output), node.name)])
    for index, node in enumerate(graph.find("Gemm")):
        weights = graph.values(node.input[1])
        maps = MAPS[graph.stage] if index == 0 else (len(weights), 1, 1)
        graph.add_constant(
            node.input[1], conventions.weights_to_kernel(weights, maps, conventions.NCHW_ORDER)
        )
        graph.replace(node, [helper.make_node("Conv", list(node.input), list(node.output), node.name)])
    slopes = graph.find("PRelu")[-1].input[1]
    graph.add_constant(slopes, graph.values(slopes)[:, None, None])
    last = graph.model.graph.output[0].name
    graph.model.graph.node.append(helper.make_node("Flatten", [last], ["flat"], "flat"))
    graph.outputs("flat")


def padded_at_the_end(graph: Graph) -> None:
    """Replace ceil by floor and a row and a column of padding at the end, which is equivalent."""
    for node in graph.find("MaxPool"):
        next(one for one in node.attribute if one.name == "ceil_mode").i = 0
        node.attribute.append(helper.make_attribute("pads", [0, 0, 1, 1]))


def raw_pixels(graph: Graph) -> None:
    """Normalise each channel of the image in the graph."""
    middle = graph.add_constant("middle", np.full((1, 3, 1, 1), 127.5, np.float32))
    divisor = graph.add_constant("divisor", np.float32(128))
    graph.before_input("Div", divisor)
    graph.before_input("Sub", middle)


def channels_moved(graph: Graph) -> None:
    """Reorder R, G, B to G, B, R by a Gather, and the kernels to match."""
    name = graph.find("Conv")[0].input[1]
    graph.add_constant(name, graph.values(name)[:, [1, 2, 0]])
    graph.before_input("Gather", graph.add_constant("order", np.array([1, 2, 0], np.int64)), axis=1)


def channels_last(graph: Graph) -> None:
    """Use an (N, H, W, 3) input, channels first inside, and flattening order (y, x, channel)."""
    graph.before_input("Transpose", perm=[0, 3, 1, 2])
    del graph.model.graph.input[:]
    size = STAGES[graph.stage].size or ("H", "W")
    graph.model.graph.input.append(
        helper.make_tensor_value_info("input", onnx.TensorProto.FLOAT, ["N", *size, 3])
    )
    for node in graph.find("Flatten"):
        x, out = node.input[0], node.output[0]
        last = helper.make_node("Transpose", [x], ["last"], "last", perm=[0, 2, 3, 1])
        graph.replace(node, [last, helper.make_node("Flatten", ["last"], [out], out)])
        weights = graph.find("Gemm")[0].input[1]
        graph.add_constant(
            weights,
            conventions.reorder_inputs(
                graph.values(weights), MAPS[graph.stage], conventions.NCHW_ORDER, conventions.NHWC_ORDER
            ),
        )


def transposed_images(graph: Graph) -> None:
    """Transpose the images and kernels, with flattening order (channel, x, y), which is equivalent."""
    for node in graph.find("Conv"):
        graph.add_constant(node.input[1], graph.values(node.input[1]).swapaxes(2, 3))
    graph.before_input("Transpose", perm=[0, 1, 3, 2])
    if graph.stage != "pnet":
        weights = graph.find("Gemm")[0].input[1]
        graph.add_constant(
            weights,
            conventions.reorder_inputs(
                graph.values(weights), MAPS[graph.stage], conventions.NCHW_ORDER, "cxy"
            ),
        )


EQUIVALENT: list[Edit] = [
    prelu_from_relus,
    prelu_from_abs,
    reshape_by_shape,
    mat_mul_and_add,
    transposed_weights,
    dense_as_convolution,
    padded_at_the_end,
    raw_pixels,
    channels_moved,
    channels_last,
    transposed_images,
]


@pytest.mark.parametrize(
    ("edit", "stage"),
    [
        *((edit, stage) for edit in EQUIVALENT for stage in ("pnet", "rnet")),
        *((edit, "onet") for edit in (dense_as_convolution, padded_at_the_end, channels_last)),
    ],
)
def test_equivalent_graph(edit: Edit, stage: str) -> None:
    graph = Graph(stage)
    edit(graph)
    if edit in (prelu_from_relus, prelu_from_abs, reshape_by_shape, mat_mul_and_add, dense_as_convolution):
        same_function(graph, SHAPES[stage])
    found = graph.diagnosis()
    assert found.findings == ()
    assert found.exact


def separate_heads(graph: Graph, *, softmax: bool, order: list[str], join: bool = False) -> None:
    node = graph.nodes[-1]
    x, weights, bias = node.input
    cuts = {"class": slice(0, 2), "box": slice(2, 6), "landmarks": slice(6, 16)}
    values, biases = graph.values(weights), graph.values(bias)
    new, names = [], []
    for name in order:
        part = values[cuts[name]] if graph.stage == "pnet" else values[:, cuts[name]]
        inputs = [
            x,
            graph.add_constant(f"{name}.w", part),
            graph.add_constant(f"{name}.b", biases[cuts[name]]),
        ]
        new.append(helper.make_node(node.op_type, inputs, [name], name))
        if softmax and name == "class":
            new.append(helper.make_node("Softmax", [name], ["probability"], "probability", axis=1))
        names.append("probability" if softmax and name == "class" else name)
    if join:
        new.append(helper.make_node("Concat", names, ["joined"], "joined", axis=1))
        names = ["joined"]
    graph.replace(node, new)
    graph.outputs(*names)


@pytest.mark.parametrize("stage", STAGES)
def test_separate_heads(stage: str) -> None:
    """Separate heads as in facenet-pytorch, in any order. A Softmax is noted and is not a mistake."""
    graph = Graph(stage)
    heads = ["box", "landmarks", "class"] if stage == "onet" else ["box", "class"]
    separate_heads(graph, softmax=True, order=heads)
    found = graph.diagnosis()
    assert found.exact
    assert any("Softmax" in note for note in found.notes)


@pytest.mark.parametrize("stage", STAGES)
def test_heads_joined_in_another_order(stage: str) -> None:
    graph = Graph(stage)
    heads = ["box", "class", "landmarks"] if stage == "onet" else ["box", "class"]
    separate_heads(graph, softmax=False, order=heads, join=True)
    (finding,) = graph.diagnosis().findings
    assert finding.kind == "heads-order"
    assert "heads in the order box, class" in finding.text


def test_two_outputs_of_one_layer() -> None:
    """Logits and probabilities of one layer are not two heads."""
    graph = Graph("rnet")
    last = graph.nodes[-1].output[0]
    for operator, name in (("Identity", "logits"), ("Softmax", "probabilities")):
        graph.model.graph.node.append(helper.make_node(operator, [last], [name], name))
    graph.outputs("logits", "probabilities")
    assert graph.diagnosis().exact


def test_quantised_constants() -> None:
    """int8 weights with a DequantizeLinear."""
    graph = Graph("rnet")
    name = graph.find("Conv")[1].input[1]
    values = graph.values(name)
    step = np.float32(np.abs(values).max() / 127)
    stored = graph.add_constant("stored", np.round(values / step).astype(np.int8))
    graph.find("Conv")[1].input[1] = "dequantised"
    node = helper.make_node(
        "DequantizeLinear", [stored, graph.add_constant("step", step)], ["dequantised"], "dequantised"
    )
    graph.model.graph.node.insert(0, node)
    (finding,) = graph.diagnosis().findings
    assert (finding.layer, finding.kind) == ("conv2", "quantised")


def test_half_precision_constants() -> None:
    """float16 weights with a Cast."""
    graph = Graph("pnet")
    name = graph.find("Conv")[1].input[1]
    stored = graph.add_constant("stored", graph.values(name).astype(np.float16))
    graph.find("Conv")[1].input[1] = "cast"
    graph.model.graph.node.insert(
        0, helper.make_node("Cast", [stored], ["cast"], "cast", to=onnx.TensorProto.FLOAT)
    )
    (finding,) = graph.diagnosis().findings
    assert (finding.layer, finding.kind) == ("conv2", "half")


def test_padding_by_pad_and_by_same() -> None:
    graph = Graph("pnet")
    pads = graph.add_constant("pads", np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64))
    graph.before_input("Pad", pads)
    graph.find("Conv")[1].attribute.append(helper.make_attribute("auto_pad", "SAME_UPPER"))
    del graph.find("Conv")[1].attribute[0]  # its pads
    found = {(finding.layer, finding.kind) for finding in graph.diagnosis().findings}
    assert found == {("conv1", "padding"), ("conv2", "padding")}


def test_same_pooling_with_padding_at_the_end_only() -> None:
    """TensorFlow's SAME gives 22 → 11 like OpenFace, but 9 → 5 after padding; OpenFace gives 9 → 4."""
    graph = Graph("rnet")
    for node in graph.find("MaxPool"):
        attributes = [one for one in node.attribute if one.name in ("kernel_shape", "strides")]
        del node.attribute[:]
        node.attribute.extend([*attributes, helper.make_attribute("auto_pad", "SAME_UPPER")])
    assert {(finding.layer, finding.kind) for finding in graph.diagnosis().findings} == {("pool2", "padding")}


def tanh(graph: Graph) -> None:
    node = graph.find("PRelu")[0]
    graph.replace(node, [helper.make_node("Tanh", [node.input[0]], list(node.output), "port/tanh")])


def grouped(graph: Graph) -> None:
    graph.find("Conv")[1].attribute.append(helper.make_attribute("group", 2))


def computed_kernel(graph: Graph) -> None:
    graph.find("Conv")[1].input[1] = "input"


def wrong_prelu(graph: Graph) -> None:
    prelu_from_relus(graph)
    graph.find("Sub")[0].op_type = "Mul"


def padded_vector(graph: Graph) -> None:
    """Insert a Pad for maps between two fully connected layers."""
    pads = graph.add_constant("pads", np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64))
    prelu = graph.find("PRelu")[-1]
    graph.find("Gemm")[-1].input[0] = "wider"
    graph.model.graph.node.append(helper.make_node("Pad", [prelu.output[0], pads], ["wider"], "port/pad"))
    graph.replace(graph.find("Gemm")[-1], [graph.nodes[-1], graph.find("Gemm")[-1]])
    del graph.model.graph.node[-1]


def multiplied(graph: Graph) -> None:
    node = graph.find("PRelu")[0]
    two = graph.add_constant("two", np.float32(2))
    graph.replace(node, [helper.make_node("Mul", [node.input[0], two], list(node.output), "port/mul")])


def unknown_attribute(graph: Graph) -> None:
    graph.find("PRelu")[0].attribute.append(helper.make_attribute("alpha", 0.5))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (unknown_attribute, r"node 'port/prelu1' \(PRelu\): unknown attribute 'alpha'"),
        (tanh, r"node 'port/tanh' \(Tanh\): unsupported operator; expected one of Add, Cast, Conv"),
        (grouped, r"node 'port/conv2' \(Conv\): expected group 1 and dilations of 1"),
        (
            computed_kernel,
            r"node 'port/conv2' \(Conv\): expected its input 1 to be constant, found 'input'",
        ),
        (wrong_prelu, "expected a PReLU after 'port"),
        (padded_vector, r"node 'port/pad' \(Pad\): expected two padding sizes \(0 or more\)"),
        (multiplied, r"'port/mul' \(Mul\): expected arithmetic only before the first layer"),
    ],
)
def test_unsupported_graph(edit: Edit, message: str) -> None:
    graph = Graph("rnet" if edit is padded_vector else "pnet")
    edit(graph)
    with pytest.raises(PortError, match=message):
        graph.diagnosis()
