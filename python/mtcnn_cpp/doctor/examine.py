"""The examination of one network: laid beside OpenFace's, weighted layer by weighted layer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..formats import flat
from ..formats.found import FoundActivation, FoundConv, FoundNetwork
from ..formats.recognise import official, recognise
from ..reference.model import Conv2d, FullyConnected, Layer, Network, PReLU
from ..reference.plan import STAGES
from .arrange import Arrangement, Order
from .findings import Diagnosis, Finding
from .normalisation import check_normalisation, folded
from .orders import check_heads, check_inputs, check_outputs
from .pools import check_conv, check_pool
from .segments import OurSegment, TheirSegment, our_segments, their_segments
from .values import compare_values
from .vectors import check_activation, check_bias, straighten
from .weighted import arrange, check_turn, is_swapped, kernel_of, shapes


class Examination:
    """One network laid beside OpenFace's, weighted layer by weighted layer."""

    def __init__(self, found: FoundNetwork) -> None:
        self.found = found
        self.stage = recognise(found.weighted, found.source)
        self.ours = our_segments(official(self.stage), STAGES[self.stage].size)
        self.theirs = their_segments(found.layers)
        self.arranged = [arrange(ours, theirs) for ours, theirs in zip(self.ours, self.theirs, strict=True)]
        self.notes = list(found.notes)
        self.findings: list[Finding] = []
        self.rebuilt: list[Layer] = []

    def result(self) -> Diagnosis:
        for index in range(len(self.ours)):
            self.findings += self.segment(index)
        if not self.found.complete:
            self.notes.append("a file of weights alone: padding and pooling cannot be seen in it")
        self.look_sideways()
        fixable = all(finding.exact for finding in self.findings)
        repaired = Network(tuple(self.rebuilt)) if fixable else None
        pairs = zip(self.ours, self.theirs, strict=True)
        names = {ours.weighted.name: theirs.weighted.name for ours, theirs in pairs}
        notes = tuple(dict.fromkeys(self.notes))
        return Diagnosis(self.found.source, self.stage, tuple(self.findings), notes, names, repaired)

    def segment(self, index: int) -> Iterator[Finding]:
        ours, theirs, found = self.ours[index], self.theirs[index], self.arranged[index]
        name = ours.weighted.name
        if found is None:
            yield Finding(name, "shape", shapes(ours, theirs))
            return
        layer = ours.weighted.layer
        assert isinstance(layer, (Conv2d, FullyConnected))
        fold = None
        if not index:
            fold = folded(found, theirs.weighted.bias, kernel_of(ours), layer.bias)
            for seen in check_normalisation(name, self.found.scale, self.found.shift, fold):
                if isinstance(seen, str):
                    self.notes.append(seen)
                else:
                    yield seen
        for finding in self.arrangement(index, found):
            yield replace(finding, evidence=finding.evidence | found.figures)
        if isinstance(theirs.weighted, FoundConv):
            yield from check_conv(name, theirs.weighted)
        if fold is None:
            yield from compare_values(name, "weights", found.kernel, kernel_of(ours))
            yield from check_bias(name, theirs.weighted.bias, layer.bias, found.outputs)
        elif theirs.weighted.bias is None or not theirs.weighted.bias.any():
            yield from check_bias(name, None, layer.bias, found.outputs)
        self.rebuild(ours, theirs, found)
        yield from self.followers(ours, theirs, found.outputs)

    def arrangement(self, index: int, found: Arrangement) -> Iterator[Finding]:
        """How a weighted layer lies, by itself and between its neighbours."""
        name = self.ours[index].weighted.name
        yield from check_turn(name, found, self.theirs[index].weighted)
        before = self.arranged[index - 1] if index else None
        if before is not None or not index:
            came = before.outputs if before else None
            yield from check_inputs(name, found.inputs, came, self.ours[index - 1].weighted.name)
        if index + 1 < len(self.ours):
            following = self.arranged[index + 1]
            yield from check_outputs(name, found.outputs, following.inputs if following else None)
        else:
            yield from check_heads(name, found.outputs)

    def followers(self, ours: OurSegment, theirs: TheirSegment, outputs: Order) -> Iterator[Finding]:
        """Activation and pooling after a weighted layer, their number and their order."""
        activations, pools = theirs.activations, theirs.pools
        if ours.activation is not None:
            layer = ours.activation.layer
            assert isinstance(layer, PReLU)
            if activations:
                yield from check_activation(ours.activation.name, activations[0], layer.slopes, outputs)
            else:
                yield Finding(ours.activation.name, "activation", "no activation, expected a PReLU")
            self.rebuild_slopes(layer, activations, outputs)
        elif activations:
            self.notes.append(f"{activations[0].name}: {activations[0].kind} after the last layer")
        if ours.pool is not None:
            if pools:
                yield from check_pool(ours.pool, pools[0])
                if activations and theirs.followers.index(pools[0]) < theirs.followers.index(activations[0]):
                    text = "pooling before the PReLU, expected after it"
                    yield Finding(ours.pool.name, "pool-missing", text, exact=True)
            else:
                yield Finding(ours.pool.name, "pool-missing", "no pooling", exact=True)
            self.rebuilt.append(ours.pool.layer)
        for extra in pools[1:] if ours.pool else pools:
            text = f"{extra.name}: one pooling too many after this layer"
            yield Finding(ours.weighted.name, "pool-missing", text, exact=True)

    def rebuild(self, ours: OurSegment, theirs: TheirSegment, found: Arrangement) -> None:
        """Their own numbers as OpenFace's lie; used only where every finding can be undone."""
        layer, bias = ours.weighted.layer, theirs.weighted.bias
        assert isinstance(layer, (Conv2d, FullyConnected))
        if bias is None or bias.size != layer.bias.size:
            return
        bias = straighten(bias, layer.bias, found.outputs).values
        if isinstance(layer, Conv2d):
            self.rebuilt.append(Conv2d(found.kernel, bias))
        else:
            self.rebuilt.append(FullyConnected(flat.from_kernel(found.kernel, flat.OPENFACE), bias))

    def rebuild_slopes(self, ours: PReLU, theirs: list[FoundActivation], outputs: Order) -> None:
        if theirs and theirs[0].slopes.size == len(outputs):
            self.rebuilt.append(PReLU(straighten(theirs[0].slopes, ours.slopes, outputs).values))

    def look_sideways(self) -> None:
        """Every layer transposed alike is a network for transposed pictures, not a wrong one."""
        turned = [
            found.turn.startswith("transposed (") or is_swapped(found.order, theirs.weighted)
            for found, theirs in zip(self.arranged, self.theirs, strict=True)
            if found is not None and found.kernel.shape[2] > 1
        ]
        if turned and all(turned):
            self.notes.append("every layer has x and y swapped alike: it works on transposed pictures")
