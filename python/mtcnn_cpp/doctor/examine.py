"""The examination of one network: laid beside OpenFace's, segment by segment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..formats.found import FoundConv, FoundDense, FoundNetwork, FoundPool
from ..formats.read import read_found
from ..formats.recognise import official, recognise
from ..reference.model import PReLU
from ..reference.plan import STAGES
from ..types import FloatArray
from .agreement import check_run, subject
from .arrange import Arrangement, Order
from .findings import Diagnosis, Finding
from .fix import rebuild
from .normalisation import check_fold, check_normalisation, folded
from .orders import check_heads, check_inputs, check_outputs
from .pools import check_conv, check_pool
from .segments import OurSegment, TheirSegment, our_segments, their_segments
from .values import compare_values
from .vectors import check_activation, check_bias, straighten
from .weighted import arrange, check_turn, is_sideways, shapes


def diagnose_file(path: str | Path) -> list[Diagnosis]:
    """A diagnosis of each network in a file or folder. Raises as `formats.read.read_found`."""
    return [diagnose(found) for found in read_found(path).values()]


def diagnose(found: FoundNetwork | str | Path) -> Diagnosis:
    """Compare one network, or the only one of a file, with OpenFace's. PortError where it is none of the
    three, ValueError for a file of several; for a file also what `formats.read.read_found` raises."""
    if not isinstance(found, FoundNetwork):
        networks = list(read_found(found).values())
        if len(networks) != 1:
            raise ValueError(f"{found}: expected one network, found {len(networks)}; use diagnose_file")
        found = networks[0]
    return Examination(found).result()


class Examination:
    """One network of theirs beside ours: segments in pairs, and how each weighted layer of theirs is
    arranged (None: it has another shape)."""

    def __init__(self, found: FoundNetwork) -> None:
        self.found = found
        self.stage = recognise(found.weighted, found.source)
        self.ours = our_segments(official(self.stage), STAGES[self.stage].size)
        self.theirs = their_segments(found.layers)
        pairs = zip(self.ours, self.theirs, strict=True)
        self.arranged = [arrange(ours, theirs.weighted) for ours, theirs in pairs]
        self.notes = list(found.notes)
        self.raw = False  # it normalises raw pixels itself
        self.values = 0  # of outputs that were compared

    def result(self) -> Diagnosis:
        """Everything that was found."""
        findings = list(before_the_first(self.found, self.ours[0].name))
        findings += [finding for index in range(len(self.ours)) for finding in self.segment(index)]
        inputs = None
        if self.found.graph is not None and all(finding.exact for finding in findings):
            inputs = self.run(findings)
        if not any(finding.kind == "computes" for finding in findings):
            last = self.ours[-1].name
            findings += [Finding(last, "computes", text, exact=True) for text in self.found.alterations]
        self.notes += self.found.alterations
        if not self.found.complete:
            self.notes.append("a file of weights alone: padding and pooling cannot be seen in it")
        if self.is_sideways():
            self.notes.append("every layer has x and y swapped alike: it works on transposed pictures")
        fixable = all(finding.exact for finding in findings)
        repaired = rebuild(self.ours, self.theirs, self.arranged) if fixable else None
        names = {a.name: b.weighted.name for a, b in zip(self.ours, self.theirs, strict=True)}
        notes = tuple(dict.fromkeys(self.notes))
        numbers = sum(map(equal_numbers, self.ours, self.theirs, self.arranged))
        return Diagnosis(
            self.found.source,
            self.stage,
            tuple(findings),
            notes,
            names,
            repaired,
            numbers,
            inputs,
            self.values,
        )

    def run(self, findings: list[Finding]) -> int:
        """Run the graph; on how many inputs it computes what was read. What speaks against that is added to
        the findings; beside other mistakes, that it cannot be run is a note."""
        last = self.arranged[-1]
        assert last is not None
        places = places_of(self.ours, self.theirs)
        one = subject(self.found, self.stage, last.outputs, places, raw=self.raw, right=not findings)
        agreement = check_run(one)
        self.notes += agreement.notes
        self.values = agreement.numbers
        if agreement.finding is not None and agreement.finding.kind == "not-run" and findings:
            self.notes.append(agreement.finding.text)
        elif agreement.finding is not None:
            findings.append(agreement.finding)
        return agreement.inputs

    def segment(self, index: int) -> Iterator[Finding]:
        """What is wrong with a weighted layer and with what follows it."""
        ours, theirs, found = self.ours[index], self.theirs[index], self.arranged[index]
        name, weighted = ours.name, theirs.weighted
        if found is None:
            yield Finding(name, "shape", shapes(ours, weighted, self.stage))
            return
        fold = None
        if index == 0:
            fold = folded(found, weighted.bias, ours.kernel, ours.weighted.bias)
            yield from self.normalisation(name, fold)
            wrong = (
                fold is not None
                and self.raw
                and check_fold(
                    found, weighted.bias, ours.kernel, ours.weighted.bias, self.found.scale, self.found.shift
                )
            )
            if wrong:
                yield Finding(name, "normalisation", f"a normalisation folded in, but {wrong}")
        for finding in self.arrangement(index, found):
            yield replace(finding, evidence=finding.evidence | found.figures)
        if isinstance(weighted, FoundConv):
            yield from check_conv(name, weighted)
        if fold is None:
            yield from compare_values(name, "weights", found.kernel, ours.kernel)
            yield from check_bias(name, weighted.bias, ours.weighted.bias, found.outputs)
        elif weighted.bias is None or not weighted.bias.any():
            yield from check_bias(name, None, ours.weighted.bias, found.outputs)
        yield from self.activation(ours, theirs, found.outputs)
        yield from pooling(ours, theirs)

    def normalisation(self, name: str, fold: FloatArray | None) -> Iterator[Finding]:
        """What the network does to the picture; a note where that is right for raw pixels."""
        seen = check_normalisation(name, self.found.scale, self.found.shift, fold)
        if isinstance(seen, str):
            self.raw = True
            self.notes.append(seen)
        elif seen is not None:
            yield seen

    def arrangement(self, index: int, found: Arrangement) -> Iterator[Finding]:
        """How a weighted layer is arranged, by itself and between its neighbours."""
        name = self.ours[index].name
        yield from check_turn(name, found, self.theirs[index].weighted)
        before = self.arranged[index - 1] if index else None
        if before is not None or index == 0:
            came = before.outputs if before else None
            yield from check_inputs(name, found.inputs, came, self.ours[index - 1].name)
        if index + 1 < len(self.ours):
            following = self.arranged[index + 1]
            yield from check_outputs(name, found.outputs, following.inputs if following else None)
        else:
            yield from check_heads(name, found.outputs)

    def activation(self, ours: OurSegment, theirs: TheirSegment, outputs: Order) -> Iterator[Finding]:
        """The activation after a weighted layer, whose maps stand in the order `outputs`."""
        there = theirs.activations
        if ours.activation is None:
            for extra in there:
                text = f"{extra.name}: {extra.kind} after the last layer"
                yield Finding(ours.name, "activation", text, exact=True)
            return
        name, layer = ours.activation.name, ours.activation.layer
        assert isinstance(layer, PReLU)
        if there:
            yield from check_activation(name, there[0], layer.slopes, outputs)
        else:
            yield Finding(name, "activation", "no activation, expected a PReLU")
        for extra in there[1:]:
            text = f"{extra.name}: one activation too many, {extra.kind}"
            yield Finding(name, "activation", text, exact=True)

    def is_sideways(self) -> bool:
        """Whether every layer has x and y swapped. Such a network is right, for transposed pictures."""
        swapped = [
            is_sideways(found, theirs.weighted)
            for found, theirs in zip(self.arranged, self.theirs, strict=True)
            if found is not None and found.kernel.shape[2] > 1
        ]
        return bool(swapped) and all(swapped)


def before_the_first(found: FoundNetwork, name: str) -> Iterator[Finding]:
    """What comes before the first weighted layer: OpenFace has nothing there."""
    for layer in found.layers:
        if isinstance(layer, (FoundConv, FoundDense)):
            return
        kind = "pool-missing" if isinstance(layer, FoundPool) else "activation"
        yield Finding(name, kind, f"{layer.name}: one layer too many, before the first", exact=True)


def places_of(ours: list[OurSegment], theirs: list[TheirSegment]) -> dict[str, str]:
    """Our names of layers by theirs, in execution order."""
    result: dict[str, str] = {}
    for a, b in zip(ours, theirs, strict=True):
        result[b.weighted.name] = a.name
        for layer in b.followers:
            like = a.pool if isinstance(layer, FoundPool) else a.activation
            result[layer.name] = like.name if like else a.name
    return result


def equal_numbers(ours: OurSegment, theirs: TheirSegment, found: Arrangement | None) -> int:
    """How many weights, biases and slopes of a segment are OpenFace's, bit for bit."""
    if found is None:
        return 0
    count = int(np.sum(found.kernel == ours.kernel))
    bias, slopes = theirs.weighted.bias, [one.slopes for one in theirs.activations[:1]]
    pairs = [(bias, ours.weighted.bias)] if bias is not None else []
    if ours.activation is not None and slopes:
        assert isinstance(ours.activation.layer, PReLU)
        pairs.append((slopes[0], ours.activation.layer.slopes))
    for there, here in pairs:
        if there.size == here.size:
            count += int(np.sum(straighten(there, here, found.outputs).values == here))
    return count


def pooling(ours: OurSegment, theirs: TheirSegment) -> Iterator[Finding]:
    """The poolings after a weighted layer: what each does, their number and their place."""
    pools, activations = theirs.pools, theirs.activations
    if ours.pool is not None:
        name = ours.pool.name
        if not pools:
            yield Finding(name, "pool-missing", "no pooling", exact=True)
        else:
            yield from check_pool(ours.pool, pools[0])
            if activations and theirs.followers.index(pools[0]) < theirs.followers.index(activations[0]):
                text = "pooling before the PReLU, expected after it"
                yield Finding(name, "pool-missing", text, exact=True)
    for extra in pools[1:] if ours.pool else pools:
        text = f"{extra.name}: one pooling too many after this layer"
        yield Finding(ours.name, "pool-missing", text, exact=True)
