"""Checks of the outputs that an exported graph declares, and checks of the graph that need no image."""

from __future__ import annotations

import math
import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from ..backends.engine import Engine
from ..backends.onnx import OnnxRunner
from ..backends.runner import Array, CascadeBackend
from ..formats.agreement import check_imported
from ..formats.conventions import HEADS
from ..formats.errors import PortError
from ..formats.evaluation import LastLayer, OutputMatch, match_output
from ..formats.importer import assemble
from ..formats.onnx.reader import read_up_to
from ..model import Model, network_arrays
from ..reference.model import Network
from ..trace.comparison.statistics import LayerMagnitudes
from ..trace.names import stage_of
from ..trace.replay import GROUP
from ..trace.trace import Trace
from ..types import StageName

# A head (class, box or landmarks), and parts of an output's name that indicate it.
_NAME_HINTS = {
    "class": ("prob", "cls", "class", "score"),
    "box": ("box", "reg", "offset"),
    "landmarks": ("landmark", "lmk", "point", "kps"),
}


@dataclass(frozen=True)
class OutputCheck:
    """One output of a graph, over all levels or crops of the image.

    Attributes:
        stage: The network.
        name: Name of the output; empty for a finding about the whole graph.
        heads: The heads whose values the output contains: class, box, landmarks.
        share: Largest difference, as a share of the last layer's greatest magnitude.
        verdict: "ok", "different", or "not compared" if the output contains no values of the network.
        text: The finding as a sentence.
    """

    stage: StageName
    name: str
    heads: tuple[str, ...]
    share: float
    verdict: str
    text: str

    @property
    def ok(self) -> bool:
        """Whether the output was compared and is within the tolerance."""
        return self.verdict == "ok"


def check_graphs(folder: Path, model: Model, tolerance: float) -> Iterator[OutputCheck]:
    """Yield a finding for each graph whose results may be wrong for other images.

    There are two possible reasons. The first reason is that the graph may not compute the same network for
    every image, batch and size. The second reason is that weights differ from those of the model by more than
    `tolerance`.
    """
    for stage, network in model.networks.items():
        path = folder / f"{stage}.onnx"
        if not path.exists():
            continue
        try:
            found = read_up_to(path, model.layer_names[stage][-1])
            read = assemble(found, stage)
            with warnings.catch_warnings():  # the check of the outputs reports a Softmax at the end
                warnings.simplefilter("ignore", UserWarning)
                check_imported(found, read, stage)
        except PortError as error:
            text = f"the result for other images is unknown: {error}"
            yield OutputCheck(stage, "", (), math.inf, "not compared", text)
            continue
        name, share = largest_difference(network, read, stage)
        if share > tolerance:
            text = f"{name} differs from the reference by {share:.1e} of its greatest magnitude"
            yield OutputCheck(stage, "", (), share, "different", text)


def largest_difference(reference: Network, candidate: Network, stage: StageName) -> tuple[str, float]:
    """Return the name of the weight array with the largest difference, and this difference.

    The difference is a share of the array's greatest magnitude.
    """
    expected, found = network_arrays(reference, stage), network_arrays(candidate, stage)
    worst, share = "", 0.0
    for name in dict.fromkeys((*expected, *found)):
        a, b = expected.get(name), found.get(name)
        if a is None or b is None or a.shape != b.shape:
            return name, math.inf
        if np.array_equal(a, b):
            continue
        difference = np.abs(a.astype(np.float64) - b).max()
        relative = float(difference / max(np.abs(a).max(), 1e-30)) if np.isfinite(difference) else math.inf
        if relative > share:
            worst, share = name, relative
    return worst, share


def check_outputs(reference: Trace, port: Engine, tolerance: float) -> Iterator[OutputCheck]:
    """Yield the checks of the outputs that ONNX files declare. The inputs come from `reference`."""
    assert isinstance(port.backend, CascadeBackend)
    for stage, runner in port.backend.runners.items():
        if isinstance(runner, OnnxRunner):
            yield from _check_stage(reference, stage, runner, tolerance)


def _check_stage(
    reference: Trace, stage: StageName, runner: OnnxRunner, tolerance: float
) -> Iterator[OutputCheck]:
    """Yield a check for each output that is not a layer, and a check for heads that no output contains."""
    last = runner.names[-1]
    prefixes = [name.rpartition("/")[0] for name in reference if name.endswith("/input")]
    prefixes = [prefix for prefix in prefixes if stage_of(prefix) == stage]
    if not prefixes:
        return
    magnitude = LayerMagnitudes(reference)[f"{prefixes[0]}/{last}"]
    outputs: dict[str, list[tuple[Array, OutputMatch | None]]] = defaultdict(list)
    count = 0
    for batch in group_inputs(reference, prefixes):
        values = np.stack([reference[f"{prefix}/{last}"] for prefix in batch]).astype(np.float64)
        count = values.shape[1]
        expected = LastLayer(values, np.full_like(values, magnitude))
        inputs = np.stack([reference[f"{prefix}/input"] for prefix in batch])
        for name, output in runner.run_outputs(inputs).items():
            if name == last or name not in runner.names:
                outputs[name].append((output, match_output(output, expected, tuple(range(count)))))
    missing = [name for name, columns in HEADS.items() if columns.start < count]
    for name, found in outputs.items():
        check = _check_output(stage, name, found, tolerance)
        missing = [head for head in missing if head not in check.heads]
        yield check
    if missing:
        text = f"no output of the graph contains the {', '.join(missing)} values"
        yield OutputCheck(stage, "", (), math.inf, "different", text)


def _check_output(
    stage: StageName, name: str, found: Sequence[tuple[Array, OutputMatch | None]], tolerance: float
) -> OutputCheck:
    """Return the check of one output over all inputs."""
    title, (first, _) = f"output {name!r}", found[0]
    matches = [match for _, match in found if match is not None]
    if len(matches) < len(found):
        text = f"{title} {first.shape} contains none of the network's values and was not compared"
        return OutputCheck(stage, name, (), math.inf, "not compared", text)
    share = max(match.difference for match in matches)
    heads = frozenset.intersection(*(match.heads for match in matches))
    if share > tolerance or not heads:
        text = f"{title} differs from the network's values by {share:.1e}"
        return OutputCheck(stage, name, (), share, "different", text)
    ordered = tuple(head for head in HEADS if head in heads)
    text = f"{title} contains the {', '.join(ordered)} values"
    notes = [f"class after a {match.softmax}" for match in matches if match.softmax]
    notes += [f"axes {match.axes}" for match in matches if match.axes]
    text += "".join(f", {note}" for note in dict.fromkeys(notes))
    hinted = {head for head, parts in _NAME_HINTS.items() if any(part in name.lower() for part in parts)}
    wrong = ""
    if hinted and not hinted & heads:
        wrong = f", but its name indicates the {' and '.join(sorted(hinted))} values"
    elif first.dtype != np.float32:
        wrong = f" as {first.dtype}, expected float32"
    return OutputCheck(stage, name, ordered, share, "different" if wrong else "ok", text + wrong)


def group_inputs(reference: Trace, prefixes: Sequence[str]) -> Iterator[list[str]]:
    """Yield groups of inputs of the same shape. A group is one level, or several crops."""
    for _, group in groupby(prefixes, lambda prefix: reference.info(f"{prefix}/input").shape):
        same_shape = list(group)
        for start in range(0, len(same_shape), GROUP):
            yield same_shape[start : start + GROUP]
