"""Graphs as other tools write them are read for what they compute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from mtcnn_cpp.doctor import Diagnosis, diagnose
from mtcnn_cpp.formats import flat
from mtcnn_cpp.formats.errors import PortError
from mtcnn_cpp.reference.plan import STAGES
from planted import MAPS, correct, to_onnx

onnx = pytest.importorskip("onnx", reason="needs mtcnn-cpp[onnx]")

from mtcnn_cpp.formats.onnx.read import found_from_onnx  # noqa: E402
from onnx import helper, numpy_helper  # noqa: E402

Edit = Callable[["Graph"], None]


class Graph:
    """An ONNX graph that is easily edited."""

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

    def hold(self, name: str, values: np.ndarray) -> str:
        for tensor in self.model.graph.initializer:
            if tensor.name == name:
                tensor.CopyFrom(numpy_helper.from_array(np.array(values, order="C"), name))
                return name
        self.model.graph.initializer.append(numpy_helper.from_array(np.array(values, order="C"), name))
        return name

    def replace(self, old: Any, new: list[Any]) -> None:
        """Put nodes in the place of one."""
        nodes = [one for node in self.nodes for one in (new if node is old or node == old else [node])]
        del self.model.graph.node[:]
        self.model.graph.node.extend(nodes)

    def before_input(self, operator: str, *constants: str, **attributes: Any) -> None:
        """A node between the picture and whoever uses it."""
        for node in self.model.graph.node:
            for index, name in enumerate(node.input):
                if name == "picture":
                    node.input[index] = operator
        self.model.graph.node.insert(
            0, helper.make_node(operator, ["picture", *constants], [operator], operator, **attributes)
        )

    def diagnosis(self) -> Diagnosis:
        return diagnose(found_from_onnx(self.model, self.stage))

    def outputs(self, *names: str) -> None:
        del self.model.graph.output[:]
        self.model.graph.output.extend(
            helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names
        )


def same_function(graph: Graph, shape: tuple[int, ...]) -> None:
    """The edited graph still computes what the plain one does: the edit is what it claims to be."""
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
    """relu(v) - slope * relu(-v), as tools without PReLU write it."""
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
    """relu(v) + slope * (v - |v|) / 2, as old Keras does."""
    half = graph.hold("half", np.float32(0.5))
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
    """x.view(x.shape[0], -1) as PyTorch traces it."""
    for node in graph.find("Flatten"):
        x, out = node.input[0], node.output[0]
        zero, rest = graph.hold("zero", np.array(0, np.int64)), graph.hold("rest", np.array([-1], np.int64))
        axes = graph.hold("axes", np.array([0], np.int64))
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
    """Constants that are computed in the graph."""
    for node in graph.find("Gemm"):
        weights = graph.values(node.input[1])
        stored = graph.hold(f"{node.name}/stored", weights.T)
        turned = f"{node.name}/turned"
        node.input[1] = turned
        graph.model.graph.node.insert(
            0, helper.make_node("Transpose", [stored], [turned], turned, perm=[1, 0])
        )


def dense_as_convolution(graph: Graph) -> None:
    """A fully convolutional port: 3x3 and 1x1 kernels in place of dense layers, PReLU on maps."""
    if graph.stage == "pnet":
        return
    for node in graph.find("Flatten"):
        graph.replace(node, [helper.make_node("Identity", list(node.input), list(node.output), node.name)])
    for index, node in enumerate(graph.find("Gemm")):
        weights = graph.values(node.input[1])
        maps = MAPS[graph.stage] if index == 0 else (len(weights), 1, 1)
        graph.hold(node.input[1], flat.to_kernel(weights, maps, flat.NCHW))
        graph.replace(node, [helper.make_node("Conv", list(node.input), list(node.output), node.name)])
    slopes = graph.find("PRelu")[-1].input[1]
    graph.hold(slopes, graph.values(slopes)[:, None, None])
    last = graph.model.graph.output[0].name
    graph.model.graph.node.append(helper.make_node("Flatten", [last], ["flat"], "flat"))
    graph.outputs("flat")


def padded_at_the_end(graph: Graph) -> None:
    """Flooring after a row and a column of padding at the end is the same as ceiling."""
    for node in graph.find("MaxPool"):
        next(one for one in node.attribute if one.name == "ceil_mode").i = 0
        node.attribute.append(helper.make_attribute("pads", [0, 0, 1, 1]))


def raw_pixels(graph: Graph) -> None:
    """The graph normalises, channel by channel, what it is given."""
    middle = graph.hold("middle", np.full((1, 3, 1, 1), 127.5, np.float32))
    divisor = graph.hold("divisor", np.float32(128))
    graph.before_input("Div", divisor)
    graph.before_input("Sub", middle)


def channels_moved(graph: Graph) -> None:
    """Kernels for G, B, R behind a Gather that makes these of R, G, B: right."""
    name = graph.find("Conv")[0].input[1]
    graph.hold(name, graph.values(name)[:, [1, 2, 0]])
    graph.before_input("Gather", graph.hold("order", np.array([1, 2, 0], np.int64)), axis=1)


def channels_last(graph: Graph) -> None:
    """(N, H, W, 3) in, channels first inside, maps laid flat as (y, x, channel)."""
    graph.before_input("Transpose", perm=[0, 3, 1, 2])
    del graph.model.graph.input[:]
    size = STAGES[graph.stage].size or ("H", "W")
    graph.model.graph.input.append(
        helper.make_tensor_value_info("picture", onnx.TensorProto.FLOAT, ["N", *size, 3])
    )
    for node in graph.find("Flatten"):
        x, out = node.input[0], node.output[0]
        last = helper.make_node("Transpose", [x], ["last"], "last", perm=[0, 2, 3, 1])
        graph.replace(node, [last, helper.make_node("Flatten", ["last"], [out], out)])
        weights = graph.find("Gemm")[0].input[1]
        graph.hold(weights, flat.reorder(graph.values(weights), MAPS[graph.stage], flat.NCHW, flat.NHWC))


def on_their_side(graph: Graph) -> None:
    """Pictures transposed on entry, kernels transposed, maps laid flat (channel, x, y): right all the
    same."""
    for node in graph.find("Conv"):
        graph.hold(node.input[1], graph.values(node.input[1]).swapaxes(2, 3))
    graph.before_input("Transpose", perm=[0, 1, 3, 2])
    if graph.stage != "pnet":
        weights = graph.find("Gemm")[0].input[1]
        graph.hold(weights, flat.reorder(graph.values(weights), MAPS[graph.stage], flat.NCHW, "cxy"))


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(
    "edit",
    [
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
        on_their_side,
    ],
)
def test_another_way_to_write_it(edit: Edit, stage: str) -> None:
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
        inputs = [x, graph.hold(f"{name}.w", part), graph.hold(f"{name}.b", biases[cuts[name]])]
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
    """As facenet-pytorch has them, in any order; a Softmax is told, and no mistake."""
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


def test_two_outputs_that_are_no_heads() -> None:
    """Logits and probabilities of one layer: the network does not divide."""
    graph = Graph("rnet")
    last = graph.nodes[-1].output[0]
    for operator, name in (("Identity", "logits"), ("Softmax", "probabilities")):
        graph.model.graph.node.append(helper.make_node(operator, [last], [name], name))
    graph.outputs("logits", "probabilities")
    assert graph.diagnosis().exact


def test_quantised_constants() -> None:
    """int8 weights behind a DequantizeLinear."""
    graph = Graph("rnet")
    name = graph.find("Conv")[1].input[1]
    values = graph.values(name)
    step = np.float32(np.abs(values).max() / 127)
    stored = graph.hold("stored", np.round(values / step).astype(np.int8))
    graph.find("Conv")[1].input[1] = "dequantised"
    node = helper.make_node(
        "DequantizeLinear", [stored, graph.hold("step", step)], ["dequantised"], "dequantised"
    )
    graph.model.graph.node.insert(0, node)
    (finding,) = graph.diagnosis().findings
    assert (finding.layer, finding.kind) == ("conv2", "quantised")


def test_half_precision_constants() -> None:
    """float16 weights behind a Cast."""
    graph = Graph("pnet")
    name = graph.find("Conv")[1].input[1]
    stored = graph.hold("stored", graph.values(name).astype(np.float16))
    graph.find("Conv")[1].input[1] = "cast"
    graph.model.graph.node.insert(
        0, helper.make_node("Cast", [stored], ["cast"], "cast", to=onnx.TensorProto.FLOAT)
    )
    (finding,) = graph.diagnosis().findings
    assert (finding.layer, finding.kind) == ("conv2", "half")


def test_padding_by_pad_and_by_same() -> None:
    graph = Graph("pnet")
    pads = graph.hold("pads", np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64))
    graph.before_input("Pad", pads)
    graph.find("Conv")[1].attribute.append(helper.make_attribute("auto_pad", "SAME_UPPER"))
    del graph.find("Conv")[1].attribute[0]  # its pads
    found = {(finding.layer, finding.kind) for finding in graph.diagnosis().findings}
    assert found == {("conv1", "padding"), ("conv2", "padding")}


def test_same_pooling_is_right_where_it_pads_the_end_only() -> None:
    """TensorFlow's SAME: 22 → 11 as OpenFace; but 9 → 5 after a row of padding, where OpenFace has 9 → 4."""
    graph = Graph("rnet")
    for node in graph.find("MaxPool"):
        attributes = [one for one in node.attribute if one.name in ("kernel_shape", "strides")]
        del node.attribute[:]
        node.attribute.extend([*attributes, helper.make_attribute("auto_pad", "SAME_UPPER")])
    assert {(finding.layer, finding.kind) for finding in graph.diagnosis().findings} == {("pool2", "padding")}


def tanh(graph: Graph) -> None:
    node = graph.find("PRelu")[0]
    graph.replace(node, [helper.make_node("Tanh", [node.input[0]], list(node.output), "their/tanh")])


def grouped(graph: Graph) -> None:
    graph.find("Conv")[1].attribute.append(helper.make_attribute("group", 2))


def computed_kernel(graph: Graph) -> None:
    graph.find("Conv")[1].input[1] = "picture"


def wrong_prelu(graph: Graph) -> None:
    prelu_from_relus(graph)
    graph.find("Sub")[0].op_type = "Mul"


def padded_vector(graph: Graph) -> None:
    """A Pad made for maps, between two dense layers."""
    pads = graph.hold("pads", np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64))
    prelu = graph.find("PRelu")[-1]
    graph.find("Gemm")[-1].input[0] = "wider"
    graph.model.graph.node.append(helper.make_node("Pad", [prelu.output[0], pads], ["wider"], "their/pad"))
    graph.replace(graph.find("Gemm")[-1], [graph.nodes[-1], graph.find("Gemm")[-1]])
    del graph.model.graph.node[-1]


def multiplied(graph: Graph) -> None:
    node = graph.find("PRelu")[0]
    two = graph.hold("two", np.float32(2))
    graph.replace(node, [helper.make_node("Mul", [node.input[0], two], list(node.output), "their/mul")])


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (tanh, r"node 'their/tanh' \(Tanh\): unsupported operator; expected one of Add, Cast, Conv"),
        (grouped, r"node 'their/conv2' \(Conv\): expected no groups and no dilation"),
        (
            computed_kernel,
            r"node 'their/conv2' \(Conv\): expected its input 1 to be constant, found 'picture'",
        ),
        (wrong_prelu, "expected these operators to be a PReLU"),
        (padded_vector, r"node 'their/pad' \(Pad\): expected padding of y and x only"),
        (multiplied, r"'their/mul' \(Mul\): expected arithmetic only before the first layer"),
    ],
)
def test_what_cannot_be_read(edit: Edit, message: str) -> None:
    graph = Graph("rnet" if edit is padded_vector else "pnet")
    edit(graph)
    with pytest.raises(PortError, match=message):
        graph.diagnosis()
