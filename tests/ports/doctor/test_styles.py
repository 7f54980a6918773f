"""Correct graphs in the styles of exporters and simplifiers: all are called exact."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="needs mtcnn-cpp[onnx]")
pytest.importorskip("onnxruntime", reason="needs mtcnn-cpp[onnx]")

from mtcnn_cpp import Model  # noqa: E402
from mtcnn_cpp.formats.onnx.export import onnx_model  # noqa: E402
from mtcnn_cpp.formats.onnx.reader import found_from_onnx  # noqa: E402
from mtcnn_cpp.ports.doctor import diagnose  # noqa: E402
from mtcnn_cpp.reference.model import Conv2d, FullyConnected, MaxPool, PReLU  # noqa: E402
from mtcnn_cpp.reference.plan import STAGES, iterate_layers  # noqa: E402
from onnx import helper  # noqa: E402
from operators import write_out_prelus  # noqa: E402
from planted import correct, to_onnx  # noqa: E402

pytestmark = pytest.mark.usefixtures("graph_process")

NUMBERS = {"pnet": 6_632, "rnet": 100_178, "onet": 389_040}


def module(stage: str) -> Any:
    """A PyTorch module of the network with separate heads and a softmax of the scores."""
    torch = pytest.importorskip("torch", reason="needs mtcnn-cpp[torch]")
    nn, numbers = torch.nn, torch.from_numpy
    body, heads = nn.Sequential(), {}
    for step in iterate_layers(getattr(Model.default(), stage), STAGES[stage].size):
        layer = step.layer
        if isinstance(layer, Conv2d):
            one = nn.Conv2d(layer.kernel.shape[1], layer.kernel.shape[0], layer.kernel.shape[2:])
            one.weight.data, one.bias.data = numbers(layer.kernel.copy()), numbers(layer.bias.copy())
        elif isinstance(layer, MaxPool):
            kernel, stride = (layer.kernel_y, layer.kernel_x), (layer.stride_y, layer.stride_x)
            one = nn.MaxPool2d(kernel, stride, ceil_mode=True)
        elif isinstance(layer, PReLU):
            one = nn.PReLU(layer.slopes.size)
            one.weight.data = numbers(layer.slopes.copy())
        else:
            assert isinstance(layer, FullyConnected)
            weights = layer.weights.T
            if step.flattens:
                maps = step.input.shape
                weights = weights.reshape(-1, maps[0], maps[2], maps[1]).swapaxes(2, 3)
                body.add_module("flat", nn.Flatten())
            weights = np.ascontiguousarray(weights).reshape(len(weights), -1)
            last = step.output.channels == STAGES[stage].outputs
            cuts = {"scores": slice(0, 2), "box": slice(2, 6), "landmarks": slice(6, 16)} if last else {}
            for name, cut in (cuts or {step.name: slice(None)}).items():
                part, bias = numbers(weights[cut].copy()), numbers(layer.bias[cut].copy())
                if not len(part):
                    continue
                one = nn.Linear(part.shape[1], part.shape[0])
                if stage == "pnet":
                    one, part = nn.Conv2d(part.shape[1], part.shape[0], 1), part[:, :, None, None]
                one.weight.data, one.bias.data = part, bias
                if last:
                    heads[name] = one
            if last:
                continue
        body.add_module(step.name, one)

    class Port(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.body, self.heads = body, nn.ModuleDict(heads)

        def forward(self, image: Any) -> tuple[Any, ...]:
            x = self.body(image)
            found = {name: head(x) for name, head in self.heads.items()}
            return (torch.softmax(found.pop("scores"), 1), *found.values())

    return Port().eval()


def torch_graph(stage: str, *, dynamo: bool, **options: Any) -> Any:
    torch = pytest.importorskip("torch", reason="needs mtcnn-cpp[torch]")
    net = module(stage)
    height, width = STAGES[stage].size or (16, 23)
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # from the exporters
        image = torch.zeros(1, 3, height, width)
        if not dynamo:
            torch.onnx.export(net, (image,), file, dynamo=False, **options)
            return onnx.load_model_from_string(file.getvalue())
        program = torch.onnx.export(net, (image,), dynamo=True, verbose=False, **options)
    return program.model_proto


def traced(stage: str) -> Any:
    return torch_graph(stage, dynamo=False)


def traced_for_any_size(stage: str) -> Any:
    axes = {0: "n", 2: "h", 3: "w"} if stage == "pnet" else {0: "n"}
    return torch_graph(stage, dynamo=False, input_names=["x"], dynamic_axes={"x": axes})


def traced_unfolded(stage: str) -> Any:
    return torch_graph(stage, dynamo=False, do_constant_folding=False)


def exported_by_dynamo(stage: str) -> Any:
    pytest.importorskip("onnxscript", reason="torch's exporter needs onnxscript")
    return torch_graph(stage, dynamo=True)


def simplified(stage: str) -> Any:
    onnxsim = pytest.importorskip("onnxsim", reason="needs `pip install onnxsim`")
    model, _ = onnxsim.simplify(write_out_prelus(traced(stage)))
    return model


def simplified_without_the_tool(stage: str) -> Any:
    """A graph as after a simplifier: no names of nodes, constants among the inputs, numbered tensors."""
    model = onnx_model(getattr(Model.default(), stage), STAGES[stage].side, stage)
    names = {model.graph.input[0].name: "0"}
    for one in model.graph.initializer:
        names[one.name] = one.name = f"w{len(names)}"
        model.graph.input.append(helper.make_tensor_value_info(one.name, one.data_type, one.dims))
    for node in model.graph.node:
        node.name = ""
        for name in node.output:
            names.setdefault(name, str(len(names)))
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names[name] for name in node.output]
    for value in (model.graph.input[0], *model.graph.output):
        value.name = names[value.name]
    del model.graph.value_info[:]
    return model


def ours(stage: str) -> Any:
    return onnx_model(getattr(Model.default(), stage), STAGES[stage].side, stage)


def with_every_layer(stage: str) -> Any:
    return onnx_model(getattr(Model.default(), stage), STAGES[stage].side, stage, all_layers=True)


def with_prelu_written_out(stage: str) -> Any:
    return write_out_prelus(to_onnx(correct(stage), stage))


def raw_bytes(stage: str) -> Any:
    """Input of uint8 with channels last, normalised in the graph."""
    model = ours(stage)
    graph = model.graph
    side = STAGES[stage].side
    for name, value in (("middle", 127.5), ("step", 1 / 128)):
        graph.initializer.append(onnx.numpy_helper.from_array(np.float32(value), name))
    entry = helper.make_tensor_value_info("pixels", onnx.TensorProto.UINT8, [1, side or "h", side or "w", 3])
    graph.input[0].CopyFrom(entry)
    for at, node in enumerate(
        (
            helper.make_node("Cast", ["pixels"], ["numbers"], to=onnx.TensorProto.FLOAT),
            helper.make_node("Sub", ["numbers", "middle"], ["centred"]),
            helper.make_node("Mul", ["centred", "step"], ["scaled"]),
            helper.make_node("Transpose", ["scaled"], ["input"], perm=[0, 3, 1, 2]),
        )
    ):
        graph.node.insert(at, node)
    return model


STYLES = [
    ours,
    with_every_layer,
    traced,
    traced_for_any_size,
    traced_unfolded,
    exported_by_dynamo,
    simplified,
    simplified_without_the_tool,
    with_prelu_written_out,
    raw_bytes,
]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("style", STYLES)
def test_style(style: Callable[[str], Any], stage: str) -> None:
    found = diagnose(found_from_onnx(style(stage), stage))
    assert found.findings == ()
    assert found.numbers == NUMBERS[stage]
    assert found.inputs is not None
    assert found.inputs >= 5
    assert found.headline == (
        f"this is OpenFace's model, exactly: {NUMBERS[stage]:,} numbers equal, bit for bit; "
        f"{found.inputs} inputs run, {found.values:,} output values within 5e-06 of their sum of magnitudes"
    )
    assert not any("not compared" in note for note in found.notes)
