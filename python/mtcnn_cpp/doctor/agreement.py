"""Does a graph compute what was read from it? It is run, and held against the network that was read.

So before a graph is called OpenFace's, exactly, its outputs have been seen to be those of OpenFace's network.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..formats.agreement.compute import PARTED, Wide, compute, compute_last
from ..formats.agreement.drawn import Drawn, Entry, check_memory, draw
from ..formats.agreement.outlets import TOLERANCE, distant, hold, lay, magnitude
from ..formats.agreement.running import Array, NotRun, Running
from ..formats.dat import from_network
from ..formats.errors import MissingExtra
from ..formats.found import FoundGraph, FoundLayer, FoundNetwork
from ..formats.heads import HEADS
from ..formats.recognise import official
from ..types import FloatArray, StageName
from .arrange import Order
from .findings import Finding
from .normalisation import RAW


@dataclass(frozen=True)
class Agreement:
    """What came of running a graph. `inputs`: how many images were run and agreed; `numbers`: how many output
    values were compared; `finding`: what speaks against it."""

    inputs: int
    numbers: int
    notes: tuple[str, ...] = ()
    finding: Finding | None = None


@dataclass(frozen=True)
class Subject:
    """A graph, and what it is held against. `found`: the network that was read from it. `truth`: what it
    should compute: OpenFace's own where nothing is wrong with the one that was read. `order`: which of
    OpenFace's values each output of the last layer is. `raw`: it wants raw pixels. `places`: our names of
    layers by theirs."""

    graph: FoundGraph
    found: FoundNetwork
    truth: FoundNetwork
    stage: StageName
    order: Order
    raw: bool
    places: Mapping[str, str]


def subject(
    found: FoundNetwork, stage: StageName, order: Order, places: Mapping[str, str], *, raw: bool, right: bool
) -> Subject:
    """`right`: nothing is wrong with what was read."""
    assert found.graph is not None
    truth = found
    if right:
        scale, shift = (RAW if raw else np.array([1.0, 0.0])).astype(np.float32)[:, None]
        truth = replace(from_network(official(stage), found.source), scale=scale, shift=shift)
    return Subject(found.graph, found, truth, stage, order, raw, places)


def check_run(one: Subject) -> Agreement:
    """Run the graph on every input that is drawn; the first that disagrees ends it."""
    inputs, numbers = 0, 0
    notes: list[str] = []
    try:
        notes += Entry.of(one.graph).limits(one.stage)
        check_memory(one.found, one.graph, one.stage)
        running = Running(one.graph.model)
        for drawn in draw(one.graph, one.stage, *wanted(one)):
            finding, compared, told = check_input(one, drawn, running)
            if finding is not None:
                return Agreement(inputs, numbers, (), finding)
            inputs, numbers = inputs + len(drawn.pictures), numbers + compared
            notes += told
    except (NotRun, MissingExtra) as error:
        return Agreement(inputs, numbers, (), not_run(one, str(error)))
    if not inputs or not numbers:
        return Agreement(inputs, numbers, (), not_run(one, "no input could be drawn for it"))
    return Agreement(inputs, numbers, tuple(dict.fromkeys(notes)))


def not_run(one: Subject, why: str) -> Finding:
    return Finding(last_place(one), "not-run", f"not run: {why}", exact=True)


def last_place(one: Subject) -> str:
    return list(one.places.values())[-1]


def wanted(one: Subject) -> tuple[Wide, Wide]:
    """Factor and shift that make the graph's input of OpenFace's values."""
    if one.raw:
        return 1 / RAW[:1], -RAW[1:] / RAW[0]
    scale, shift = one.found.scale, one.found.shift
    if scale is None or shift is None or not scale.all():
        return np.ones(1), np.zeros(1)
    return 1 / scale.astype(np.float64), -shift.astype(np.float64) / scale


def check_input(one: Subject, drawn: Drawn, running: Running) -> tuple[Finding | None, int, list[str]]:
    """A finding where an output disagrees or a head's values are nowhere; how many values were compared;
    notes."""
    try:
        last = compute_last(one.truth, drawn.pictures)
    except (ValueError, IndexError) as error:
        raise NotRun(f"what was read does not fit together ({error})") from error
    outputs = running.run(one.graph.picture, drawn.given)
    layers = {name: layer.name for name, layer in tensors_of(one.found, one.graph).items()}
    end = one.found.layers[-1].name
    inner = {name: layers[name] for name in outputs if layers.get(name, end) != end}
    wanted = set(inner.values())
    steps = compute(one.found, drawn.pictures) if wanted else ()
    values = {name: maps for name, maps in steps if name in wanted}
    missing, compared, notes = {name for name in HEADS if set(HEADS[name]) & set(one.order)}, 0, []
    for name, output in outputs.items():
        held = hold(output, last, one.order)
        if name in inner and near(output, values[inner[name]]):
            compared += output.size
        elif held is None:
            text = f"output {name!r} {output.shape} is none of the network's"
            return Finding(last_place(one), "computes", text, {"input": drawn.words}, exact=True), 0, []
        elif held.distance > TOLERANCE:
            return disagreement(one, drawn, running, f"output {name!r}", held.distance), 0, []
        else:
            compared += output.size
            missing -= held.heads
            if held.axes:
                notes.append(f"output {name!r} {words(held.axes)}")
    if missing:
        text = f"no output holds OpenFace's {', '.join(sorted(missing))} values"
        return Finding(last_place(one), "computes", text, exact=True), 0, []
    return None, compared, notes


def words(axes: str) -> str:
    return f"lies as ({', '.join('channel' if letter == 'c' else letter for letter in axes)})"


def disagreement(one: Subject, drawn: Drawn, running: Running, where: str, distance: float) -> Finding:
    """The first place in which the graph and what was read from it part."""
    layer = last_place(one)
    for theirs, apart in apart_layers(one, drawn):
        if apart > PARTED:
            layer, where, distance = one.places.get(theirs, layer), repr(theirs), apart
            break
    text = f"read as OpenFace's, but computes something else: first seen in {where}"
    evidence = {"differs by": f"{distance:.1e} of the magnitudes added up", "input": drawn.words}
    return Finding(layer, "computes", text, evidence, exact=True)


def apart_layers(one: Subject, drawn: Drawn) -> Iterator[tuple[str, float]]:
    """Each layer whose tensor the graph names, by their name, and how far it is from what was read."""
    tensors = {layer.name: tensor for tensor, layer in tensors_of(one.found, one.graph).items()}
    biases = {layer.name: layer.bias for layer in one.found.weighted}
    try:
        outputs = Running(one.graph.model, tensors.values()).run(one.graph.picture, drawn.given)
    except NotRun:
        return  # it ran before: then only the output is known
    for name, values in compute(one.found, drawn.pictures):
        if name in tensors:
            yield name, apart(outputs[tensors[name]], values, biases.get(name))


def apart(output: Array, values: Wide, bias: FloatArray | None) -> float:
    """How far a tensor is from a layer's values, however it lies. A node of its own may add the bias."""
    expected = [values]
    if bias is not None:
        expected.append(values - (bias if values.ndim == 2 else bias[:, None, None]))
    ways = [
        distant(output, laid, magnitude(values)) for one in expected for _, laid in lay(one, output.shape)
    ]
    return min(ways, default=float("inf"))


def near(output: Array, values: Wide) -> bool:
    return apart(output, values, None) <= PARTED


def tensors_of(found: FoundNetwork, graph: FoundGraph) -> dict[str, FoundLayer]:
    """The layers that were read, by the tensor that leaves their node, where the node's name is its own."""
    nodes: dict[str, list[str]] = {}
    for node in graph.model.graph.node:
        nodes.setdefault(str(node.name or node.output[0]), []).append(str(node.output[0]))
    made = {str(name) for node in graph.model.graph.node for name in node.output}
    result: dict[str, FoundLayer] = {}
    for layer in found.layers:
        tensors = nodes.get(layer.name, [layer.name] if layer.name in made else [])
        if len(tensors) == 1:
            result[tensors[0]] = layer
    return result
