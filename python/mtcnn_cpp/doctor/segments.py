"""A network cut at its weighted layers. Each segment is a weighted layer with the activations and poolings
that follow it, so that two networks can be laid side by side even where one has lost a layer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ..formats import flat
from ..formats.found import FoundActivation, FoundConv, FoundDense, FoundLayer, FoundPool
from ..reference.model import Conv2d, FullyConnected, MaxPool, Network, PReLU
from ..reference.plan import Size, Step, walk
from ..types import FloatArray


@dataclass(frozen=True, eq=False)
class OurSegment:
    """Of OpenFace's network: the step of a Conv2d or FullyConnected, then those of a PReLU and of a MaxPool;
    None where there is none."""

    step: Step
    activation: Step | None = None
    pool: Step | None = None

    @property
    def name(self) -> str:
        return self.step.name

    @property
    def weighted(self) -> Conv2d | FullyConnected:
        assert isinstance(self.step.layer, (Conv2d, FullyConnected))
        return self.step.layer

    @property
    def kernel(self) -> FloatArray:
        """The weights as a kernel (out, in, y, x); that of a dense layer covers the maps that enter."""
        layer = self.weighted
        if isinstance(layer, Conv2d):
            return layer.kernel
        if self.step.flattens:
            return flat.to_kernel(layer.weights, self.step.entering.shape, flat.OPENFACE)
        return layer.weights.T[:, :, None, None]


@dataclass(frozen=True, eq=False)
class TheirSegment:
    """Of a port's network; `followers` in execution order, as many as there are."""

    weighted: FoundConv | FoundDense
    followers: tuple[FoundActivation | FoundPool, ...] = ()

    @property
    def activations(self) -> list[FoundActivation]:
        return [layer for layer in self.followers if isinstance(layer, FoundActivation)]

    @property
    def pools(self) -> list[FoundPool]:
        return [layer for layer in self.followers if isinstance(layer, FoundPool)]


def our_segments(network: Network, size: Size | None) -> list[OurSegment]:
    """Of one of OpenFace's networks, for input of that size (None: any)."""
    result: list[OurSegment] = []
    for step in walk(network, size):
        if isinstance(step.layer, (Conv2d, FullyConnected)):
            result.append(OurSegment(step))
        elif isinstance(step.layer, PReLU):
            result[-1] = replace(result[-1], activation=step)
        elif isinstance(step.layer, MaxPool):
            result[-1] = replace(result[-1], pool=step)
    return result


def their_segments(layers: Iterable[FoundLayer]) -> list[TheirSegment]:
    """What comes before the first weighted layer is left out: OpenFace's networks have nothing there."""
    result: list[TheirSegment] = []
    for layer in layers:
        if isinstance(layer, (FoundConv, FoundDense)):
            result.append(TheirSegment(layer))
        elif result:
            result[-1] = replace(result[-1], followers=(*result[-1].followers, layer))
    return result
