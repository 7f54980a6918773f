"""Running somebody's graph as it stands, in a process of its own (`formats.onnx.guarded`)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy.typing as npt

from ..errors import need
from ..onnx.guarded import GuardedGraph, NotRun

if TYPE_CHECKING:
    import onnx

__all__ = ["Array", "NotRun", "Running"]

Array: TypeAlias = npt.NDArray[Any]


class Running:
    """A graph ready to run. `names`: its outputs, then the other tensors that were requested.

    Nothing in the graph is rearranged or fused. Raises NotRun if the runtime refuses it or it exceeds a limit
    (`formats.graph_limits`), MissingExtra if there is no runtime.
    """

    def __init__(self, model: onnx.ModelProto, tensors: Iterable[str] = ()) -> None:
        onnx = need("onnx", "'mtcnn-cpp[onnx]'", "reading ONNX")
        self.names = [value.name for value in model.graph.output]
        more = [name for name in tensors if name not in self.names]
        if more:
            wider = onnx.ModelProto()
            wider.CopyFrom(model)
            wider.graph.output.extend(onnx.ValueInfoProto(name=name) for name in more)
            model, self.names = wider, self.names + more
        self._graph = GuardedGraph(model)

    def run(self, picture: str, values: Array) -> dict[str, Array]:
        """The tensors by name, for one input. NotRun if the runtime reports an error or a limit is
        exceeded."""
        return self._graph.run({picture: values}, self.names)
