"""Does a graph compute what the network computes that is imported from it?

The reader skips operators that a `Network` has no layer for. So the graph runs beside the network
that was read: an operator that changes anything is an error, and is not lost in silence.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np

from ...reference.model import Network
from ...types import StageName
from ..dat import from_network
from ..errors import PortError
from ..found import FoundNetwork
from ..heads import HEADS
from ..onnx.guarded import NotRun
from .compute import Last, compute_last
from .drawn import check_memory, draw
from .outlets import TOLERANCE, hold
from .running import Array, Running

# Operators that the reader passes over: without effect in a right graph, or applied by the detector itself.
PASSED_OVER = {"Softmax", "LogSoftmax", "Cast", "Dropout", "QuantizeLinear", "DequantizeLinear"}


def check_imported(found: FoundNetwork, network: Network, stage: StageName) -> None:
    """Run the graph that `network` was read from, on drawn inputs, and compare its outputs with the
    network's. A file of weights alone has nothing to run.

    Raises:
        PortError: If the outputs differ, or the graph cannot be run.

    Warns:
        UserWarning: If the graph's class values go through a Softmax at its end: the network has logits, and
            the detector applies the Softmax.
    """
    if found.graph is None:
        return
    read, through = from_network(network, found.source), ""
    try:
        check_memory(found, found.graph, stage)
        running = Running(found.graph.model)
        compared = 0
        for drawn in draw(found.graph, stage, np.ones(1), np.zeros(1)):
            outputs = running.run(found.graph.picture, drawn.given)
            through = compare(found, outputs, compute_last(read, drawn.pictures)) or through
            compared += 1
    except NotRun as error:
        raise PortError(
            f"{found.source}: the graph could not be run, so what it computes is not known ({error})"
        ) from error
    if not compared:
        raise PortError(f"{found.source}: no input could be drawn for the graph; mtcnn-cpp doctor says more")
    if found.alterations:
        raise PortError(
            f"{found.source}: {'; '.join(found.alterations)}. A model cannot hold that: take it out"
        )
    if through:
        warnings.warn(
            f"{found.source}: the {through} of the class values at the end of the graph was left out: the "
            "model gives logits, and the detector applies the Softmax",
            UserWarning,
            stacklevel=3,
        )


def compare(found: FoundNetwork, outputs: Mapping[str, Array], last: Last) -> str:
    """What the class values went through ("" for nothing), on one input. PortError if a head of the network
    is in no output."""
    count = last.values.shape[1]
    missing = {name for name, columns in HEADS.items() if columns.start < count}
    through = {""}
    nearest = ""
    for name, output in outputs.items():
        held = hold(output, last, tuple(range(count)))
        if held is not None and held.distance <= TOLERANCE:
            missing -= held.heads
            through.add(held.through)
        elif held is not None:
            nearest = f"; output {name!r} differs by {held.distance:.1e} of the magnitudes added up"
    if not missing:
        return max(through)
    assert found.graph is not None
    nodes = [
        f"{node.name or node.output[0]!r} ({node.op_type})"
        for node in found.graph.model.graph.node
        if node.op_type in PASSED_OVER
    ]
    reason = f". It has {', '.join(nodes)}, which a model cannot hold: take them out" if nodes else ""
    raise PortError(
        f"{found.source}: the graph computes something else than the network that was read from it: no "
        f"output holds its {', '.join(sorted(missing))} values{nearest}{reason}. mtcnn-cpp doctor says where "
        "they part"
    )
