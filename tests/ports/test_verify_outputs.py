"""`verify` runs the outputs that a file declares, because correct layers alone are not enough."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from mtcnn_cpp import Detector, Model, sample_image
from mtcnn_cpp.cli import app
from mtcnn_cpp.cli.networks import headline
from mtcnn_cpp.formats import export_onnx
from mtcnn_cpp.ports.verify import Verification, verify
from typer.testing import CliRunner

pytest.importorskip("onnx", reason="needs mtcnn-cpp[onnx]")
pytest.importorskip("onnxruntime", reason="needs mtcnn-cpp[onnx]")

from changed_graphs import LAST, Graphs
from onnx import TensorProto, helper

pytestmark = pytest.mark.usefixtures("graph_process")

DETECTOR = Detector(min_face=100)
FACE = sample_image()[40:220, 130:320]


def check(folder: Path) -> Verification:
    return verify(folder, FACE, detector=DETECTOR)


def append(graphs: Graphs, operator: str, inputs: list[str], output: str, **attributes: Any) -> None:
    graphs.graph.node.append(helper.make_node(operator, inputs, [output], output, **attributes))


def zeros(graphs: Graphs) -> None:
    """As the only output, first in the graph, so that the last node is the last layer."""
    size = graphs.constant(np.array([2, 6], np.int64))
    graphs.graph.node.insert(0, helper.make_node("ConstantOfShape", [size], ["end"], "end"))
    graphs.outputs("end")


def times_zero(graphs: Graphs) -> None:
    append(graphs, "Mul", [LAST[graphs.stage], graphs.constant(np.float32(0))], "end")
    graphs.outputs("end")


def a_layer(graphs: Graphs) -> None:
    graphs.outputs("prelu3")


def several_layers(graphs: Graphs) -> None:
    graphs.outputs("conv1", "prelu1", "prelu3")


def without_box(graphs: Graphs) -> None:
    separate_outputs(graphs)
    graphs.outputs("class")


def swapped(graphs: Graphs) -> None:
    """Under each other's names."""
    separate_outputs(graphs, {"class": "box", "box": "class"})


def copied(graphs: Graphs) -> None:
    """The output of the box is a copy of that of the class."""
    separate_outputs(graphs)
    append(graphs, "Identity", ["class"], "box_copy")
    graphs.outputs("class", "box_copy")


def box_first(graphs: Graphs) -> None:
    """In one output, in another order."""
    order = [2, 3, 4, 5, 0, 1, *range(6, 16 if graphs.stage == "onet" else 6)]
    append(graphs, "Gather", [LAST[graphs.stage], graphs.constant(np.array(order, np.int64))], "end", axis=1)
    graphs.outputs("end")


def softmax_of_all(graphs: Graphs) -> None:
    append(graphs, "Softmax", [LAST[graphs.stage]], "end", axis=1)
    graphs.outputs("end")


def half(graphs: Graphs) -> None:
    append(graphs, "Cast", [LAST[graphs.stage]], "end", to=TensorProto.FLOAT16)
    graphs.outputs("end", kind=TensorProto.FLOAT16)


def double(graphs: Graphs) -> None:
    append(graphs, "Cast", [LAST[graphs.stage]], "end", to=TensorProto.DOUBLE)
    graphs.outputs("end", kind=TensorProto.DOUBLE)


def whole(graphs: Graphs) -> None:
    append(graphs, "Cast", [LAST[graphs.stage]], "end", to=TensorProto.INT32)
    graphs.outputs("end", kind=TensorProto.INT32)


def another(graphs: Graphs) -> None:
    """Beside the right one."""
    append(graphs, "ReduceMax", ["conv1"], "extra", keepdims=0)
    graphs.outputs(LAST[graphs.stage], "extra")


def another_of_the_same_shape(graphs: Graphs) -> None:
    append(graphs, "Neg", [LAST[graphs.stage]], "extra")
    graphs.outputs(LAST[graphs.stage], "extra")


def separate_outputs(graphs: Graphs, names: dict[str, str] | None = None) -> None:
    """An output for each head, cut out of the last layer."""
    ends = {"class": 2, "box": 6} | ({"landmarks": 16} if graphs.stage == "onet" else {})
    begin = 0
    for head, end in ends.items():
        bounds = [graphs.constant(np.array([value], np.int64)) for value in (begin, end, 1)]
        append(graphs, "Slice", [LAST[graphs.stage], *bounds], (names or {}).get(head, head))
        begin = end
    graphs.outputs(*ends)


WRONG: list[tuple[Callable[[Graphs], None], str]] = [
    (
        zeros,
        r"output 'end' \(2, 6\) contains none of|output 'end' differs from the network's values by",
    ),
    (times_zero, r"output 'end' differs from the network's values by"),
    (a_layer, r"no output of the graph contains the class, box"),
    (several_layers, r"no output of the graph contains the class, box"),
    (without_box, r"no output of the graph contains the box"),
    (
        swapped,
        r"output '(box|class)' contains the (class|box) values, but its name indicates the ",
    ),
    (copied, r"output 'box_copy' contains the class values, but its name indicates the box values"),
    (box_first, r"output 'end' differs from the network's values by"),
    (softmax_of_all, r"output 'end' differs from the network's values by"),
    (half, r"output 'end' differs from the network's values by"),
    (double, r"output 'end' contains the class, box.* values as float64, expected float32"),
    (whole, r"output 'end' differs from the network's values by"),
    (
        another,
        r"not verified: .*: output 'extra' .* contains none of the network's values and was not compared",
    ),
    (another_of_the_same_shape, r"output 'extra' differs from the network's values by"),
]


@pytest.mark.parametrize(("edit", "message"), WRONG)
def test_an_output_that_is_not_right(tmp_path: Path, edit: Callable[[Graphs], None], message: str) -> None:
    """All layers inside are right, and so are faces found by them."""
    stage = ("pnet", "rnet", "onet")[[one for one, _ in WRONG].index(edit) % 3]
    graphs = Graphs(tmp_path, stage)
    edit(graphs)
    found = check(graphs.save())
    assert found.faces.ok
    assert all(layer.ok for layer in found.layers)
    assert not found.ok
    assert not headline(found).startswith("right")
    texts = [headline(found), *(one.text for one in found.outputs if not one.ok)]
    assert any(re.search(message, text) for text in texts), texts
    assert any(not case.ok for case in found.cases())


def limited(graphs: Graphs) -> None:
    """At a value that no layer reaches on this image."""
    graphs.after("conv1", ("Clip", [graphs.constant(np.float32(-1e4)), graphs.constant(np.float32(1e4))], {}))


def two_at_a_time(graphs: Graphs) -> None:
    """Right for one crop alone."""
    first = LAST[graphs.stage]
    append(graphs, "Reshape", [first, graphs.constant(np.array([16, -1], np.int64))], "turned")
    append(graphs, "Reshape", ["turned", graphs.constant(np.array([-1, 16], np.int64))], "end")
    graphs.outputs("end")


@pytest.mark.parametrize(("stage", "edit"), [("rnet", limited), ("onet", two_at_a_time), ("pnet", limited)])
def test_a_graph_that_one_image_cannot_show_to_be_right(
    tmp_path: Path, stage: str, edit: Callable[[Graphs], None]
) -> None:
    graphs = Graphs(tmp_path, stage)
    edit(graphs)
    found = check(graphs.save())
    assert not found.ok
    assert headline(found).startswith(f"not verified: {stage}: the result for other images is unknown:")


def test_a_number_that_one_image_does_not_use(tmp_path: Path) -> None:
    """The slope of a unit that is positive in every crop of the image."""
    trace = DETECTOR.trace(FACE, only=["onet/crop*/fc1"])
    units = np.stack(list(trace.values()))
    unused = int((units > 0).all(axis=0).argmax())
    assert (units[:, unused] > 0).all()
    arrays = dict(Model.default().arrays())
    slopes = arrays["onet/prelu5/slopes"] = arrays["onet/prelu5/slopes"].copy()
    slopes[unused] += 1
    export_onnx(Model.from_arrays(arrays), tmp_path)
    found = check(tmp_path)
    assert all(layer.ok for layer in found.layers)
    assert found.faces.ok
    assert not found.ok
    assert headline(found).startswith("wrong: onet: onet/prelu5/slopes differs from the reference by ")


@pytest.mark.parametrize(
    ("stage", "operator"), [("pnet", "Softmax"), ("rnet", "LogSoftmax"), ("onet", "Softmax"), ("onet", "")]
)
def test_separate_heads_are_right(tmp_path: Path, stage: str, operator: str) -> None:
    """Also with probabilities, which are named."""
    graphs = Graphs(tmp_path, stage)
    separate_outputs(graphs)
    if operator:
        append(graphs, operator, ["class"], "prob", axis=1)
        graphs.outputs("box", "prob", *(["landmarks"] if stage == "onet" else []))
    found = check(graphs.save())
    assert found.ok
    told = [one.text for one in found.outputs if one.stage == stage and "class" in one.heads]
    assert told == [
        f"output 'prob' contains the class values, class after a {operator}" if operator else
        "output 'class' contains the class values"
    ]  # fmt: skip


def test_channels_last_is_right_and_named(tmp_path: Path) -> None:
    graphs = Graphs(tmp_path, "pnet")
    append(graphs, "Transpose", ["fc1"], "end", perm=[0, 2, 3, 1])
    graphs.outputs("end")
    found = check(graphs.save())
    assert found.ok
    assert found.outputs[0].text == "output 'end' contains the class, box values, axes yxc"


def test_every_layer_as_an_output(tmp_path: Path) -> None:
    export_onnx(Model.default(), tmp_path, all_layers=True)
    assert check(tmp_path).ok


def test_the_command(tmp_path: Path) -> None:
    graphs = Graphs(tmp_path, "rnet")
    times_zero(graphs)
    cv2.imwrite(str(tmp_path / "face.png"), FACE)
    result = CliRunner().invoke(app, ["verify", str(graphs.save()), str(tmp_path / "face.png")])
    assert result.exit_code == 1
    assert "wrong: rnet: output 'end' differs from the network's values by" in result.stdout
    assert "\nright" not in result.stdout
