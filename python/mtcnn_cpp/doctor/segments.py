"""A network cut at its weighted layers: each with the activations and poolings that follow it, so that two
can be laid side by side even where one has lost a layer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..formats.found import FoundActivation, FoundConv, FoundDense, FoundLayer, FoundPool
from ..reference.model import Conv2d, FullyConnected, MaxPool, Network, PReLU
from ..reference.plan import Size, Step, walk


@dataclass(frozen=True, eq=False)
class OurSegment:
    weighted: Step
    activation: Step | None
    pool: Step | None


@dataclass(frozen=True, eq=False)
class TheirSegment:
    weighted: FoundConv | FoundDense
    followers: tuple[FoundActivation | FoundPool, ...]

    @property
    def activations(self) -> list[FoundActivation]:
        return [layer for layer in self.followers if isinstance(layer, FoundActivation)]

    @property
    def pools(self) -> list[FoundPool]:
        return [layer for layer in self.followers if isinstance(layer, FoundPool)]


def our_segments(network: Network, size: Size | None) -> list[OurSegment]:
    result: list[OurSegment] = []
    for step in walk(network, size):
        if isinstance(step.layer, (Conv2d, FullyConnected)):
            result.append(OurSegment(step, None, None))
        elif isinstance(step.layer, PReLU):
            result[-1] = OurSegment(result[-1].weighted, step, result[-1].pool)
        elif isinstance(step.layer, MaxPool):
            result[-1] = OurSegment(result[-1].weighted, result[-1].activation, step)
    return result


def their_segments(layers: Iterable[FoundLayer]) -> list[TheirSegment]:
    """Activations and poolings before the first weighted layer are dropped: there is none in any of ours."""
    result: list[TheirSegment] = []
    for layer in layers:
        if isinstance(layer, (FoundConv, FoundDense)):
            result.append(TheirSegment(layer, ()))
        elif result:
            result[-1] = TheirSegment(result[-1].weighted, (*result[-1].followers, layer))
    return result
