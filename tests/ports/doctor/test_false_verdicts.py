"""A graph is not called exact if it computes something else for one value, batch or size, or by a little.

The doctor called each of these edits exact, or might have: none of its inputs showed the difference.
"""

from __future__ import annotations

import copy
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="needs mtcnn-cpp[onnx]")
pytest.importorskip("onnxruntime", reason="needs mtcnn-cpp[onnx]")

from mtcnn_cpp.formats.agreement import generate_inputs  # noqa: E402
from mtcnn_cpp.formats.errors import PortError  # noqa: E402
from mtcnn_cpp.formats.onnx.reader import found_from_onnx  # noqa: E402
from mtcnn_cpp.ports.doctor import Diagnosis, diagnose  # noqa: E402
from mtcnn_cpp.reference.plan import STAGES  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from operators import write_out_prelus  # noqa: E402
from planted import correct, to_onnx  # noqa: E402

pytestmark = pytest.mark.usefixtures("graph_process")

Edit = Callable[[Any], Any]
FREE = 0


def right(stage: str) -> Any:
    return to_onnx(correct(stage), stage)


def add_constant(model: Any, values: Any) -> str:
    name = f"constant{len(model.graph.initializer)}"
    model.graph.initializer.append(numpy_helper.from_array(np.array(values), name))
    return name


def insert(model: Any, tensor: str, *nodes: tuple[str, list[Any], dict[str, Any]]) -> Any:
    """Insert nodes between a tensor and its consumers.

    Among their inputs, "x" is the tensor, and an integer is the output of the inserted node with this index.
    """
    graph = model.graph
    names = [f"{tensor}.{index}" for index in range(len(nodes))]
    output = next((one for one in graph.output if one.name == tensor), None)
    for node in graph.node:
        node.input[:] = [names[-1] if name == tensor else name for name in node.input]
    if output is not None:
        output.CopyFrom(helper.make_tensor_value_info(names[-1], TensorProto.FLOAT, None))
    at = next((index + 1 for index, node in enumerate(graph.node) if tensor in node.output), 0)
    for index, (operator, inputs, attributes) in enumerate(nodes):
        held = [
            tensor
            if isinstance(one, str)
            else names[one]
            if isinstance(one, int)
            else add_constant(model, one)
            for one in inputs
        ]
        node = helper.make_node(operator, held, [names[index]], names[index], **attributes)
        graph.node.insert(at + index, node)
    return model


def numbers(*values: float) -> Any:
    return np.array(values, np.float32) if len(values) > 1 else np.float32(values[0])


def output_of(model: Any) -> str:
    name: str = model.graph.output[0].name
    return name


def bump(model: Any, tensor: str = "port/prelu1", at: float = -0.9) -> Any:
    """Add up to 1,000 to values within 1e-5 of one value."""
    return insert(
        model,
        tensor,
        ("Sub", ["x", numbers(at)], {}),
        ("Abs", [0], {}),
        ("Sub", [numbers(1e-5), 1], {}),
        ("Relu", [2], {}),
        ("Mul", [3, numbers(1e8)], {}),
        ("Add", ["x", 4], {}),
    )


def bump_at_black(model: Any) -> Any:
    """A bump at the value of the first channel for a black image."""
    conv = next(node for node in model.graph.node if node.op_type == "Conv")
    arrays = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    kernel, bias = arrays[conv.input[1]], arrays[conv.input[2]]
    black = float(bias[0] - np.float32(127.5 / 128) * kernel[0].sum())
    return bump(write_out_prelus(model), "port/conv1", black)


def lost_digits(model: Any, large: float = 1e8) -> Any:
    """v + 1e8 - 1e8, in a PReLU made of other operators."""
    return insert(
        write_out_prelus(model),
        "port/prelu1/plus",
        ("Add", ["x", numbers(large)], {}),
        ("Sub", [0, numbers(large)], {}),
    )


def lost_digits_by_slopes(model: Any) -> Any:
    """(1e6 v + v) - 1e6 v."""
    return insert(
        write_out_prelus(model),
        "port/prelu1/plus",
        ("Mul", ["x", numbers(1e6)], {}),
        ("Add", [0, "x"], {}),
        ("Sub", [1, 0], {}),
    )


def lost_digits_of_the_image(model: Any) -> Any:
    image = ("Add", ["x", numbers(1e4)], {}), ("Sub", [0, numbers(1e4)], {})
    return insert(model, "input", *image)


def vanishing(model: Any) -> Any:
    """Multiplied by 1e-30, by 1e-15, and back."""
    factors = [
        ("Mul", ["x" if not i else i - 1, numbers(f)], {}) for i, f in enumerate((1e-30, 1e-15, 1e25, 1e20))
    ]
    return insert(model, "input", *factors)


def scaled(factor: float) -> Edit:
    return lambda model: insert(model, "input", ("Mul", ["x", numbers(factor)], {}))


def nearly_normalised(model: Any) -> Any:
    """0.00781251 in place of 1 / 128."""
    steps = ("Sub", ["x", numbers(127.5)], {}), ("Mul", [0, numbers(0.00781251)], {})
    return insert(model, "input", *steps)


def folded_nearly(model: Any) -> Any:
    """A first layer for raw pixels, its kernels off by 1e-5."""
    arrays = {one.name: one for one in model.graph.initializer}
    conv = next(node for node in model.graph.node if node.op_type == "Conv")
    kernel, bias = (numpy_helper.to_array(arrays[name]) for name in conv.input[1:3])
    more = bias - np.float32(127.5 / 128) * kernel.sum((1, 2, 3))
    wrong = kernel / 128 * (1 + 1e-5 * np.sign(np.arange(kernel.size) % 3 - 1).reshape(kernel.shape))
    for name, values in zip(conv.input[1:3], (wrong, more), strict=True):
        arrays[name].CopyFrom(numpy_helper.from_array(values.astype(np.float32), name))
    return model


def one_ulp(model: Any) -> Any:
    tensor = model.graph.initializer[4]
    values = numpy_helper.to_array(tensor).copy()
    values.flat[3] = np.nextafter(values.flat[3], np.float32(9))
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    return model


def training(model: Any) -> Any:
    """Dropout in training mode with a ratio so small that noise rarely shows it."""
    return insert(model, "port/prelu2", ("Dropout", ["x", numbers(1e-7), np.array(True)], {}))


def size_of(axis: int) -> list[tuple[str, list[Any], dict[str, Any]]]:
    return [("Shape", ["x"], {}), ("Gather", [0, np.int64(axis)], {})]


def training_by_size(model: Any) -> Any:
    """Training mode for more than 300 rows, or for more than 6 items."""
    axis, limit = (2, 300) if "H" in str(model.graph.input) else (0, 6)
    return insert(
        model,
        "port/prelu2",
        *size_of(axis),
        ("Greater", [1, np.int64(limit)], {}),
        ("Dropout", ["x", numbers(0.5), 2], {}),
    )


def axes_by_size(model: Any) -> Any:
    """Output axes in another order for large inputs, or for many."""
    rank = 4 if "H" in str(model.graph.input) else 2
    axis, limit, order = (2, 400, [0, 1, 3, 2]) if rank == 4 else (0, 30, [1, 0])
    return insert(
        model,
        output_of(model),
        *size_of(axis),
        ("Greater", [1, np.int64(limit)], {}),
        ("Where", [2, np.array(order), np.arange(rank)], {}),
        ("Gather", [0, 3], {}),
        ("Reshape", ["x", 4], {}),
    )


def values_by_batch(model: Any) -> Any:
    """Another bias for more than 300 items."""
    return insert(
        model,
        "port/conv1",
        *size_of(0),
        ("Greater", [1, np.int64(300)], {}),
        ("Cast", [2], {"to": TensorProto.FLOAT}),
        ("Add", ["x", 3], {}),
    )


def outputs_by_items(model: Any) -> Any:
    """(6, N) for (N, 6): right for one item."""
    outputs = 6 if "H" in str(model.graph.input) or "24" in str(model.graph.input) else 16
    return insert(model, output_of(model), ("Reshape", ["x", np.array([outputs, -1])], {}))


def mean_of_the_batch(model: Any) -> Any:
    return insert(
        model,
        "port/prelu1",
        ("ReduceMean", ["x"], {"axes": [0], "keepdims": 1}),
        ("Sub", ["x", 0], {}),
        ("Mul", [1, numbers(0.5)], {}),
        ("Add", ["x", 2], {}),
    )


def another_output(model: Any) -> Any:
    """An additional output that cannot be compared."""
    model.graph.node.append(helper.make_node("ReduceMean", [output_of(model)], ["mean"], "mean"))
    model.graph.output.append(helper.make_tensor_value_info("mean", TensorProto.FLOAT, None))
    return model


def own_relu(model: Any) -> Any:
    """An operator that the file itself defines under ONNX's name."""
    model = write_out_prelus(model)
    inner = helper.make_node("Neg", ["a"], ["b"])
    opset = [helper.make_opsetid("", 17)]
    model.functions.append(helper.make_function("", "Relu", ["a"], ["b"], [inner], opset))
    return model


def batch_norm_in_training(model: Any) -> Any:
    one, none = np.ones(3, np.float32), np.zeros(3, np.float32)
    node = ("BatchNormalization", ["x", one, none, none, one], {"training_mode": 1})
    return insert(model, "input", node)


def padded_by_a_value(model: Any) -> Any:
    """Padding that is never the maximum, except in windows whose values are all smaller."""
    pads = np.array([0, 0, 0, 0, 0, 0, 1, 1])
    node = ("Pad", ["x", pads, numbers(-1e4)], {})
    for one in model.graph.node:
        for attribute in one.attribute:
            if attribute.name == "ceil_mode" and one.input[0] == "port/prelu1":
                attribute.i = 0
    return insert(model, "port/prelu1", node)


def bias_along_columns(model: Any) -> Any:
    """A constant with one value per column; all but one are 0."""
    side = 46 if "48" in str(model.graph.input) else 22
    values = np.zeros(side, np.float32)
    values[-1] = 1e-3
    return insert(model, "port/conv1", ("Add", ["x", values], {}))


EDITS: list[Edit] = [
    bump,
    bump_at_black,
    lost_digits,
    lost_digits_by_slopes,
    lost_digits_of_the_image,
    vanishing,
    scaled(1.00001),
    scaled(1.000001),
    nearly_normalised,
    folded_nearly,
    one_ulp,
    training,
    training_by_size,
    axes_by_size,
    values_by_batch,
    outputs_by_items,
    mean_of_the_batch,
    another_output,
    own_relu,
    batch_norm_in_training,
    padded_by_a_value,
    bias_along_columns,
]


def verdict(model: Any) -> tuple[bool, str]:
    """Whether the graph is called exact, and the text."""
    try:
        found = diagnose(found_from_onnx(model, "theirs"))
    except PortError as error:
        return False, str(error)
    return found.exact, "; ".join([found.headline, *(one.text for one in found.findings)])


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__)
def test_not_exactly(edit: Edit, stage: str) -> None:
    exact, text = verdict(edit(right(stage)))
    assert not exact, text


def after_the_concat(stage: str) -> Any:
    """Two heads that a Concat joins."""
    model = right(stage)
    last = model.graph.node[-1]
    x, weights, bias = last.input
    arrays = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    del model.graph.node[-1]
    names = []
    for name, cut in (("class", slice(0, 2)), ("rest", slice(2, None))):
        part = arrays[weights][cut] if stage == "pnet" else arrays[weights][:, cut]
        node = helper.make_node(
            last.op_type, [x, add_constant(model, part), add_constant(model, arrays[bias][cut])], [name], name
        )
        node.attribute.extend(last.attribute)
        model.graph.node.append(node)
        names.append(name)
    model.graph.node.append(helper.make_node("Concat", names, ["joined"], "joined", axis=1))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("joined", TensorProto.FLOAT, None))
    return model


@pytest.mark.parametrize("stage", STAGES)
def test_operators_after_a_concat_are_read(stage: str) -> None:
    model = after_the_concat(stage)
    assert verdict(copy.deepcopy(model))[0]
    exact, text = verdict(bump(model, "joined", 3.25))
    assert not exact, text
    model = after_the_concat(stage)
    model.graph.node[-1].input.append("rest")
    assert not verdict(model)[0]


@pytest.mark.parametrize("stage", ["rnet", "onet"])
def test_a_shape_for_one_item(stage: str) -> None:
    """Reshape to (1, 576) is right only for a batch of 1."""
    for batch, expected in ((FREE, False), (1, True)):
        model = right(stage)
        flatten = next(node for node in model.graph.node if node.op_type == "Flatten")
        values = 576 if stage == "rnet" else 1152
        flatten.op_type = "Reshape"
        del flatten.attribute[:]
        flatten.input.append(add_constant(model, np.array([1, values])))
        if batch:
            model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = batch
        exact, text = verdict(model)
        assert exact == expected, text


def test_one_item_along_the_second_axis() -> None:
    """A batch of 1, fixed, whose output is (16, 1)."""
    model = outputs_by_items(right("onet"))
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    exact, text = verdict(model)
    assert not exact
    assert ": expected the batch as its first axis, found the axes" in text


def test_it_names_the_value_at_which_a_region_breaks() -> None:
    message = verdict(bump(write_out_prelus(right("pnet")), "port/conv1", 0.5))[1]
    assert "expected a PReLU after 'port/conv1', found node " in message
    assert "(Sub): it uses the constant 0.5; if this is not 0, the slope may change at a point" in message


def test_it_names_the_operator_through_which_a_size_decides() -> None:
    message = verdict(axes_by_size(right("pnet")))[1]
    assert "(Reshape): its shape is computed by Where" in message


def test_the_bound_is_in_the_verdict() -> None:
    found = diagnose(found_from_onnx(right("rnet"), "theirs"))
    assert found.headline == (
        f"this is OpenFace's model, exactly: 100,178 numbers equal, bit for bit; {found.inputs} inputs run, "
        f"{found.values:,} output values within 5e-06 of their sum of magnitudes"
    )
    assert found.values >= 6 * (found.inputs or 0)
    assert found.to_dict()["tolerance"] == 5e-6


def draw_inputs(stage: str, model: Any) -> list[Any]:
    found = found_from_onnx(model, stage)
    assert found.graph is not None
    return list(generate_inputs(found.graph, STAGES[stage].name, np.ones(1), np.zeros(1)))


@pytest.mark.parametrize("stage", STAGES)
def test_drawn_inputs(stage: str) -> None:
    """Batches of 1, 2 and 5, flat images, the sample; a large size if the size is free."""
    inputs = draw_inputs(stage, right(stage))
    counts = {len(one.images) for one in inputs}
    assert {1, 2, 5} <= counts
    flat = {float(image[0, 0, 0]) for one in inputs for image in one.images if image.min() == image.max()}
    assert {(level - 127.5) / 128 for level in (0, 127, 128, 255)} <= flat
    if stage == "pnet":
        assert len(flat) >= 256
        assert max(one.images.shape[2] for one in inputs) > 64
        assert max(one.images.shape[3] for one in inputs) >= 300
    for one in inputs:
        if len(one.images) > 1 and "flat" not in one.description:
            assert not np.array_equal(one.images[0], one.images[1])


def test_a_fixed_batch_is_kept() -> None:
    model = right("rnet")
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 3
    assert {len(one.images) for one in draw_inputs("rnet", model)} == {3}
    found = diagnose(found_from_onnx(model, "theirs"))
    assert found.exact
    assert "its input has exactly 3 images" in found.notes


def test_a_fixed_size_is_noted() -> None:
    model = right("pnet")
    for index, size in ((2, 20), (3, 30)):
        model.graph.input[0].type.tensor_type.shape.dim[index].dim_value = size
    found = diagnose(found_from_onnx(model, "theirs"))
    assert found.exact
    assert "its input is 20 x 30; OpenFace's pnet takes images of any size" in found.notes


def large_batch(model: Any) -> Any:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 20_000
    return model


def large_size(model: Any) -> Any:
    for index in (2, 3):
        model.graph.input[0].type.tensor_type.shape.dim[index].dim_value = 20_000
    return model


def large_pads(model: Any) -> Any:
    conv = next(node for node in model.graph.node if node.op_type == "Conv")
    next(one for one in conv.attribute if one.name == "pads").ints[:] = [20_000] * 4
    return model


@pytest.mark.parametrize(
    ("stage", "edit"),
    [("rnet", large_batch), ("onet", large_batch), ("pnet", large_size), ("pnet", large_pads)],
)
def test_memory_is_estimated_before_it_is_taken(stage: str, edit: Edit) -> None:
    """A small file whose inputs or maps are large is not run, and not called exact."""
    model = edit(right(stage))
    tracemalloc.start()
    try:
        found: Diagnosis = diagnose(found_from_onnx(model, "theirs"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert not found.exact
    assert any(
        "needs more than 1536 MB" in text for text in [*found.notes, *(one.text for one in found.findings)]
    )
    assert peak < 200e6
