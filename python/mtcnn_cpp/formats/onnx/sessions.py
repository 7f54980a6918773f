"""Sessions of a runtime on one graph: ONNX Runtime, or onnx's evaluator.

A graph from a file runs here in a process of its own (`worker`, started by `guarded`); only a graph that this
package has just made itself runs in the caller's process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ..errors import need

Array: TypeAlias = npt.NDArray[Any]
Run: TypeAlias = Callable[[list[str], dict[str, Array]], Sequence[Any]]

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
        session = self.session(list(inputs), list(outputs), part=part)
        if self._runtime == "onnx":
            found = session.run(list(outputs), dict(inputs))
        else:
            options = need("onnxruntime", INSTALL, "running ONNX").RunOptions()
            options.log_severity_level = 4
            found = session.run(list(outputs), dict(inputs), options)
        return {name: np.asarray(values) for name, values in zip(outputs, found, strict=True)}

    def session(self, inputs: Sequence[str], outputs: Sequence[str], *, part: bool) -> Any:
        """The session for these inputs and outputs."""
        key = (tuple(inputs), tuple(outputs)) if part else ()
        if key not in self._made:
            self._made[key] = self._make(self._cut_out(inputs, outputs) if part else self._data)
        return self._made[key]

    def _cut_out(self, inputs: Sequence[str], outputs: Sequence[str]) -> bytes:
        onnx = need("onnx", INSTALL, "running ONNX")
        extractor = need("onnx.utils", INSTALL, "running ONNX").Extractor(
            onnx.load_model_from_string(self._data)
        )
        data: bytes = extractor.extract_model(list(inputs), list(outputs)).SerializeToString()
        return data

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


def reason(error: BaseException) -> str:
    """The first line of an error, or its class."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
