"""Runs a graph, and compares its outputs with those of the network that was read from the graph.

The doctor calls a graph exact only after it has compared the outputs with those of OpenFace's network.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..._util.errors import MissingExtra
from ...formats.agreement import (
    Array,
    GraphInput,
    InputSpec,
    RunnableGraph,
    check_input_memory,
    generate_inputs,
)
from ...formats.conventions import HEADS
from ...formats.evaluation import (
    LAYER_TOLERANCE,
    OUTPUT_TOLERANCE,
    DoubleArray,
    compute_last_layer,
    compute_layers,
    match_output,
    max_magnitude,
    possible_layouts,
    relative_difference,
)
from ...formats.found import FoundGraph, FoundLayer, FoundNetwork, official_network
from ...formats.onnx.process import GraphRunError
from ...formats.tables import to_found_network
from ...types import FloatArray, StageName
from .arrangement import Order
from .findings import Finding
from .values import PIXEL_NORMALISATION


@dataclass(frozen=True)
class Agreement:
    """Result of running a graph on generated images.

    inputs: Number of images for which the outputs agree. numbers: Number of compared values. finding: The
    first difference, or the reason why the graph could not be run; None if all outputs agree.
    """

    inputs: int
    numbers: int
    notes: tuple[str, ...] = ()
    finding: Finding | None = None


@dataclass(frozen=True)
class GraphUnderTest:
    """A graph and two networks: the network that was read from the graph, and the expected network.

    `found` is the network that was read. `expected` is the network that the graph should compute: OpenFace's
    network if `found` has no mistake, otherwise `found`. `order` contains OpenFace's index for each output of
    the last layer. `names` maps the port's layer names to OpenFace's layer names.
    """

    graph: FoundGraph
    found: FoundNetwork
    expected: FoundNetwork
    stage: StageName
    order: Order
    takes_pixels: bool
    names: Mapping[str, str]

    @property
    def last_layer(self) -> str:
        return list(self.names.values())[-1]


def graph_under_test(
    found: FoundNetwork,
    stage: StageName,
    order: Order,
    names: Mapping[str, str],
    *,
    takes_pixels: bool,
    right: bool,
) -> GraphUnderTest:
    """Return the graph with `found` and the expected network. `right`: whether `found` has no mistake."""
    assert found.graph is not None
    expected = found
    if right:
        normalisation = PIXEL_NORMALISATION if takes_pixels else np.array([1.0, 0.0])
        scale, shift = normalisation.astype(np.float32)[:, None]
        expected = replace(to_found_network(official_network(stage), found.source), scale=scale, shift=shift)
    return GraphUnderTest(found.graph, found, expected, stage, order, takes_pixels, names)


def run_graph(tested: GraphUnderTest) -> Agreement:
    """Run the graph on the generated inputs. Stop at the first difference."""
    inputs, numbers = 0, 0
    notes: list[str] = []
    try:
        notes += InputSpec.from_graph(tested.graph).restrictions(tested.stage)
        check_input_memory(tested.found, tested.graph, tested.stage)
        runnable = RunnableGraph(tested.graph.model)
        for batch in generate_inputs(tested.graph, tested.stage, *input_transform(tested)):
            finding, compared, new_notes = check_input(tested, batch, runnable)
            if finding is not None:
                return Agreement(inputs, numbers, (), finding)
            inputs, numbers = inputs + len(batch.images), numbers + compared
            notes += new_notes
    except (GraphRunError, MissingExtra) as error:
        return Agreement(inputs, numbers, (), not_run(tested, str(error)))
    if not inputs or not numbers:
        return Agreement(inputs, numbers, (), not_run(tested, "no input could be generated for it"))
    return Agreement(inputs, numbers, tuple(dict.fromkeys(notes)))


def not_run(tested: GraphUnderTest, reason: str) -> Finding:
    return Finding(tested.last_layer, "not-run", f"the graph could not be run: {reason}", exact=True)


def input_transform(tested: GraphUnderTest) -> tuple[DoubleArray, DoubleArray]:
    """Factor and shift that convert OpenFace's input into the graph's input."""
    if tested.takes_pixels:
        return 1 / PIXEL_NORMALISATION[:1], -PIXEL_NORMALISATION[1:] / PIXEL_NORMALISATION[0]
    scale, shift = tested.found.scale, tested.found.shift
    if scale is None or shift is None or not scale.all():
        return np.ones(1), np.zeros(1)
    return 1 / scale.astype(np.float64), -shift.astype(np.float64) / scale


def check_input(
    tested: GraphUnderTest, batch: GraphInput, runnable: RunnableGraph
) -> tuple[Finding | None, int, list[str]]:
    """Run the graph on one batch.

    Returns three items: a finding if an output differs or the values of a head are missing, otherwise None;
    the number of compared values; and notes.
    """
    try:
        last = compute_last_layer(tested.expected, batch.images)
    except (ValueError, IndexError) as error:
        raise GraphRunError(
            f"the layers that were read from the graph cannot be computed ({error})"
        ) from error
    outputs = runnable.run(tested.graph.input_name, batch.tensor)
    layers = {name: layer.name for name, layer in layers_by_tensor(tested.found, tested.graph).items()}
    end = tested.found.layers[-1].name
    inner = {name: layers[name] for name in outputs if layers.get(name, end) != end}
    needed = set(inner.values())
    steps = compute_layers(tested.found, batch.images) if needed else ()
    values = {name: maps for name, maps in steps if name in needed}
    missing, compared, notes = {name for name in HEADS if set(HEADS[name]) & set(tested.order)}, 0, []
    for name, output in outputs.items():
        match = match_output(output, last, tested.order)
        if name in inner and layer_distance(output, values[inner[name]], None) <= LAYER_TOLERANCE:
            compared += output.size
        elif match is None:
            text = f"output {name!r} {output.shape} is not an output of the network"
            return (
                Finding(tested.last_layer, "computes", text, {"input": batch.description}, exact=True),
                0,
                [],
            )
        elif match.difference > OUTPUT_TOLERANCE:
            return difference_finding(tested, batch, f"output {name!r}", match.difference), 0, []
        else:
            compared += output.size
            missing -= match.heads
            if match.axes:
                notes.append(f"output {name!r} has the axis order {axes_text(match.axes)}")
    if missing:
        text = f"no output contains OpenFace's {', '.join(sorted(missing))} values"
        return Finding(tested.last_layer, "computes", text, exact=True), 0, []
    return None, compared, notes


def axes_text(axes: str) -> str:
    return f"({', '.join('channel' if letter == 'c' else letter for letter in axes)})"


def difference_finding(tested: GraphUnderTest, batch: GraphInput, where: str, distance: float) -> Finding:
    """Return a finding that names the first layer whose output in the graph is wrong.

    If no layer is wrong, the finding contains the output `where` and its `distance`.
    """
    layer = tested.last_layer
    for name, difference in layer_distances(tested, batch):
        if difference > LAYER_TOLERANCE:
            layer, where, distance = tested.names.get(name, layer), repr(name), difference
            break
    text = f"the layers are OpenFace's, but the graph computes something else; first difference in {where}"
    evidence = {"differs by": f"{distance:.1e} of the sum of magnitudes", "input": batch.description}
    return Finding(layer, "computes", text, evidence, exact=True)


def layer_distances(tested: GraphUnderTest, batch: GraphInput) -> Iterator[tuple[str, float]]:
    """Yield name and distance for each layer of the port whose output tensor in the graph is known.

    See `layer_distance`.
    """
    tensors = {layer.name: name for name, layer in layers_by_tensor(tested.found, tested.graph).items()}
    biases = {layer.name: layer.bias for layer in tested.found.weighted}
    try:
        outputs = RunnableGraph(tested.graph.model, tensors.values()).run(
            tested.graph.input_name, batch.tensor
        )
    except GraphRunError:
        return  # the graph runs only without these additional outputs, so no inner layer can be compared
    for name, values in compute_layers(tested.found, batch.images):
        if name in tensors:
            yield name, layer_distance(outputs[tensors[name]], values, biases.get(name))


def layer_distance(output: Array, values: DoubleArray, bias: FloatArray | None) -> float:
    """Distance of a tensor from a layer's values.

    All possible axis orders are tried. The result is the smallest distance.

    The tensor may lack the bias, because another node of the graph may add it.
    """
    expected = [values]
    if bias is not None:
        expected.append(values - (bias if values.ndim == 2 else bias[:, None, None]))
    distances = [
        relative_difference(output, arranged, max_magnitude(values))
        for one in expected
        for _, arranged in possible_layouts(one, output.shape)
    ]
    return min(distances, default=float("inf"))


def layers_by_tensor(found: FoundNetwork, graph: FoundGraph) -> dict[str, FoundLayer]:
    """Return a map from the name of each output tensor in the graph to the layer in `found`.

    The result contains a layer only if its name identifies exactly one node or tensor of the graph.
    """
    nodes: dict[str, list[str]] = {}
    for node in graph.model.graph.node:
        nodes.setdefault(str(node.name or node.output[0]), []).append(str(node.output[0]))
    produced = {str(name) for node in graph.model.graph.node for name in node.output}
    result: dict[str, FoundLayer] = {}
    for layer in found.layers:
        tensors = nodes.get(layer.name, [layer.name] if layer.name in produced else [])
        if len(tensors) == 1:
            result[tensors[0]] = layer
    return result
