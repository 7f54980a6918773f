"""Networks in ONNX Runtime."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..formats.errors import PortError, need
from ..formats.onnx.export import onnx_model
from ..formats.onnx.file import read_model
from ..model import Model
from ..reference.plan import STAGES
from .protocol import Settings
from .runner import INPUT, Array, RunnerBackend, split_run

if TYPE_CHECKING:
    import onnx


class OnnxRunner:
    """One network in ONNX Runtime, its tensors named as in a trace; `export_onnx` writes such files.

    `source`: a path or a ModelProto. `providers`: execution providers, best first (None: the CPU); ValueError
    where this installation has none of them. `threads`: 0 lets ONNX Runtime choose. Raises PortError for a
    file that is no such network, MissingExtra without onnx or onnxruntime.
    """

    def __init__(
        self,
        source: str | Path | onnx.ModelProto,
        *,
        providers: Sequence[str] | None = None,
        threads: int = 0,
    ) -> None:
        self._runtime = need("onnxruntime", "'mtcnn-cpp[onnx]'", "running ONNX")
        self._onnx = need("onnx", "'mtcnn-cpp[onnx]'", "running ONNX")
        self.title = "onnx"
        self._model = read_model(source) if isinstance(source, (str, Path)) else source
        made = [output for node in self._model.graph.node for output in node.output]
        self.names = tuple(name for name in made if name.isalnum() and name[-1].isdigit())
        entry = [value.name for value in self._model.graph.input]
        if entry != [INPUT] or not self.names or self.names[-1] != made[-1]:
            title = source if isinstance(source, (str, Path)) else "graph"
            raise PortError(
                f"{title}: expected one input named 'input' and layers named conv1, prelu1, …, found input "
                f"{', '.join(entry)}; import it and export it anew: mtcnn-cpp export onnx OUT --model FOLDER"
            )
        self._providers = choose_providers(providers, self._runtime.get_available_providers())
        self._threads = threads
        self._sessions: dict[tuple[str, ...], Any] = {}

    def run(self, inputs: Mapping[str, Array], outputs: Iterable[str] | None = None) -> dict[str, Array]:
        """As `Runner.run`. PortError for layers that do not fit each other.

        A session runs from one input to certain outputs; it is made when these are first asked for.
        """
        given, batch, asked = split_run(self.names, inputs, outputs)
        key = (given, *asked)
        try:
            if key not in self._sessions:
                self._sessions[key] = self._session(given, asked)
            found = self._sessions[key].run(asked, {given: batch})
        except Exception as error:  # onnxruntime's own classes, which have no common name of their own
            reason = str(error).strip().partition("\n")[0]
            raise PortError(
                f"ONNX Runtime cannot run the layers from {given} to {asked[-1]}: {reason}"
            ) from error
        return dict(zip(asked, found, strict=True))

    def _session(self, given: str, asked: list[str]) -> Any:
        part = self._onnx.utils.Extractor(self._model).extract_model([given], asked)
        options = self._runtime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.log_severity_level = 3
        return self._runtime.InferenceSession(part.SerializeToString(), options, providers=self._providers)

    def used_providers(self) -> tuple[str, ...]:
        """The execution providers that ONNX Runtime really uses for the network, best first."""
        key = INPUT, self.names[-1]
        if key not in self._sessions:
            self._sessions[key] = self._session(INPUT, [self.names[-1]])
        return tuple(self._sessions[key].get_providers())


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
        stage.name: OnnxRunner(
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
