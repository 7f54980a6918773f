"""Recording an ONNX port in ONNX Runtime: every tensor of its graph, under our names."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from ...formats.errors import PortError, need
from ...formats.onnx.file import read_model
from ...formats.onnx.guarded import GuardedGraph, NotRun
from ..errors import TraceError
from ..names import hint
from .batches import Batches

EXTRA = "'mtcnn-cpp[onnx]'"


class OnnxRecorder(Batches):
    """Runs ONNX graphs in ONNX Runtime, and records any of their tensors, outputs of the graph or not:

        recorder = OnnxRecorder()
        outputs = recorder.run("rnet.onnx", {"input": batch}, {"conv1": "rnet/crop*/conv1"})
        recorder.trace(picture=image).save("mine.npz")

    See `Batches` for the names. What no graph computes (lists of boxes) goes in by `add`.
    """

    def run(
        self,
        path: str | os.PathLike[str],
        feeds: Mapping[str, NDArray[Any]],
        names: Mapping[str, str],
        *,
        providers: Sequence[str] = ("CPUExecutionProvider",),
    ) -> dict[str, NDArray[Any]]:
        """Run the graph on one batch. names: tensors of the graph (its inputs too) to the names of tensors.

        The graph runs in a process of its own, with limits (`formats.graph_limits`).

        Returns the graph's own outputs by name. Raises TraceError for a tensor that the graph lacks, and for
        what ONNX Runtime refuses or a limit stops, MissingExtra without onnx or onnxruntime, PortError for a
        damaged file.
        """
        onnx = need("onnx", EXTRA, "reading ONNX")
        model = read_model(os.fspath(path))
        made = [output for node in model.graph.node for output in node.output]
        own = [value.name for value in model.graph.output]
        for name in names:
            if name not in made and name not in feeds:
                raise TraceError(f"{path}: the graph has no tensor {name!r}{hint(name, made)}")
        more = [name for name in names if name not in own and name not in feeds]
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in more)
        try:
            graph = GuardedGraph(model, runtime="onnxruntime", threads=0, providers=providers)
            found = graph.run(feeds, [*own, *more])
        except (NotRun, PortError) as error:
            raise TraceError(f"{path}: ONNX Runtime cannot run the graph ({error})") from error
        for name, ours in names.items():
            self.add(ours, found[name] if name in found else feeds[name])
        return {name: found[name] for name in own}
