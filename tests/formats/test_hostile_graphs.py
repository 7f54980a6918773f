"""Malicious ONNX files are refused: cycles, growing constants, weights in other files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mtcnn_cpp.formats.errors import PortError
from mtcnn_cpp.formats.importer import read_found
from planted import correct, to_onnx
from separate_process import all_refused

onnx = pytest.importorskip("onnx", reason="needs mtcnn-cpp[onnx]")

from mtcnn_cpp.formats.onnx.reader import found_from_onnx  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

Edit = Callable[[Any], None]


def node(operator: str, inputs: list[str], output: str, **attributes: Any) -> Any:
    return helper.make_node(operator, inputs, [output], output, **attributes)


def add_constant(graph: Any, name: str, values: Any) -> str:
    graph.initializer.append(numpy_helper.from_array(np.asarray(values), name))
    return name


def first(graph: Any, operator: str) -> Any:
    return next(one for one in graph.node if one.op_type == operator)


def put_first(graph: Any, *nodes: Any) -> None:
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *rest])


def cycle(graph: Any) -> None:
    """Make an activation depend on its own output."""
    prelu = first(graph, "PRelu")
    graph.node.append(node("Identity", [prelu.output[0]], "back"))
    prelu.input[0] = "back"


def own_output(graph: Any) -> None:
    prelu = first(graph, "PRelu")
    prelu.input[0] = prelu.output[0]


def tensor_computed_twice(graph: Any) -> None:
    """Let two nodes compute one tensor, which could cause an infinite loop of the reader."""
    graph.node.append(node("Identity", [first(graph, "PRelu").output[0]], "input"))


def loop(graph: Any) -> None:
    """Add a loop of 10^12 rounds on constants."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Add", ["sum", "one"], ["more"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("sum", TensorProto.FLOAT, []),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("more", TensorProto.FLOAT, []),
        ],
    )
    names = [add_constant(graph, "rounds", np.int64(10**12)), add_constant(graph, "yes", np.bool_(True))]
    put_first(graph, node("Loop", [*names, add_constant(graph, "one", np.float32(1))], "looped", body=body))


def constant(operator: str, *values: Any, **attributes: Any) -> Edit:
    def edit(graph: Any) -> None:
        names = [add_constant(graph, f"{operator}{index}", value) for index, value in enumerate(values)]
        put_first(graph, node(operator, names, "grown", **attributes))

    edit.__name__ = operator
    return edit


def concat(graph: Any) -> None:
    """Double the size of a constant with each node."""
    name = add_constant(graph, "seed", np.zeros(1000, np.float32))
    nodes = []
    for level in range(30):
        nodes.append(node("Concat", [name, name], f"level{level}", axis=0))
        name = f"level{level}"
    put_first(graph, *nodes)


def texts(graph: Any) -> None:
    graph.initializer.append(helper.make_tensor("words", TensorProto.STRING, [1], [b"\x1b[31m"]))


def many_nodes(graph: Any) -> None:
    graph.node.extend(node("Identity", ["input"], f"copy{index}") for index in range(3000))


def no_output(graph: Any) -> None:
    first(graph, "PRelu").output.pop()


def no_input(graph: Any) -> None:
    del first(graph, "MaxPool").input[:]


def strides_of_zero(graph: Any) -> None:
    pool = first(graph, "MaxPool")
    next(one for one in pool.attribute if one.name == "strides").ints[:] = [0, 0]


def red_name(graph: Any) -> None:
    first(graph, "PRelu").op_type = "\x1b[31mred\x07"


def empty_kernel(graph: Any) -> None:
    name = first(graph, "Conv").input[1]
    kept = [one for one in graph.initializer if one.name != name]
    del graph.initializer[:]
    graph.initializer.extend([*kept, numpy_helper.from_array(np.zeros((0, 3, 3, 3), np.float32), name)])


BIG = np.array([1 << 20, 1 << 20], np.int64)
EDITS: list[Edit] = [
    cycle,
    own_output,
    tensor_computed_twice,
    loop,
    constant("ConstantOfShape", BIG),
    constant("Expand", np.zeros((1, 1), np.float32), BIG),
    constant("Tile", np.zeros((1, 1), np.float32), BIG),
    constant("Range", np.int64(0), np.int64(10**12), np.int64(1)),
    constant("Add", np.zeros((1 << 17, 1), np.float32), np.zeros((1, 1 << 17), np.float32)),
    constant("MatMul", np.zeros((1 << 17, 1), np.float32), np.zeros((1, 1 << 17), np.float32)),
    constant("Gather", np.zeros((1, 1 << 15), np.float32), np.zeros(1 << 16, np.int64)),
    constant("Cast", np.zeros(1 << 20, np.float32), to=TensorProto.STRING),
    constant("RandomNormal", shape=[1 << 20, 1 << 20]),
    concat,
    texts,
    many_nodes,
    no_output,
    no_input,
    strides_of_zero,
    red_name,
    empty_kernel,
]


def test_refused(tmp_path: Path) -> None:
    """Each file is refused in a short time and with little memory."""
    paths = []
    for edit in EDITS:
        model = to_onnx(correct("rnet"), "rnet")
        edit(model.graph)
        paths.append(tmp_path / f"{edit.__name__}.onnx")
        paths[-1].write_bytes(model.SerializeToString())
    for path, (_, _, peak) in zip(paths, all_refused(paths), strict=True):
        assert peak < 100e6, (path.name, peak)


def test_valid_graph_in_another_order() -> None:
    model = to_onnx(correct("pnet"), "pnet")
    right = found_from_onnx(model, "pnet")
    nodes = list(model.graph.node)[::-1]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    turned = found_from_onnx(model, "pnet")
    assert [layer.name for layer in turned.layers] == [layer.name for layer in right.layers]


def test_computed_padding() -> None:
    """PyTorch computes padding with ConstantOfShape."""
    model = to_onnx(correct("pnet"), "pnet")
    add_constant(model.graph, "eight", np.array([8], np.int64))
    put_first(model.graph, node("ConstantOfShape", ["eight"], "zeros"))
    assert found_from_onnx(model, "pnet").layers


@pytest.fixture
def outside(tmp_path: Path) -> Callable[..., Path]:
    """Create an RNet whose weights are in a separate file."""
    folder = tmp_path / "model"
    folder.mkdir()
    path = folder / "rnet.onnx"
    model = to_onnx(correct("rnet"), "rnet")
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)

    def change(**fields: str) -> Path:
        model = onnx.load(path, load_external_data=False)
        tensor = next(one for one in model.graph.initializer if one.external_data)
        about = {entry.key: entry.value for entry in tensor.external_data} | fields
        del tensor.external_data[:]
        for key, value in about.items():
            entry = tensor.external_data.add()
            entry.key, entry.value = key, value
        path.write_bytes(model.SerializeToString())
        return path

    return change


def test_weights_beside_the_model(outside: Callable[..., Path]) -> None:
    assert list(read_found(outside())) == ["rnet"]


@pytest.mark.parametrize(
    "location", ["../weights.bin", "/etc/passwd", "..\\weights.bin", "a/../../weights.bin", "", ".", "C:\\x"]
)
def test_weights_of_another_folder(outside: Callable[..., Path], location: str) -> None:
    path = outside(location=location)
    (path.parent.parent / "weights.bin").write_bytes((path.parent / "weights.bin").read_bytes())
    with pytest.raises(PortError, match="a separate file, which cannot be read"):
        read_found(path)


@pytest.mark.skipif(os.name == "nt", reason="Windows: links need a privilege")
def test_weights_behind_a_link(outside: Callable[..., Path]) -> None:
    path = outside()
    weights = path.parent / "weights.bin"
    weights.rename(path.parent.parent / "weights.bin")
    weights.symlink_to(path.parent.parent / "weights.bin")
    with pytest.raises(PortError, match=r"found the symbolic link 'weights.bin'"):
        read_found(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no such pipes")
def test_weights_in_a_pipe(outside: Callable[..., Path]) -> None:
    path = outside()
    (path.parent / "weights.bin").unlink()
    os.mkfifo(path.parent / "weights.bin")
    with pytest.raises(PortError, match="found a special file"):
        read_found(path)


@pytest.mark.parametrize(
    "fields",
    [
        {"offset": "-4"},
        {"offset": "x"},
        {"length": "99999999"},
        {"length": "1" * 400},
        {"offset": "99999999"},
    ],
)
def test_weights_at_a_wrong_place(outside: Callable[..., Path], fields: dict[str, str]) -> None:
    with pytest.raises(PortError, match="cannot be read"):
        read_found(outside(**fields))
