"""Diagnosis of one network: its segments are compared with those of OpenFace's network.

If the file contains a graph, the graph is also run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ...formats.found import FoundConv, FoundNetwork, official_network, recognise_stage
from ...formats.importer import read_found
from ...reference.model import PReLU
from ...reference.plan import STAGES
from ...types import FloatArray
from .agreement import graph_under_test, run_graph
from .arrangement import (
    Arrangement,
    Order,
    arrange_layer,
    check_heads,
    check_inputs,
    check_outputs,
    check_transform,
    is_transposed,
)
from .findings import Diagnosis, Finding
from .repair import rebuild_network
from .structure import (
    CandidateSegment,
    ReferenceSegment,
    candidate_segments,
    check_convolution,
    check_layers_before_first,
    check_poolings,
    layer_names,
    reference_segments,
    shape_mismatch,
)
from .values import (
    align_vector,
    check_activation,
    check_bias,
    check_folded_numbers,
    check_normalisation,
    compare_values,
    folded_normalisation,
)


def diagnose_file(path: str | Path) -> list[Diagnosis]:
    """Diagnose each network in a file or folder.

    Args:
        path: An .onnx, .pt, .npz, .npy, .lz4 or .dat file, or a folder of such files.

    Returns:
        One diagnosis per network.

    Raises:
        PortError: If the file cannot be read, or a network is not PNet, RNet or ONet.
        MissingExtra: If the package for the format is not installed.
    """
    return [diagnose(found) for found in read_found(path).values()]


def diagnose(found: FoundNetwork | str | Path) -> Diagnosis:
    """Compare one network with OpenFace's network.

    Args:
        found: A network that was read, or a file with exactly one network.

    Raises:
        PortError: If the network is not PNet, RNet or ONet, or if the file cannot be read.
        ValueError: If the file has more than one network.
        MissingExtra: If the package for the file's format is not installed.
    """
    if not isinstance(found, FoundNetwork):
        networks = list(read_found(found).values())
        if len(networks) != 1:
            raise ValueError(f"{found}: expected one network, found {len(networks)}; use diagnose_file")
        found = networks[0]
    return _NetworkDiagnosis(found).result()


class _NetworkDiagnosis:
    """The pairs of corresponding segments of both networks.

    The arrangement of a pair is None if the shape of the port's layer differs from that of OpenFace's layer.
    """

    def __init__(self, found: FoundNetwork) -> None:
        self.found = found
        self.stage = recognise_stage(found.weighted, found.source)
        self.reference = reference_segments(official_network(self.stage), STAGES[self.stage].size)
        self.candidate = candidate_segments(found.layers)
        pairs = zip(self.reference, self.candidate, strict=True)
        self.arrangements = [arrange_layer(reference, segment.weighted) for reference, segment in pairs]
        self.notes = list(found.notes)
        self.takes_pixels = False  # whether the network normalises raw pixels itself
        self.values = 0  # number of compared output values

    def result(self) -> Diagnosis:
        findings = list(check_layers_before_first(self.found.layers, self.reference[0].name))
        findings += [finding for index in range(len(self.reference)) for finding in self.check_segment(index)]
        inputs = None
        if self.found.graph is not None and all(finding.exact for finding in findings):
            inputs = self.run_graph(findings)
        if not any(finding.kind == "computes" for finding in findings):
            last = self.reference[-1].name
            findings += [Finding(last, "computes", text, exact=True) for text in self.found.alterations]
        self.notes += self.found.alterations
        if not self.found.complete:
            self.notes.append("the file contains only weights; padding and pooling are not in it")
        if self.is_transposed():
            self.notes.append("x and y are swapped in every layer: the network is for transposed images")
        repaired = None
        if all(finding.exact for finding in findings):
            repaired = rebuild_network(self.reference, self.candidate, self.arrangements)
        pairs = zip(self.reference, self.candidate, strict=True)
        return Diagnosis(
            self.found.source,
            self.stage,
            tuple(findings),
            tuple(dict.fromkeys(self.notes)),
            {reference.name: segment.weighted.name for reference, segment in pairs},
            repaired,
            sum(map(count_equal_numbers, self.reference, self.candidate, self.arrangements)),
            inputs,
            self.values,
        )

    def run_graph(self, findings: list[Finding]) -> int:
        """Run the graph. Return the number of images for which its outputs equal the network's outputs.

        A difference is added to `findings`. If the graph cannot be run, a finding is added if `findings` is
        empty. Otherwise, only a note is added.
        """
        last = self.arrangements[-1]
        assert last is not None
        names = layer_names(self.reference, self.candidate)
        graph = graph_under_test(
            self.found, self.stage, last.outputs, names, takes_pixels=self.takes_pixels, right=not findings
        )
        agreement = run_graph(graph)
        self.notes += agreement.notes
        self.values = agreement.numbers
        if agreement.finding is not None and agreement.finding.kind == "not-run" and findings:
            self.notes.append(agreement.finding.text)
        elif agreement.finding is not None:
            findings.append(agreement.finding)
        return agreement.inputs

    def check_segment(self, index: int) -> Iterator[Finding]:
        """Check a layer with weights and the layers that follow it."""
        reference, segment, found = self.reference[index], self.candidate[index], self.arrangements[index]
        name, weighted, bias = reference.name, segment.weighted, reference.weighted.bias
        if found is None:
            yield Finding(name, "shape", shape_mismatch(reference, weighted, self.stage))
            return
        folded = None
        if index == 0:
            folded = folded_normalisation(found, weighted.bias, reference.kernel, bias)
            yield from self.check_normalisation(name, folded)
            if folded is not None and self.takes_pixels:
                scale, shift = self.found.scale, self.found.shift
                wrong = check_folded_numbers(found, weighted.bias, reference.kernel, bias, scale, shift)
                if wrong:
                    text = f"the normalisation is folded into the first layer, but {wrong}"
                    yield Finding(name, "normalisation", text)
        for finding in self.check_arrangement(index, found):
            yield replace(finding, evidence=finding.evidence | found.evidence)
        if isinstance(weighted, FoundConv):
            yield from check_convolution(name, weighted)
        if folded is None:
            yield from compare_values(name, "weights", found.kernel, reference.kernel)
            yield from check_bias(name, weighted.bias, bias, found.outputs)
        elif weighted.bias is None or not weighted.bias.any():
            yield from check_bias(name, None, bias, found.outputs)
        yield from self.check_activations(reference, segment, found.outputs)
        yield from check_poolings(reference, segment)

    def check_normalisation(self, name: str, folded: FloatArray | None) -> Iterator[Finding]:
        """Check the normalisation of the image.

        If the normalisation is right for raw pixels, a note is added and no finding is reported.
        """
        result = check_normalisation(name, self.found.scale, self.found.shift, folded)
        if isinstance(result, str):
            self.takes_pixels = True
            self.notes.append(result)
        elif result is not None:
            yield result

    def check_arrangement(self, index: int, found: Arrangement) -> Iterator[Finding]:
        """Check the arrangement of a layer.

        Also check whether the order of its maps matches the adjacent layers.
        """
        name = self.reference[index].name
        yield from check_transform(name, found, self.candidate[index].weighted)
        previous = self.arrangements[index - 1] if index else None
        if previous is not None or index == 0:
            order = previous.outputs if previous else None
            yield from check_inputs(name, found.inputs, order, self.reference[index - 1].name)
        if index + 1 < len(self.reference):
            following = self.arrangements[index + 1]
            yield from check_outputs(name, found.outputs, following.inputs if following else None)
        else:
            yield from check_heads(name, found.outputs)

    def check_activations(
        self, reference: ReferenceSegment, segment: CandidateSegment, outputs: Order
    ) -> Iterator[Finding]:
        """Check the activations after a layer with weights. `outputs`: order of that layer's output maps."""
        found = segment.activations
        if reference.activation is None:
            for extra in found:
                text = f"{extra.name}: unexpected {extra.kind} after the last layer"
                yield Finding(reference.name, "activation", text, exact=True)
            return
        name, layer = reference.activation.name, reference.activation.layer
        assert isinstance(layer, PReLU)
        if found:
            yield from check_activation(name, found[0], layer.slopes, outputs)
        else:
            yield Finding(name, "activation", "no activation, expected a PReLU")
        for extra in found[1:]:
            text = f"{extra.name}: unexpected second activation, {extra.kind}"
            yield Finding(name, "activation", text, exact=True)

    def is_transposed(self) -> bool:
        """Whether x and y are swapped in every layer. Such a network is right for transposed images."""
        swapped = [
            is_transposed(found, segment.weighted)
            for found, segment in zip(self.arrangements, self.candidate, strict=True)
            if found is not None and found.kernel.shape[2] > 1
        ]
        return bool(swapped) and all(swapped)


def count_equal_numbers(
    reference: ReferenceSegment, candidate: CandidateSegment, found: Arrangement | None
) -> int:
    """Number of weights, biases and slopes of a segment that equal OpenFace's numbers bit for bit."""
    if found is None:
        return 0
    count = int(np.sum(found.kernel == reference.kernel))
    bias, slopes = candidate.weighted.bias, [one.slopes for one in candidate.activations[:1]]
    pairs = [(bias, reference.weighted.bias)] if bias is not None else []
    if reference.activation is not None and slopes:
        assert isinstance(reference.activation.layer, PReLU)
        pairs.append((slopes[0], reference.activation.layer.slopes))
    for vector, expected in pairs:
        if vector.size == expected.size:
            count += int(np.sum(align_vector(vector, expected, found.outputs).values == expected))
    return count
