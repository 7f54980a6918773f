"""Sessions of a runtime on one graph: ONNX Runtime, or onnx's evaluator.

A graph from a file runs here in a process of its own (`worker`, started by `guarded`); only a graph that this
package has just made itself runs in the caller's process.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ..errors import need

Array: TypeAlias = npt.NDArray[Any]

INSTALL = "'mtcnn-cpp[onnx]'"


class Sessions:
    """One graph in a runtime. A session runs from certain inputs to certain outputs; it is made when these
    are first requested.

    Args:
        data: The serialised graph.
        runtime: "onnxruntime" or "onnx" (its evaluator).
        optimise: Let ONNX Runtime fuse and rearrange nodes. False: every node runs as it stands.
        threads: Threads of ONNX Runtime. 0: its own choice.
        providers: Execution providers of ONNX Runtime, best first.
    """

    def __init__(
        self, data: bytes, *, runtime: str, optimise: bool, threads: int, providers: Sequence[str]
    ) -> None:
        self._data = data
        self._runtime = runtime
        self._optimise = optimise
        self._threads = threads
        self._providers = list(providers)
        self._made: dict[tuple[tuple[str, ...], ...], Any] = {}

    def run(self, inputs: Mapping[str, Array], outputs: Sequence[str], *, part: bool) -> dict[str, Array]:
        """The outputs by name. `part`: the nodes between these inputs and outputs are cut out of the graph
        and run alone; else the graph runs as a whole."""
        session = self._session(inputs, outputs) if part else self.whole()
        if self._runtime == "onnx":
            found = session.run(list(outputs), dict(inputs))
        else:
            options = need("onnxruntime", INSTALL, "running ONNX").RunOptions()
            options.log_severity_level = 4
            found = session.run(list(outputs), dict(inputs), options)
        return {name: np.asarray(values) for name, values in zip(outputs, found, strict=True)}

    def whole(self) -> Any:
        """The session for the whole graph."""
        if () not in self._made:
            self._made[()] = self._make(self._data)
        return self._made[()]

    def _session(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> Any:
        key = (tuple(inputs), tuple(outputs))
        if key not in self._made:
            self._made[key] = self._make(cut_out(self._data, inputs, outputs))
        return self._made[key]

    def _make(self, data: bytes) -> Any:
        if self._runtime == "onnx":
            return need("onnx.reference", INSTALL, "running ONNX").ReferenceEvaluator(data)
        runtime = need("onnxruntime", INSTALL, "running ONNX")
        options = runtime.SessionOptions()
        if not self._optimise:
            options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads = self._threads
        options.log_severity_level = 4  # its errors are raised; it need not print them too
        return runtime.InferenceSession(data, options, providers=self._providers)


def cut_out(data: bytes, inputs: Mapping[str, Array], outputs: Sequence[str]) -> bytes:
    """A graph of the nodes between some of its tensors; `inputs` are examples. ValueError if the outputs need
    more than these inputs."""
    onnx = need("onnx", INSTALL, "running ONNX")
    model = onnx.load_model_from_string(data)
    graph = model.graph
    makers = {name: index for index, node in enumerate(graph.node) for name in node.output if name}
    waiting = [name for name in outputs if name not in inputs]
    kept: set[int] = set()
    while waiting:
        name = waiting.pop()
        index = makers.get(name)
        if index is None and any(name == value.name for value in graph.input):
            raise ValueError(
                f"{', '.join(outputs)}: computed from {name!r} too, not from {', '.join(inputs)}"
            )
        if index is not None and index not in kept:
            kept.add(index)
            waiting += [name for name in names_in(graph.node[index]) if name and name not in inputs]
    nodes = [graph.node[index] for index in sorted(kept)]
    make, number = onnx.helper.make_tensor_value_info, onnx.helper.np_dtype_to_tensor_dtype
    entries = [make(name, number(array.dtype), [None] * array.ndim) for name, array in inputs.items()]
    results = [onnx.ValueInfoProto(name=name) for name in outputs]
    part = onnx.ModelProto()
    part.CopyFrom(model)
    part.graph.CopyFrom(onnx.helper.make_graph(nodes, graph.name, entries, results, graph.initializer))
    result: bytes = part.SerializeToString()
    return result


def names_in(node: Any) -> Iterator[str]:
    """The tensors that a node takes, those taken by graphs within it too."""
    yield from node.input
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                yield from names_in(inner)


def reason(error: BaseException) -> str:
    """The first line of an error, or its class."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
