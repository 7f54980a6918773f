"""Networks in ONNX Runtime."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..formats.errors import PortError, need
from ..formats.onnx.export import onnx_model
from ..formats.onnx.file import read_model
from ..formats.onnx.guarded import GuardedGraph, NotRun
from ..formats.onnx.sessions import Sessions, reason
from ..model import Model
from ..reference.plan import STAGES
from .protocol import Settings
from .runner import INPUT, Array, RunnerBackend, split_run

if TYPE_CHECKING:
    import onnx


class Graph(Protocol):
    """A graph that can be run as a whole or in part."""

    def run(self, inputs: Mapping[str, Array], outputs: Sequence[str], *, part: bool) -> dict[str, Array]: ...


class OnnxRunner:
    """One network in ONNX Runtime, its tensors named as in a trace; `export_onnx` writes such files.

    The graph runs in a process of its own, with limits (`formats.graph_limits`): it may come
    from anybody.

    Args:
        source: A path or a ModelProto.
        providers: Execution providers, best first. None: the CPU.
        threads: Threads of ONNX Runtime. 0: its own choice.
        layers: The layers, in execution order. None: every tensor named like one, the last too.

    Raises:
        PortError: For a file that is no such network, or a graph that cannot be run.
        ValueError: If this installation has none of the providers.
        MissingExtra: Without onnx or onnxruntime.
    """

    def __init__(
        self,
        source: str | Path | onnx.ModelProto,
        *,
        providers: Sequence[str] | None = None,
        threads: int = 0,
        layers: Sequence[str] | None = None,
    ) -> None:
        self._runtime = need("onnxruntime", "'mtcnn-cpp[onnx]'", "running ONNX")
        need("onnx", "'mtcnn-cpp[onnx]'", "running ONNX")
        self.title = "onnx"
        self._source = str(source) if isinstance(source, (str, Path)) else "graph"
        model = read_model(source) if isinstance(source, (str, Path)) else source
        made = [output for node in model.graph.node for output in node.output]
        found = tuple(name for name in made if name.isalnum() and name[-1].isdigit())
        entry = [value.name for value in model.graph.input]
        if layers is not None and not set(layers) <= set(made):
            raise PortError(
                f"{self._source}: expected layers {', '.join(layers)}, found {', '.join(found) or 'none'}"
            )
        self.names = found if layers is None else tuple(layers)
        self.outputs = tuple(value.name for value in model.graph.output)
        if entry != [INPUT] or not self.names or (layers is None and self.names[-1] != made[-1]):
            raise PortError(
                f"{self._source}: expected one input named 'input' and layers named conv1, prelu1, …, found "
                f"input {', '.join(entry)}; import it and export it anew: mtcnn-cpp export onnx OUT --model "
                "FOLDER"
            )
        self._providers = choose_providers(providers, self._runtime.get_available_providers())
        try:
            self._graph = self._open(model, threads)
        except NotRun as error:
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
        """As `Runner.run`. PortError for layers that do not fit each other, and for a run that exceeds a
        limit."""
        given, batch, asked = split_run(self.names, inputs, outputs)
        try:
            return self._graph.run({given: batch}, asked, part=True)
        except Exception as error:  # onnxruntime's own classes, which have no common name of their own
            raise PortError(
                f"{self._source}: ONNX Runtime cannot run the layers from {given} to {asked[-1]}: "
                f"{reason(error)}"
            ) from error

    def run_outputs(self, batch: Array) -> dict[str, Array]:
        """The graph's own outputs by name, as a user of the file has them. Raises as `run`."""
        try:
            return self._graph.run({INPUT: batch}, self.outputs, part=False)
        except Exception as error:
            raise PortError(f"{self._source}: ONNX Runtime cannot run the graph: {reason(error)}") from error


class OwnRunner(OnnxRunner):
    """A network that was exported a moment ago, in this process: it runs here."""

    def _open(self, model: onnx.ModelProto, threads: int) -> Sessions:
        return Sessions(
            model.SerializeToString(),
            runtime="onnxruntime",
            optimise=True,
            threads=threads,
            providers=self._providers,
        )

    def used_providers(self) -> tuple[str, ...]:
        """The execution providers that ONNX Runtime really uses for the network, best first."""
        assert isinstance(self._graph, Sessions)
        return tuple(self._graph.whole().get_providers())


def choose_providers(wanted: Sequence[str] | None, available: Sequence[str]) -> list[str]:
    """Those of `wanted` (None: the CPU) that are available, in its order. ValueError where none is."""
    chosen = [name for name in wanted or ["CPUExecutionProvider"] if name in available]
    if not chosen:
        raise ValueError(
            f"providers: expected some of {', '.join(available)}, found {', '.join(wanted or [])}"
        )
    return chosen


def make(name: str, model: Model, settings: Settings) -> RunnerBackend:
    """The backend "onnx": the model's networks, exported in memory. Raises as `OnnxRunner`; warns where a
    provider that was asked for is not used."""
    runners = {
        stage.name: OwnRunner(
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
            stacklevel=4,  # the line that makes the Detector
        )
    return RunnerBackend("onnx", runners, model, used)
