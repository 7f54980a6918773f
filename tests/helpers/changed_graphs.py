"""The three exported graphs, with a change to one of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from mtcnn_cpp import Model
from mtcnn_cpp.formats import export_onnx
from onnx import helper, numpy_helper

LAST = {"pnet": "fc1", "rnet": "fc2", "onet": "fc2"}


class Graphs:
    """The three exported graphs, one of which is changed."""

    def __init__(self, folder: Path, stage: str) -> None:
        self.folder, self.stage, self.path = folder, stage, folder / f"{stage}.onnx"
        export_onnx(Model.default(), folder)
        self.model = onnx.load(self.path)
        self.graph = self.model.graph

    def constant(self, values: Any) -> str:
        name = f"constant{len(self.graph.initializer)}"
        self.graph.initializer.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def after(self, tensor: str, *nodes: tuple[str, list[str], dict[str, Any]]) -> None:
        """Insert nodes between a tensor and its users, including graph outputs.

        The first input of each node is the node before it. Names contain the operator and a number.
        """
        index = next(i for i, node in enumerate(self.graph.node) if tensor in node.output)
        self.graph.node[index].output[0] = before = f"{tensor}.plain"
        for number, (operator, constants, attributes) in enumerate(nodes):
            end = tensor if number == len(nodes) - 1 else f"{tensor}.{number}"
            name = f"their {operator} {number}"
            node = helper.make_node(operator, [before, *constants], [end], name, **attributes)
            self.graph.node.insert(index + 1 + number, node)
            before = end

    def outputs(self, *names: str, kind: int = 1) -> None:
        """Set the outputs of the graph, of one type (1: float32)."""
        known = {value.name for value in self.graph.value_info}
        self.graph.value_info.extend(value for value in self.graph.output if value.name not in known)
        del self.graph.output[:]
        self.graph.output.extend(helper.make_tensor_value_info(name, kind, None) for name in names)

    def save(self) -> Path:
        self.path.write_bytes(self.model.SerializeToString())
        return self.folder


def separate(graphs: Graphs) -> None:
    """Split the last layer into one layer for each head."""
    node = graphs.graph.node[-1]
    x, weights, bias = node.input
    values = {one.name: numpy_helper.to_array(one) for one in graphs.graph.initializer}
    graphs.graph.node.remove(node)
    names = []
    for name, part in (("class", slice(0, 2)), ("box", slice(2, 6)), ("landmarks", slice(6, 16))):
        if len(values[bias][part]):
            inputs = [x, graphs.constant(values[weights][part]), graphs.constant(values[bias][part])]
            attributes = {"transB": 1} if node.op_type == "Gemm" else {}
            graphs.graph.node.append(helper.make_node(node.op_type, inputs, [name], name, **attributes))
            names.append(name)
    graphs.outputs(*names)
