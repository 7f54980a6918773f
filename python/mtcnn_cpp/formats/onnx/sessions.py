"""Sessions in which a runtime runs one graph. The runtime is ONNX Runtime or the reference evaluator of onnx.

A graph from a file runs in a separate process. The module `process` starts it, and the module `worker` runs
in it. Only a graph that this package has created runs in the caller's process.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ..._util.errors import import_extra

Array: TypeAlias = npt.NDArray[Any]

INSTALL = "mtcnn-cpp[onnx]"


class Sessions:
    """One graph in a runtime.

    There is one session for the complete graph, and one for each set of inputs and outputs of a partial run.
    Each session is created when it is needed for the first time.

    Args:
        data: The serialised graph.
        runtime: "onnxruntime", or "onnx" for the reference evaluator of onnx.
        optimise: Whether ONNX Runtime may fuse and rearrange nodes.
        threads: Number of threads of ONNX Runtime. 0: ONNX Runtime chooses the number.
        providers: Execution providers of ONNX Runtime, in order of preference.
    """

    def __init__(
        self, data: bytes, *, runtime: str, optimise: bool, threads: int, providers: Sequence[str]
    ) -> None:
        self._data = data
        self._runtime = runtime
        self._optimise = optimise
        self._threads = threads
        self._providers = list(providers)
        self._sessions: dict[tuple[tuple[str, ...], ...], Any] = {}

    def run(self, inputs: Mapping[str, Array], outputs: Sequence[str], *, part: bool) -> dict[str, Array]:
        """Run the graph and return the outputs by name.

        If `part` is true, only the nodes between these inputs and outputs run. Otherwise the complete graph
        runs.
        """
        session = self._session(inputs, outputs) if part else self.full_session()
        if self._runtime == "onnx":
            found = session.run(list(outputs), dict(inputs))
        else:
            options = import_extra("onnxruntime", INSTALL, "running ONNX").RunOptions()
            options.log_severity_level = 4
            found = session.run(list(outputs), dict(inputs), options)
        return {name: np.asarray(values) for name, values in zip(outputs, found, strict=True)}

    def full_session(self) -> Any:
        """Return the session for the complete graph."""
        if () not in self._sessions:
            self._sessions[()] = self._make(self._data)
        return self._sessions[()]

    def _session(self, inputs: Mapping[str, Array], outputs: Sequence[str]) -> Any:
        key = (tuple(inputs), tuple(outputs))
        if key not in self._sessions:
            self._sessions[key] = self._make(extract_subgraph(self._data, inputs, outputs))
        return self._sessions[key]

    def _make(self, data: bytes) -> Any:
        if self._runtime == "onnx":
            return import_extra("onnx.reference", INSTALL, "running ONNX").ReferenceEvaluator(data)
        runtime = import_extra("onnxruntime", INSTALL, "running ONNX")
        options = runtime.SessionOptions()
        if not self._optimise:
            options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads = self._threads
        # Each session has its own threads. If they spin while they wait, they slow the other sessions down.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 4  # print no errors, because they are also raised
        return runtime.InferenceSession(data, options, providers=self._providers)


def extract_subgraph(data: bytes, inputs: Mapping[str, Array], outputs: Sequence[str]) -> bytes:
    """Return a graph that contains only the nodes between the given inputs and outputs.

    The arrays in `inputs` determine the types and ranks of the inputs.

    Raises ValueError if an output depends on an input of the graph that is not in `inputs`.
    """
    onnx = import_extra("onnx", INSTALL, "running ONNX")
    model = onnx.load_model_from_string(data)
    graph = model.graph
    producers = {name: index for index, node in enumerate(graph.node) for name in node.output if name}
    pending = [name for name in outputs if name not in inputs]
    kept: set[int] = set()
    while pending:
        name = pending.pop()
        index = producers.get(name)
        if index is None and any(name == value.name for value in graph.input):
            raise ValueError(
                f"{', '.join(outputs)}: expected outputs that depend only on {', '.join(inputs)}, "
                f"found a dependency on {name!r}"
            )
        if index is not None and index not in kept:
            kept.add(index)
            pending += [name for name in input_names(graph.node[index]) if name and name not in inputs]
    nodes = [graph.node[index] for index in sorted(kept)]
    make, number = onnx.helper.make_tensor_value_info, onnx.helper.np_dtype_to_tensor_dtype
    entries = [make(name, number(array.dtype), [None] * array.ndim) for name, array in inputs.items()]
    results = [onnx.ValueInfoProto(name=name) for name in outputs]
    part = onnx.ModelProto()
    part.CopyFrom(model)
    part.graph.CopyFrom(onnx.helper.make_graph(nodes, graph.name, entries, results, graph.initializer))
    result: bytes = part.SerializeToString()
    return result


def input_names(node: Any) -> Iterator[str]:
    """Yield the inputs of a node and of all nodes in its nested graphs."""
    yield from node.input
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                yield from input_names(inner)


def first_line(error: BaseException) -> str:
    """Return the first line of the message of an error. If there is no message, return the class name."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
