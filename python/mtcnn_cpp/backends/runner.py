"""One interface to everything that computes a network: a named input goes in, named outputs come out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..model import Model
from ..reference.cascade import detect
from ..reference.network import BatchTap, layer_index
from ..reference.options import Options
from ..reference.plan import map_size, stage_name
from ..types import Faces, StageName, Stop, Tap
from .protocol import Backend

Array = npt.NDArray[Any]
INPUT = "input"


class Runner(Protocol):
    """One network. `names`: its layers in execution order, as in a trace; `title`: what reports call it."""

    title: str
    names: tuple[str, ...]

    def run(self, inputs: Mapping[str, Array], outputs: Iterable[str] | None = None) -> dict[str, Array]:
        """The outputs asked for (None: of all layers after the input), by layer name, in execution order.

        `inputs` holds one batch: under "input" pictures (N, 3, H, W), or under a layer's name that layer's
        output, from which the run goes on; so a single layer can be fed alone. All arrays are float32, maps
        (N, C, h, w) or values (N, C). ValueError for a name that is no layer, or comes before the input.
        """
        ...


def split_run(
    names: tuple[str, ...], inputs: Mapping[str, Array], outputs: Iterable[str] | None
) -> tuple[str, Array, list[str]]:
    """The arguments of `Runner.run`, checked: the input's name, its batch, and the layers to give, in
    execution order. ValueError for a wrong name."""
    if len(inputs) != 1:
        raise ValueError(f"expected one named input, found {len(inputs)}: {', '.join(inputs)}")
    ((given, array),) = inputs.items()
    order = (INPUT, *names)
    if given not in order:
        raise ValueError(f"no tensor named {given!r}; expected one of {', '.join(order)}")
    after = order[order.index(given) + 1 :]
    asked = set(after if outputs is None else outputs)
    if not asked <= set(after):
        wrong = ", ".join(sorted(asked - set(after)))
        raise ValueError(f"no layer {wrong} after {given!r}; expected some of {', '.join(after)}")
    return given, array, [name for name in after if name in asked]


class BackendRunner:
    """One network of a backend (a variant of the core, the reference) as a runner."""

    def __init__(self, backend: Backend, stage: StageName, names: tuple[str, ...]) -> None:
        self.title = backend.name
        self.names = names
        self._layer: Callable[[str, Array], Array] = lambda name, maps: backend.layer(stage, name, maps)

    def run(self, inputs: Mapping[str, Array], outputs: Iterable[str] | None = None) -> dict[str, Array]:
        given, batch, asked = split_run(self.names, inputs, outputs)
        start = (INPUT, *self.names).index(given)
        kept: dict[str, list[Array]] = {name: [] for name in asked}
        for maps in batch:
            for name in self.names[start:]:
                maps = self._layer(name, np.ascontiguousarray(maps))
                if name in kept:
                    kept[name].append(maps)
        return {name: np.stack(items) for name, items in kept.items()}


class RunnerBackend:
    """Three runners as a backend: the cascade of the reference, with networks that are computed elsewhere.

    `model` is asked for sizes only.
    """

    def __init__(
        self,
        name: str,
        runners: Mapping[StageName, Runner],
        model: Model,
        providers: tuple[str, ...] | None = None,
    ) -> None:
        self.name = name
        self.providers = providers  # what the runtime uses, if it tells
        self.runners = dict(runners)
        self._model = model

    def detect(
        self,
        image: Array,
        *,
        red_first: bool,
        options: Options,
        threads: int,
        tap: Tap | None = None,
        stop: Stop | None = None,
        memory_limit: int = 0,
    ) -> Faces:
        """As `Backend.detect`; `threads` has no effect: a runtime is told when it is made."""
        return detect(self, image, red_first=red_first, options=options, tap=tap, stop=stop)

    def make_stop(self) -> Stop:
        return threading.Event()

    def map_size(self, stage: StageName, height: int, width: int) -> tuple[int, int] | None:
        return map_size(self._model.networks[stage], height, width)

    def forward(self, stage: StageName, maps: Array, tap: BatchTap | None = None) -> Array:
        """The network's output for maps (N, 3, H, W). `tap(index, layer, output)` gets the output of every
        layer for every item of the batch."""
        runner = self.runners[stage]
        last = runner.names[-1]
        outputs = runner.run({INPUT: maps}, None if tap else [last])
        if tap:
            for index in range(len(maps)):
                for name, array in outputs.items():
                    tap(index, name, array[index])
        return outputs[last]

    def layer(self, stage: StageName, name: str, maps: Array) -> Array:
        """The output of one layer alone, of maps (C, h, w) or values (C,). ValueError for an unknown name."""
        runner = self.runners[stage_name(stage)]
        before = (INPUT, *runner.names)[layer_index(stage, runner.names, name)]
        output: Array = runner.run({before: maps[None]}, [name])[name][0]
        return output
