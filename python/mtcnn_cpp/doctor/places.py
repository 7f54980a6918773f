"""Where in a detection a port's outputs may come from: the picture itself, a level of its pyramid, a crop."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..detector import Detector
from ..formats.agreement.compute import compute
from ..formats.dat import from_network
from ..formats.recognise import official
from ..image import to_pixels
from ..reference.plan import STAGES, Size, walk
from ..trace.file.trace import to_bgr
from ..types import FloatArray, ImageLike, StageName
from .preparations import FITS, NORMALISATIONS, ORDERS, RIGHT, Preparation, share

WHOLE = "the whole picture"


@dataclass(frozen=True, eq=False)
class Place:
    """What may have entered the network: `pixels` (3, H, W), R, G, B, 0 … 255; `name`: of the level or crop,
    as in a trace, or WHOLE."""

    name: str
    pixels: FloatArray

    @property
    def size(self) -> Size:
        """Height and width."""
        return self.pixels.shape[1], self.pixels.shape[2]


def places_in(stage: StageName, image: ImageLike, min_face: float) -> list[Place]:
    """The picture as it is, if the network takes its size, then every level or crop of its detection.

    ValueError where there are none: no box reaches the network.
    """
    picture = to_bgr(to_pixels(image))[..., ::-1]
    side = STAGES[stage].side
    result = []
    if side is None or picture.shape[:2] == (side, side):
        result.append(whole(picture))
    trace = Detector(min_face=min_face).trace(image)
    for name in trace:
        if name.startswith(f"{stage}/") and name.endswith("/input"):
            pixels = trace[name] * np.float32(128) + np.float32(127.5)
            result.append(Place(name.removesuffix("/input"), pixels))
    if not result:
        raise ValueError(
            f"no box of this picture reaches {stage} with min_face {min_face:g}, so nothing can be compared; "
            f"give the {side} x {side} crop itself as the picture, or another --min-face"
        )
    return result


def whole(picture: npt.NDArray[Any]) -> Place:
    """The picture (H, W, 3), R, G, B, as it is. ValueError for another shape."""
    if picture.ndim != 3 or picture.shape[2] != 3:
        raise ValueError(f"picture: expected shape (H, W, 3), found {picture.shape}")
    return Place(WHOLE, np.ascontiguousarray(picture.transpose(2, 0, 1), np.float32))


def choose(stage: StageName, places: Sequence[Place], name: str, theirs: FloatArray) -> Place:
    """The place that, prepared rightly, gives their output of layer `name`; else the one that comes nearest
    in one of the usual wrong ways; else the first whose output has that shape, or the first of all."""
    shapes = output_shapes(stage, places, name)
    upright = [place for place in places if shapes[place.size] == theirs.shape]
    either = [place for place in places if fits(shapes[place.size], theirs.shape)]
    if not np.isfinite(theirs).all() or not either:
        return (either or list(places))[0]
    found = min(distances(stage, upright, name, theirs, RIGHT), default=None, key=lambda one: one[0])
    if found is not None and found[0] <= FITS:
        return found[1]
    ways = itertools.starmap(Preparation, itertools.product(ORDERS, NORMALISATIONS, (False, True)))
    tried = (one for way in ways for one in distances(stage, either, name, theirs, way))
    return min(tried, key=lambda one: one[0], default=(0.0, either[0]))[1]


def fits(shape: tuple[int, ...], theirs: tuple[int, ...]) -> bool:
    """Whether it is that shape, or that shape with x and y exchanged."""
    return theirs in (shape, (*shape[:-2], *shape[:-3:-1]))


def output_shapes(stage: StageName, places: Sequence[Place], name: str) -> Mapping[Size, tuple[int, ...]]:
    """The shape of the output of layer `name`, by the size of what enters; () where that is too small."""
    result: dict[Size, tuple[int, ...]] = {}
    for size in {place.size for place in places}:
        step = next(step for step in walk(official(stage), size) if step.name == name)
        shape = step.leaving.shape
        result[size] = shape if min(shape) > 0 else ()
    return result


def distances(
    stage: StageName, places: Sequence[Place], name: str, theirs: FloatArray, way: Preparation
) -> Iterator[tuple[float, Place]]:
    """How far the output of each place, so prepared, is from theirs, as a share of its greatest magnitude."""
    network = from_network(official(stage), stage)
    for _, group in itertools.groupby(places, lambda place: place.size):
        members = list(group)
        batch = np.stack([way.maps(place.pixels) for place in members])
        output = next(values for layer, values in compute(network, batch) if layer == name)
        if output.shape[1:] != theirs.shape:
            continue
        for place, values in zip(members, output, strict=True):
            yield share(theirs, values), place
