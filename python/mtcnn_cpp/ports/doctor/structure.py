"""Structure of a network: its segments, and their pooling, padding and strides.

A segment consists of a layer with weights and of the activations and poolings that follow it. Therefore the
segments of two networks correspond to each other even if one network lacks an activation or a pooling.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from ...formats import conventions
from ...formats.conventions import WindowDifference, find_window_differences, to_found_pool
from ...formats.found import (
    NO_PADS,
    FoundActivation,
    FoundConv,
    FoundFullyConnected,
    FoundLayer,
    FoundPool,
    official_network,
)
from ...reference.model import Conv2d, FullyConnected, MaxPool, Network, PReLU
from ...reference.plan import STAGES, LayerStep, MapShape, PooledSize, Size, iterate_layers, pooled_size
from ...types import FloatArray, StageName
from .findings import Finding, FindingKind


@dataclass(frozen=True, eq=False)
class ReferenceSegment:
    """A segment of OpenFace's network: a Conv2d or FullyConnected, then an optional PReLU and MaxPool."""

    step: LayerStep
    activation: LayerStep | None = None
    pool: LayerStep | None = None

    @property
    def name(self) -> str:
        return self.step.name

    @property
    def weighted(self) -> Conv2d | FullyConnected:
        assert isinstance(self.step.layer, (Conv2d, FullyConnected))
        return self.step.layer

    @property
    def kernel(self) -> FloatArray:
        """The weights as a kernel (out, in, y, x). The kernel of a fully connected layer covers its input."""
        layer = self.weighted
        if isinstance(layer, Conv2d):
            return layer.kernel
        if self.step.flattens:
            return conventions.weights_to_kernel(
                layer.weights, self.step.input.shape, conventions.OPENFACE_ORDER
            )
        return layer.weights.T[:, :, None, None]


@dataclass(frozen=True, eq=False)
class CandidateSegment:
    """A segment of a port's network. `followers` are in execution order."""

    weighted: FoundConv | FoundFullyConnected
    followers: tuple[FoundActivation | FoundPool, ...] = ()

    @property
    def activations(self) -> list[FoundActivation]:
        return [layer for layer in self.followers if isinstance(layer, FoundActivation)]

    @property
    def pools(self) -> list[FoundPool]:
        return [layer for layer in self.followers if isinstance(layer, FoundPool)]


def reference_segments(network: Network, size: Size | None) -> list[ReferenceSegment]:
    """Return the segments of an OpenFace network for an input size. `size` is None for inputs of any size."""
    result: list[ReferenceSegment] = []
    for step in iterate_layers(network, size):
        if isinstance(step.layer, (Conv2d, FullyConnected)):
            result.append(ReferenceSegment(step))
        elif isinstance(step.layer, PReLU):
            result[-1] = replace(result[-1], activation=step)
        elif isinstance(step.layer, MaxPool):
            result[-1] = replace(result[-1], pool=step)
    return result


def candidate_segments(layers: Iterable[FoundLayer]) -> list[CandidateSegment]:
    """Segments of a port's network. Layers before the first layer with weights are left out."""
    result: list[CandidateSegment] = []
    for layer in layers:
        if isinstance(layer, (FoundConv, FoundFullyConnected)):
            result.append(CandidateSegment(layer))
        elif result:
            result[-1] = replace(result[-1], followers=(*result[-1].followers, layer))
    return result


def layer_names(
    reference: Iterable[ReferenceSegment], candidate: Iterable[CandidateSegment]
) -> dict[str, str]:
    """Return a map from the port's layer names to OpenFace's layer names, in execution order."""
    result: dict[str, str] = {}
    for ours, segment in zip(reference, candidate, strict=True):
        result[segment.weighted.name] = ours.name
        for layer in segment.followers:
            counterpart = ours.pool if isinstance(layer, FoundPool) else ours.activation
            result[layer.name] = counterpart.name if counterpart else ours.name
    return result


def floored_size(size: int, kernel: int, stride: int) -> int:
    """Number of windows along an axis if pooling rounds down. This is the most frequent mistake of ports."""
    return (size - kernel) // stride + 1


def input_maps(stage: StageName, name: str, pooled: PooledSize = pooled_size) -> MapShape:
    """Shape of the maps that enter a layer of OpenFace's network.

    `pooled`: function that gives the number of pooling windows along an axis.
    """
    steps = iterate_layers(official_network(stage), STAGES[stage].size, pooled=pooled)
    return next(step.input for step in steps if step.name == name)


def shape_mismatch(
    reference: ReferenceSegment, candidate: FoundConv | FoundFullyConnected, stage: StageName
) -> str:
    """Describe how the shape of a layer differs from the shape of OpenFace's layer."""
    expected = reference.kernel.shape
    if isinstance(candidate, FoundConv):
        return f"the kernel has shape {times(candidate.kernel.shape)}, expected {times(expected)}"
    inputs = candidate.weights.shape[0]
    text = f"the layer has {inputs} inputs, expected {math.prod(expected[1:])} ({times(expected[1:])})"
    if reference.step.flattens:
        maps = input_maps(stage, reference.name, floored_size).shape
        if inputs == math.prod(maps):
            text += f"; {times(maps)} = {inputs} is the input size if pooling rounds down"
    return text


def times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def check_layers_before_first(layers: Iterable[FoundLayer], name: str) -> Iterator[Finding]:
    """Report layers before the first layer with weights. OpenFace's networks have no such layers.

    `name`: OpenFace's name of the first layer with weights.
    """
    for layer in layers:
        if isinstance(layer, (FoundConv, FoundFullyConnected)):
            return
        kind: FindingKind = "pool-missing" if isinstance(layer, FoundPool) else "activation"
        yield Finding(name, kind, f"{layer.name}: unexpected layer before the first layer", exact=True)


def check_convolution(name: str, candidate: FoundConv) -> Iterator[Finding]:
    """Report padding, and strides other than 1. OpenFace's convolutions have stride 1 and no padding."""
    if candidate.pads != NO_PADS:
        top, left, bottom, right = candidate.pads
        text = f"padding added: {top} above, {bottom} below, {left} left, {right} right; expected none"
        evidence = {"maps grow by": f"{top + bottom} x {left + right}"}
        yield Finding(name, "padding", text, evidence, exact=True)
    if candidate.strides != (1, 1):
        text = f"stride {candidate.strides[0]} x {candidate.strides[1]}, expected 1 x 1"
        yield Finding(name, "stride", text, exact=True)


def check_poolings(reference: ReferenceSegment, candidate: CandidateSegment) -> Iterator[Finding]:
    """Check the number, the positions and the windows of the poolings in a segment."""
    pools, activations = candidate.pools, candidate.activations
    if reference.pool is not None:
        name = reference.pool.name
        if not pools:
            yield Finding(name, "pool-missing", "the pooling layer is missing", exact=True)
        else:
            yield from check_windows(reference.pool, pools[0])
            followers = candidate.followers
            if activations and followers.index(pools[0]) < followers.index(activations[0]):
                text = "pooling before the PReLU, expected after it"
                yield Finding(name, "pool-missing", text, exact=True)
    for extra in pools[1:] if reference.pool else pools:
        text = f"{extra.name}: unexpected pooling after this layer"
        yield Finding(reference.name, "pool-missing", text, exact=True)


def check_windows(reference: LayerStep, candidate: FoundPool) -> Iterator[Finding]:
    """Compare kernel and strides of a pooling, and the number of windows for every possible input size."""
    assert isinstance(reference.layer, MaxPool)
    expected = to_found_pool(reference.name, reference.layer)
    if (candidate.kernel, candidate.strides) != (expected.kernel, expected.strides):
        text = f"pooling windows of {window_text(candidate)}, expected {window_text(expected)}"
        yield Finding(reference.name, "pool-size", text, exact=True)
        return
    # The difference is often the same along both axes.
    axes: dict[tuple[FindingKind, str, str, str], list[str]] = {}
    for other in find_window_differences(candidate, reference.input.size):
        sizes = f"{other.size} → {other.found}", f"{other.size} → {other.expected}"
        axes.setdefault((*describe_windows(other, candidate.mode), *sizes), []).append(other.axis)
    for (kind, text, found_size, expected_size), names in axes.items():
        evidence = {"size": found_size, "expected": expected_size}
        yield Finding(reference.name, kind, f"{text} along {' and '.join(names)}", evidence, exact=True)


def describe_windows(windows: WindowDifference, mode: str) -> tuple[FindingKind, str]:
    """Kind and text of a finding about pooling windows."""
    if windows.begin:
        return "padding", f"padding of {windows.begin} before the first window"
    fewer = windows.found < windows.expected and mode == "floor"
    return "pool-size", "pooling rounds down (floor)" if fewer else "pooling gives another number of windows"


def window_text(pool: FoundPool) -> str:
    return f"{pool.kernel[0]} x {pool.kernel[1]} with stride {pool.strides[0]} x {pool.strides[1]}"
