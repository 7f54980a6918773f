"""Feeding an engine's layers with what a trace recorded: each alone, or a whole network in a chain."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np

from ...backends.engine import Engine
from ...backends.runner import INPUT, Array, BackendRunner, Runner, RunnerBackend
from ...types import StageName
from ..file.npz import NpzWriter
from ..file.recorder import Recorder
from ..file.trace import PICTURE, Trace, finish
from ..names import layer_inputs, stage_of

GROUP = 64  # crops in one batch


def feed(
    reference: Trace,
    engine: Engine,
    path: Path,
    *,
    source: str,
    chained: bool = False,
    limit: int | None = None,
    used: int = 0,
) -> Trace:
    """What the engine's layers make of the reference's tensors, as a trace in the file `path`.

    Every layer is fed the input that the reference recorded. With `chained`, a network's first layer is, and
    each other layer gets what the one before it gave. Layers that the engine lacks are left out. reference: a
    complete trace with values. source: what reports call the new trace. limit, used: as of `dump`.
    """
    inputs = layer_inputs(reference.names)
    runners = _runners(engine)
    with NpzWriter(path) as writer:
        recorder = Recorder("full", writer.add, (), limit, used)
        if reference.manifest.picture is not None:
            writer.add(PICTURE, reference.picture)
        for places, layers in _batches(reference, inputs):
            runner = runners[stage_of(places[0])]
            layers = [layer for layer in layers if layer in runner.names]

            def batch(layer: str, places: Sequence[str] = places) -> Array:
                return np.stack([reference[inputs[f"{place}/{layer}"]] for place in places])

            runs = [layers] if chained else [[layer] for layer in layers]
            outputs = _outputs(runner, filter(None, runs), batch)
            for index, place in enumerate(places):
                for layer in layers:
                    if index < len(outputs[layer]):  # a port may get the number of crops wrong
                        recorder.tap(f"{place}/{layer}", outputs[layer][index])
        about = dataclasses.replace(reference.manifest, tensors=tuple(recorder.entries), model={}, made_by={})
        finish(writer, about)
    return Trace.load(path, source=source)


def _runners(engine: Engine) -> Mapping[StageName, Runner]:
    backend = engine.backend
    if isinstance(backend, RunnerBackend):
        return backend.runners
    return {stage: BackendRunner(backend, stage, names) for stage, names in engine.model.layer_names.items()}


def _batches(reference: Trace, inputs: Mapping[str, str]) -> Iterator[tuple[list[str], list[str]]]:
    """Levels or crops that can be computed together, in order, and the layers that the reference has of
    them."""
    layers: dict[str, list[str]] = {}
    for name in inputs:
        place, _, layer = name.rpartition("/")
        layers.setdefault(place, []).append(layer)

    def kind(place: str) -> tuple[StageName, list[str], tuple[int, ...]]:
        first = inputs[f"{place}/{layers[place][0]}"]
        return stage_of(place), layers[place], reference.entry(first).shape

    for (_, common, _), group in groupby(layers, kind):
        places = list(group)
        for start in range(0, len(places), GROUP):
            yield places[start : start + GROUP], common


def _outputs(
    runner: Runner, runs: Iterable[Sequence[str]], batch: Callable[[str], Array]
) -> dict[str, Array]:
    """Outputs by layer. A run is of layers that follow each other; `batch` gives the input of its first."""
    before = dict(zip(runner.names, (INPUT, *runner.names), strict=False))
    outputs: dict[str, Array] = {}
    for layers in runs:
        outputs |= runner.run({before[layers[0]]: batch(layers[0])}, layers)
    return outputs
