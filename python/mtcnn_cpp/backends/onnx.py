"""The backend that runs the networks in ONNX Runtime."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from .._util.cpus import check_threads
from .._util.errors import import_extra
from ..formats.errors import PortError
from ..formats.onnx.export import onnx_model
from ..formats.onnx.graph import read_model
from ..formats.onnx.process import GraphRunError, GuardedGraph
from ..formats.onnx.sessions import Sessions, first_line
from ..model import Model
from ..reference.plan import STAGES
from .engine import Settings
from .runner import INPUT, Array, CascadeBackend, split_run

if TYPE_CHECKING:
    import onnx


class Graph(Protocol):
    """A graph that can be run completely or in part."""

    def run(self, inputs: Mapping[str, Array], outputs: Sequence[str], *, part: bool) -> dict[str, Array]: ...


class OnnxRunner:
    """Runs one network in ONNX Runtime.

    The input of the graph must be named "input", and the outputs of the layers must be named as in a trace
    (conv1, prelu1, …). `export_onnx` writes graphs with these names.

    The graph is untrusted, so it runs in a separate process with limits (`formats.graph_limits`).

    Args:
        source: Path of an ONNX file, or a `ModelProto`.
        providers: Execution providers, in order of preference. None: the CPU.
        threads: Number of threads of ONNX Runtime, from 1 to 1024. None: the default of ONNX Runtime.
        layers: Names of the layers in execution order. None: the layers are all node outputs whose names
            have the form of conv1 (letters and digits, with a digit at the end). In this case, the last node
            output must have a name of this form.

    Attributes:
        names: Names of the layers in execution order.
        outputs: Names of the graph outputs.

    Raises:
        PortError: If the file is not ONNX, if the tensors have other names, or if ONNX Runtime cannot load
            the graph.
        ValueError: If this installation has none of the providers, or `threads` is out of range.
        MissingExtra: If onnx or onnxruntime is not installed.
    """

    def __init__(
        self,
        source: str | Path | onnx.ModelProto,
        *,
        providers: Sequence[str] | None = None,
        threads: int | None = None,
        layers: Sequence[str] | None = None,
    ) -> None:
        count = check_threads(threads, default="ONNX Runtime's default") or 0
        self._runtime = import_extra("onnxruntime", "mtcnn-cpp[onnx]", "running ONNX")
        import_extra("onnx", "mtcnn-cpp[onnx]", "running ONNX")
        self.title = "onnx"
        self._source = str(source) if isinstance(source, (str, Path)) else "graph"
        model = read_model(source) if isinstance(source, (str, Path)) else source
        produced = [output for node in model.graph.node for output in node.output]
        found = tuple(name for name in produced if name.isalnum() and name[-1].isdigit())
        inputs = [value.name for value in model.graph.input]
        if layers is not None and not set(layers) <= set(produced):
            raise PortError(
                f"{self._source}: expected layers {', '.join(layers)}, found {', '.join(found) or 'none'}"
            )
        self.names = found if layers is None else tuple(layers)
        self.outputs = tuple(value.name for value in model.graph.output)
        if inputs != [INPUT] or not self.names or (layers is None and self.names[-1] != produced[-1]):
            raise PortError(
                f"{self._source}: expected one input named 'input' and layers named conv1, prelu1, …, found "
                f"input {', '.join(inputs)}; to get these names, export the networks again: "
                "mtcnn-cpp export onnx OUT --model FOLDER"
            )
        self._providers = choose_providers(providers, self._runtime.get_available_providers())
        try:
            self._graph = self._open(model, count)
        except GraphRunError as error:
            raise PortError(f"{self._source}: ONNX Runtime cannot load the graph: {error}") from error

    def _open(self, model: onnx.ModelProto, threads: int) -> Graph:
        return GuardedGraph(
            model,
            runtime="onnxruntime",
            optimise=True,
            threads=threads,
            providers=self._providers,
            in_parts=True,
        )

    def run(self, inputs: Mapping[str, Array], outputs: Iterable[str] | None = None) -> dict[str, Array]:
        """Run the network as `NetworkRunner.run` does.

        Raises PortError if ONNX Runtime reports an error, or if the run exceeds a limit.
        """
        start, batch, requested = split_run(self.names, inputs, outputs)
        try:
            return self._graph.run({start: batch}, requested, part=True)
        except Exception as error:  # the exceptions of onnxruntime have no common base class
            raise PortError(
                f"{self._source}: ONNX Runtime cannot run the layers from {start} to {requested[-1]}: "
                f"{first_line(error)}"
            ) from error

    def run_outputs(self, batch: Array) -> dict[str, Array]:
        """Run the graph on a batch of images and return its outputs by name. Raises the errors of `run`."""
        try:
            return self._graph.run({INPUT: batch}, self.outputs, part=False)
        except Exception as error:
            raise PortError(
                f"{self._source}: ONNX Runtime cannot run the graph: {first_line(error)}"
            ) from error


class InProcessOnnxRunner(OnnxRunner):
    """Runs a network in this process. The network is trusted, because this process has exported it."""

    def _open(self, model: onnx.ModelProto, threads: int) -> Sessions:
        return Sessions(
            model.SerializeToString(),
            runtime="onnxruntime",
            optimise=True,
            threads=threads,
            providers=self._providers,
        )

    def used_providers(self) -> tuple[str, ...]:
        """Return the execution providers that ONNX Runtime uses, in order of preference."""
        assert isinstance(self._graph, Sessions)
        return tuple(self._graph.full_session().get_providers())


def choose_providers(requested: Sequence[str] | None, available: Sequence[str]) -> list[str]:
    """Return the available providers among the requested ones. `requested` None means the CPU.

    Raises ValueError if none of them is available.
    """
    chosen = [name for name in requested or ["CPUExecutionProvider"] if name in available]
    if not chosen:
        raise ValueError(
            f"providers: expected at least one of {', '.join(available)}, found {', '.join(requested or [])}"
        )
    return chosen


def make(name: str, model: Model, settings: Settings) -> CascadeBackend:
    """Return the backend "onnx", which runs the networks of the model in ONNX Runtime.

    Raises the errors of `OnnxRunner`. Warns if ONNX Runtime does not use a requested provider.
    """
    runners = {
        stage.name: InProcessOnnxRunner(
            onnx_model(model.networks[stage.name], stage.side, stage.file_name),
            providers=settings.providers,
            threads=settings.threads,
        )
        for stage in STAGES.values()
    }
    used = runners["pnet"].used_providers()
    unused = [provider for provider in settings.providers or () if provider not in used]
    if unused:
        warnings.warn(
            f"providers: ONNX Runtime does not use {', '.join(unused)}; it uses {', '.join(used)}",
            RuntimeWarning,
            stacklevel=4,  # the warning points to the line that creates the Detector
        )
    return CascadeBackend("onnx", runners, model, used)
