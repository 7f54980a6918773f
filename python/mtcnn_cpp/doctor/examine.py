"""The examination of one network: laid beside OpenFace's, segment by segment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ..formats.found import FoundConv, FoundNetwork
from ..formats.read import read_found
from ..formats.recognise import official, recognise
from ..reference.model import PReLU
from ..reference.plan import STAGES
from ..types import FloatArray
from .arrange import Arrangement, Order
from .findings import Diagnosis, Finding
from .fix import rebuild
from .normalisation import check_normalisation, folded
from .orders import check_heads, check_inputs, check_outputs
from .pools import check_conv, check_pool
from .segments import OurSegment, TheirSegment, our_segments, their_segments
from .values import compare_values
from .vectors import check_activation, check_bias
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

    def result(self) -> Diagnosis:
        """Everything that was found."""
        findings = tuple(finding for index in range(len(self.ours)) for finding in self.segment(index))
        if not self.found.complete:
            self.notes.append("a file of weights alone: padding and pooling cannot be seen in it")
        if self.is_sideways():
            self.notes.append("every layer has x and y swapped alike: it works on transposed pictures")
        fixable = all(finding.exact for finding in findings)
        repaired = rebuild(self.ours, self.theirs, self.arranged) if fixable else None
        names = {a.name: b.weighted.name for a, b in zip(self.ours, self.theirs, strict=True)}
        notes = tuple(dict.fromkeys(self.notes))
        return Diagnosis(self.found.source, self.stage, findings, notes, names, repaired)

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
            if there:
                self.notes.append(f"{there[0].name}: {there[0].kind} after the last layer")
            return
        name, layer = ours.activation.name, ours.activation.layer
        assert isinstance(layer, PReLU)
        if there:
            yield from check_activation(name, there[0], layer.slopes, outputs)
        else:
            yield Finding(name, "activation", "no activation, expected a PReLU")

    def is_sideways(self) -> bool:
        """Whether every layer has x and y swapped. Such a network is right, for transposed pictures."""
        swapped = [
            is_sideways(found, theirs.weighted)
            for found, theirs in zip(self.arranged, self.theirs, strict=True)
            if found is not None and found.kernel.shape[2] > 1
        ]
        return bool(swapped) and all(swapped)


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
