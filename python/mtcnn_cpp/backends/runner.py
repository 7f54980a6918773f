"""One interface for all implementations of a network. It takes a named input and returns named outputs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..model import Model
from ..reference.cascade import detect
from ..reference.network import BatchHook, layer_index
from ..reference.plan import map_size, stage_name
from ..reference.types import CancellationSource, Faces
from ..types import StageName
from .engine import Backend, Request

Array = npt.NDArray[Any]
INPUT = "input"


class NetworkRunner(Protocol):
    """Runs one network.

    Attributes:
        title: Name of the implementation in reports.
        names: Names of the layers in execution order, as in a trace.
    """

    title: str
    names: tuple[str, ...]

    def run(self, inputs: Mapping[str, Array], outputs: Iterable[str] | None = None) -> dict[str, Array]:
        """Run the network, or a part of it.

        Args:
            inputs: One entry: the name of a batch, and the batch, float32. If the name is "input", the batch
                contains images (N, 3, H, W), and the network runs from its first layer. If the name is the
                name of a layer, the batch contains outputs of this layer, (N, C, h, w) or (N, C). In this
                case, the network runs from the next layer.
            outputs: Names of the requested layers. None: all layers after the input.

        Returns:
            The requested outputs by name of the layer, in execution order. They are float32, and their shapes
            are (N, C, h, w) or (N, C).

        Raises:
            ValueError: If a name is unknown, or a requested layer is not after the input.
        """
        ...


def split_run(
    names: tuple[str, ...], inputs: Mapping[str, Array], outputs: Iterable[str] | None
) -> tuple[str, Array, list[str]]:
    """Check the arguments of `NetworkRunner.run`.

    Return the name of the input, its batch, and the requested layers in execution order.
    """
    if len(inputs) != 1:
        raise ValueError(f"expected one named input, found {len(inputs)}: {', '.join(inputs)}")
    ((start, array),) = inputs.items()
    order = (INPUT, *names)
    if start not in order:
        raise ValueError(f"no tensor named {start!r}; expected one of {', '.join(order)}")
    after = order[order.index(start) + 1 :]
    requested = set(after if outputs is None else outputs)
    if not requested <= set(after):
        wrong = ", ".join(sorted(requested - set(after)))
        raise ValueError(f"no layer {wrong} after {start!r}; expected one of {', '.join(after)}")
    return start, array, [name for name in after if name in requested]


class LayerwiseRunner:
    """Runs one network of a backend layer by layer."""

    def __init__(self, backend: Backend, stage: StageName, names: tuple[str, ...]) -> None:
        self.title = backend.name
        self.names = names
        self._layer: Callable[[str, Array], Array] = lambda name, maps: backend.layer(stage, name, maps)

    def run(self, inputs: Mapping[str, Array], outputs: Iterable[str] | None = None) -> dict[str, Array]:
        start, batch, requested = split_run(self.names, inputs, outputs)
        first = (INPUT, *self.names).index(start)
        results: dict[str, list[Array]] = {name: [] for name in requested}
        for maps in batch:
            for name in self.names[first:]:
                maps = self._layer(name, np.ascontiguousarray(maps))
                if name in results:
                    results[name].append(maps)
        return {name: np.stack(items) for name, items in results.items()}


class CascadeBackend:
    """Runs the cascade of the reference implementation with networks in other runtimes.

    Args:
        name: Name of the backend.
        runners: One runner for each network.
        model: The networks. Only the sizes of the layers are used; the runners compute the layers.
        providers: Execution providers that the runtime uses. None: unknown.
    """

    def __init__(
        self,
        name: str,
        runners: Mapping[StageName, NetworkRunner],
        model: Model,
        providers: tuple[str, ...] | None = None,
    ) -> None:
        self.name = name
        self.providers = providers
        self.runners = dict(runners)
        self._model = model

    def detect(self, request: Request) -> Faces:
        """See `Backend.detect`. `request.threads` has no effect, because each runtime has its own setting."""
        return detect(
            self, request.image, is_rgb=request.is_rgb, options=request.options,
            hook=request.hook, cancellation=request.cancellation,
        )  # fmt: skip

    def make_cancellation(self) -> CancellationSource:
        return threading.Event()

    def map_size(self, stage: StageName, height: int, width: int) -> tuple[int, int] | None:
        return map_size(self._model.networks[stage], height, width)

    def forward(self, stage: StageName, maps: Array, hook: BatchHook | None = None) -> Array:
        """Return the output of a network for maps (N, 3, H, W).

        `hook(index, layer, output)` is called for each item of the batch and for each layer.
        """
        runner = self.runners[stage]
        last = runner.names[-1]
        outputs = runner.run({INPUT: maps}, None if hook else [last])
        if hook:
            for index in range(len(maps)):
                for name, array in outputs.items():
                    hook(index, name, array[index])
        return outputs[last]

    def layer(self, stage: StageName, name: str, maps: Array) -> Array:
        """Run one layer as `Backend.layer` does."""
        runner = self.runners[stage_name(stage)]
        source = (INPUT, *runner.names)[layer_index(stage, runner.names, name)]
        output: Array = runner.run({source: maps[None]}, [name])[name][0]
        return output
