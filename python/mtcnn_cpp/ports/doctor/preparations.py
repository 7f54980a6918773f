"""Preparation of images: which level or crop entered a network, and how its pixels were prepared."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...detector.detector import Detector
from ...formats.evaluation import LAYER_TOLERANCE, compute_layers, max_magnitude, relative_difference
from ...formats.found import official_network
from ...formats.tables import to_found_network
from ...media.image.pixels import to_pixels
from ...reference import network as reference
from ...reference.layers import conv2d
from ...reference.model import Conv2d, Network
from ...reference.plan import STAGES, Size, iterate_layers
from ...trace.trace import to_bgr
from ...types import FloatArray, ImageLike, StageName
from .findings import Finding

# Centre and divisor for a pixel value v, 0 … 255. The first normalisation is OpenFace's.
NORMALISATIONS: dict[str, tuple[float, float]] = {
    "(v - 127.5) / 128": (127.5, 128),
    "(v - 127.5) / 127.5": (127.5, 127.5),
    "(v - 128) / 128": (128, 128),
    "v / 255": (0, 255),
    "v / 128": (0, 128),
    "v / 127.5": (0, 127.5),
    "v - 127.5": (127.5, 1),
    "v, no normalisation": (0, 1),
}
CHANNEL_ORDERS = {"RGB": (0, 1, 2), "BGR": (2, 1, 0)}
# Largest difference at which two outputs match, as a share of the greatest magnitude. The differences that
# rounding in other runtimes causes are far smaller.
MATCH_TOLERANCE = 1e-3
WHOLE_IMAGE = "the whole image"


@dataclass(frozen=True)
class Preparation:
    """One way to prepare an image.

    `channels` is a key of CHANNEL_ORDERS, `normalisation` a key of NORMALISATIONS.
    """

    channels: str
    normalisation: str
    transposed: bool

    def apply(self, pixels: FloatArray) -> FloatArray:
        """Convert RGB pixels (3, H, W), 0 … 255, to the network's input."""
        centre, divisor = NORMALISATIONS[self.normalisation]
        maps = (pixels[list(CHANNEL_ORDERS[self.channels])] - np.float32(centre)) / np.float32(divisor)
        return np.ascontiguousarray(maps.swapaxes(1, 2) if self.transposed else maps)


PREPARATIONS = tuple(
    itertools.starmap(Preparation, itertools.product(CHANNEL_ORDERS, NORMALISATIONS, (False, True)))
)
CORRECT = PREPARATIONS[0]


@dataclass(frozen=True, eq=False)
class InputSource:
    """RGB pixels (3, H, W), 0 … 255, of the whole image, of a level or of a crop.

    `name`: name of the level or crop in a trace, or WHOLE_IMAGE.
    """

    name: str
    pixels: FloatArray

    @property
    def size(self) -> Size:
        """Height and width."""
        return self.pixels.shape[1], self.pixels.shape[2]


def input_sources(stage: StageName, image: ImageLike, min_face: float) -> list[InputSource]:
    """The image itself if the network accepts its size, then every level or crop of a detection in it.

    Raises ValueError if the result would be empty because no box reaches the network.
    """
    bgr = to_bgr(to_pixels(image))
    rgb = bgr[..., ::-1]
    side = STAGES[stage].side
    result = []
    if side is None or rgb.shape[:2] == (side, side):
        result.append(whole_image(rgb))
    trace = Detector(min_face=min_face).trace(bgr)
    for name in trace:
        if name.startswith(f"{stage}/") and name.endswith("/input"):
            pixels = trace[name] * np.float32(128) + np.float32(127.5)
            result.append(InputSource(name.removesuffix("/input"), pixels))
    if not result:
        raise ValueError(
            f"no box of this image reaches {stage} with min_face {min_face:g}, so there is nothing to "
            f"compare; use the {side} x {side} crop itself as the image, or another --min-face"
        )
    return result


def whole_image(image: npt.NDArray[Any]) -> InputSource:
    """The source for a whole RGB image (H, W, 3). Raises ValueError if the shape is not (H, W, 3)."""
    if image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"image: expected shape (H, W, 3), found {image.shape}")
    return InputSource(WHOLE_IMAGE, np.ascontiguousarray(image.transpose(2, 0, 1), np.float32))


def choose_source(
    stage: StageName, sources: Sequence[InputSource], name: str, candidate: FloatArray
) -> InputSource:
    """The source that gives the port's output of layer `name`.

    If sources match with the correct preparation, the result is the source with the smallest difference.
    Otherwise the result is the source with the smallest difference over all preparations. If the output is
    not finite, the result is the first source that gives the output's shape. If no source gives this shape,
    the result is the first source.
    """
    shapes = output_shapes(stage, sources, name)
    upright = [source for source in sources if shapes[source.size] == candidate.shape]
    matching = [source for source in sources if has_shape(candidate.shape, shapes[source.size])]
    if not np.isfinite(candidate).all() or not matching:
        return (matching or list(sources))[0]
    net = official_network(stage)
    found = min(source_distances(net, upright, name, candidate, CORRECT), default=None, key=_distance)
    if found is not None and found[0] <= MATCH_TOLERANCE:
        return found[1]
    distances = (
        one
        for preparation in PREPARATIONS
        for one in source_distances(net, matching, name, candidate, preparation)
    )
    return min(distances, key=_distance, default=(0.0, matching[0]))[1]


def _distance(pair: tuple[float, object]) -> float:
    return pair[0]


def has_shape(found: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Whether two shapes are equal, directly or after x and y are swapped."""
    return found in (shape, (*shape[:-2], *shape[:-3:-1]))


def output_shapes(
    stage: StageName, sources: Sequence[InputSource], name: str
) -> Mapping[Size, tuple[int, ...]]:
    """Output shape of layer `name` for each size of the sources, or () if a size is too small."""
    result: dict[Size, tuple[int, ...]] = {}
    for size in {source.size for source in sources}:
        step = next(step for step in iterate_layers(official_network(stage), size) if step.name == name)
        shape = step.output.shape
        result[size] = shape if min(shape) > 0 else ()
    return result


def source_distances(
    net: Network,
    sources: Sequence[InputSource],
    name: str,
    candidate: FloatArray,
    preparation: Preparation,
) -> Iterator[tuple[float, InputSource]]:
    """Yield the distance of the port's output of layer `name` from OpenFace's output for each source.

    Sources whose output has a different shape are left out.
    """
    network = to_found_network(net, "outputs")
    for _, group in itertools.groupby(sources, lambda source: source.size):
        members = list(group)
        batch = np.stack([preparation.apply(source.pixels) for source in members])
        output = next(values for layer, values in compute_layers(network, batch) if layer == name)
        if output.shape[1:] != candidate.shape:
            continue
        for source, values in zip(members, output, strict=True):
            yield output_difference(candidate, values), source


def nearest_preparation(
    net: Network, source: InputSource, name: str, candidate: FloatArray
) -> tuple[float, Preparation]:
    """Return the preparation whose output of layer `name` is nearest to `candidate`, and the distance.

    If distances are equal, the correct preparation is chosen. Raises ValueError if no output has the
    candidate's shape.
    """
    right = run_layers(net, CORRECT.apply(source.pixels), name)
    if right.shape == candidate.shape:
        difference = output_difference(candidate, right)
        if difference <= LAYER_TOLERANCE:
            return difference, CORRECT
    distances = (
        (distance, preparation)
        for preparation in PREPARATIONS
        for distance, _ in source_distances(net, [source], name, candidate, preparation)
    )
    return min(distances, key=lambda pair: (pair[0], pair[1] != CORRECT))


def output_difference(candidate: FloatArray, output: npt.NDArray[Any]) -> float:
    """Largest difference as a share of the greatest magnitude of `output`."""
    wide = output.astype(np.float64)
    return relative_difference(candidate, wide, max(max_magnitude(wide), 1e-30))


def run_layers(net: Network, maps: FloatArray, name: str) -> FloatArray:
    """Output of layer `name` for the network input `maps` (3, H, W)."""
    for layer in net.layers[: net.names.index(name) + 1]:
        maps = reference.run(layer, maps)
    return maps


def solve_normalisation(net: Network, pixels: FloatArray, candidate: FloatArray) -> Finding | None:
    """Compute the constants of a normalisation that gives the port's output of conv1.

    The output is a linear function of one factor and three shifts. Returns None if no constants give the
    output.
    """
    layer = net.layers[0]
    assert isinstance(layer, Conv2d)
    zero = np.zeros_like(layer.bias)
    for name, order in CHANNEL_ORDERS.items():
        plain = conv2d(np.ascontiguousarray(pixels[list(order)]), layer.kernel, zero).astype(np.float64)
        if plain.shape != candidate.shape:
            return None
        sums = layer.kernel.astype(np.float64).sum(axis=(2, 3))
        columns = [np.broadcast_to(one[:, None, None], plain.shape).ravel() for one in sums.T]
        matrix = np.stack([plain.ravel(), *columns], axis=1)
        target = (candidate - layer.bias[:, None, None].astype(np.float64)).ravel()
        (factor, *shifts), *_ = np.linalg.lstsq(matrix, target, rcond=None)
        residual = np.abs(matrix @ [factor, *shifts] - target).max()
        if residual <= MATCH_TOLERANCE * np.abs(target).max() and abs(factor) > 1e-9:
            centre = ", ".join(f"{-shift / factor:.4g}" for shift in shifts)
            used = f"{name}, (v - ({centre})) / {1 / factor:.5g}"
            text = f"the image was normalised as {used}; expected RGB, (v - 127.5) / 128"
            evidence = {"factor": float(factor), "shifts": [float(value) for value in shifts]}
            return Finding("conv1", "normalisation", text, evidence)
    return None
