"""Running somebody's graph as it stands, in ONNX Runtime, or in onnx's evaluator where that is missing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ..formats.errors import MissingExtra, need

if TYPE_CHECKING:
    import onnx

Array: TypeAlias = npt.NDArray[Any]
SECONDS = 60.0  # longer than any of the three networks takes by far


class NotRun(Exception):
    """Why a graph could not be run, in words."""


class Running:
    """A graph ready to run. `names`: its outputs, then the other tensors that were asked for.

    Nothing in the graph is rearranged or fused. Raises NotRun where there is no runtime for it, or a node
    holds a graph of its own: that may run for ever.
    """

    def __init__(self, model: onnx.ModelProto, tensors: Iterable[str] = ()) -> None:
        onnx = need("onnx", "'mtcnn-cpp[onnx]'", "reading ONNX")
        for node in model.graph.node:
            if any(item.HasField("g") or item.graphs for item in node.attribute):
                raise NotRun(
                    f"node {node.name or node.output[0]!r} ({node.op_type}) holds a graph of its own"
                )
        self.names = [value.name for value in model.graph.output]
        more = [name for name in tensors if name not in self.names]
        if more:
            wider = onnx.ModelProto()
            wider.CopyFrom(model)
            wider.graph.output.extend(onnx.ValueInfoProto(name=name) for name in more)
            model, self.names = wider, self.names + more
        try:
            self._run = prepare(model)
        except Exception as error:  # the runtimes' classes have no common base
            raise NotRun(reason(error)) from error

    def run(self, picture: str, values: Array) -> dict[str, Array]:
        """The tensors by name, for one input. NotRun where the runtime gives up or takes too long."""
        try:
            found = self._run(self.names, {picture: values})
        except Exception as error:
            raise NotRun(reason(error)) from error
        return dict(zip(self.names, map(np.asarray, found), strict=True))


def prepare(model: onnx.ModelProto) -> Callable[[list[str], dict[str, Array]], list[Array]]:
    """A function of the names of tensors and the inputs that runs the graph."""
    try:
        runtime = need("onnxruntime", "'mtcnn-cpp[onnx]'", "running ONNX")
    except MissingExtra:
        evaluator = need("onnx.reference", "'mtcnn-cpp[onnx]'", "running ONNX").ReferenceEvaluator(model)
        return lambda names, inputs: list(evaluator.run(names, inputs))
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4  # its errors are raised; it need not print them too
    session = runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def run(names: list[str], inputs: dict[str, Array]) -> list[Array]:
        one = runtime.RunOptions()
        one.log_severity_level = 4
        watch = threading.Timer(SECONDS, setattr, (one, "terminate", True))
        watch.daemon = True
        watch.start()
        try:
            return list(session.run(names, inputs, one))
        finally:
            watch.cancel()

    return run


def reason(error: Exception) -> str:
    """The first line of an error, or its class."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
