"""A diagnosis from outputs: what a port computed on a picture, against what OpenFace's network makes of
that picture prepared rightly, and in each of the usual wrong ways.

This finds what no file shows: channels swapped, a picture on its side, a normalisation missing or with
other constants, pooling floored, padding added.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..formats.agreement.compute import PARTED
from ..formats.errors import PortError
from ..formats.recognise import official
from ..reference.model import MaxPool, Network
from ..reference.plan import Size, walk
from ..types import FloatArray, ImageLike, StageName
from .findings import Diagnosis, Finding
from .places import Place, choose, fits, places_in, whole
from .pools import floored
from .preparations import FITS, RIGHT, Preparation, nearest, run, solve_constants

PADDED_AT_MOST = 8  # rows that padding may have added, to be told from another level
NEVER = 1 << 30


def diagnose_outputs(
    stage: StageName, picture: npt.NDArray[Any], outputs: Mapping[str, npt.NDArray[Any]]
) -> Diagnosis:
    """A diagnosis of the first layer, in execution order, among `outputs`; where that is right, of all others
    too.

    `picture`: (H, W, 3), R, G, B, 0 … 255, as the port gave it to that network, so 24 x 24 for rnet and
    48 x 48 for onet. `outputs`: what the port computed, by our names of layers: maps (C, h, w) or values
    (C,), with or without a batch axis of 1. Raises PortError for names that are no layers, ValueError for a
    picture of another shape.
    """
    return diagnose_places(stage, [whole(picture)], outputs)


def diagnose_in_cascade(
    stage: StageName, image: ImageLike, outputs: Mapping[str, npt.NDArray[Any]], min_face: float
) -> Diagnosis:
    """As `diagnose_outputs`, for outputs that may come from any level of the picture's pyramid, or from any
    crop, that a detection with `min_face` has; the diagnosis says from which.

    `image`: as for `Detector.detect`. ValueError too where no box reaches the network.
    """
    first_layer(official(stage), outputs)
    return diagnose_places(stage, places_in(stage, image, min_face), outputs)


def diagnose_places(
    stage: StageName, places: Sequence[Place], outputs: Mapping[str, npt.NDArray[Any]]
) -> Diagnosis:
    """A diagnosis of outputs that come from one of the places."""
    net = official(stage)
    name = first_layer(net, outputs)
    theirs = without_batch(outputs[name])
    place = choose(stage, places, name, theirs)
    pixels = place.pixels
    right = run(net, RIGHT.maps(pixels), name)
    note = f"from the output of {name}" + (f" on {place.name}" if len(places) > 1 else "")
    if not fits(right.shape, theirs.shape):
        findings = [wrong_shape(net, places, name, theirs.shape)]
    elif not np.isfinite(theirs).all():
        text = f"{int(np.sum(~np.isfinite(theirs)))} of {theirs.size} outputs are NaN or infinite"
        findings = [Finding(name, "values", text)]
    else:
        distance, way = nearest(net, pixels, name, theirs)
        figures = difference(theirs, right) if theirs.shape == right.shape else {}
        if distance <= FITS:
            note += f"; so prepared, OpenFace's network differs by {distance:.1e} of the greatest magnitude"
            findings = list(mistakes(name, way, figures)) or list(other_values(net, pixels, outputs))
        else:
            constants = solve_constants(net, pixels, theirs) if name == "conv1" else None
            evidence = figures | {"distance": distance}
            findings = [unknown_values(name, way, evidence) if constants is None else constants]
            if len(places) > 1:
                note = f"from the output of {name}; none of {len(places)} levels and crops gives it"
    numbers = 0 if findings else sum(np.size(output) for output in outputs.values())
    return Diagnosis("outputs", stage, tuple(findings), (note,), {}, None, numbers, bound=PARTED)


def first_layer(net: Network, outputs: Mapping[str, npt.NDArray[Any]]) -> str:
    """The first of the network's layers among `outputs`; PortError where one of them is no layer."""
    unknown = [name for name in outputs if name not in net.names]
    if unknown or not outputs:
        there = ", ".join(unknown) or "none"
        raise PortError(f"outputs: expected some of {', '.join(net.names)}, found {there}")
    return next(name for name in net.names if name in outputs)


def mistakes(name: str, way: Preparation, figures: dict[str, Any]) -> Iterator[Finding]:
    """What is wrong with the preparation that gives their outputs."""
    if way.channels != RIGHT.channels:
        text = f"the picture was given as {way.channels}, expected {RIGHT.channels}"
        yield Finding(name, "input-channels", text, figures)
    if way.normalisation != RIGHT.normalisation:
        text = f"the picture was normalised as {way.normalisation}, expected {RIGHT.normalisation}"
        yield Finding(name, "normalisation", text, figures)
    if way.sideways:
        text = "the picture was given on its side (x and y swapped)"
        yield Finding(name, "kernel-turned", text, figures)


def other_values(
    net: Network, pixels: FloatArray, outputs: Mapping[str, npt.NDArray[Any]]
) -> Iterator[Finding]:
    """The first layer whose outputs are not those of the picture prepared rightly."""
    for name in [name for name in net.names if name in outputs]:
        theirs, right = without_batch(outputs[name]), run(net, RIGHT.maps(pixels), name)
        if theirs.shape != right.shape:
            yield Finding(name, "shape", f"shape {theirs.shape}, expected {right.shape}")
            return
        apart = float(np.abs(theirs - right.astype(np.float64)).max()) / float(np.abs(right).max())
        if not apart <= PARTED:
            text = f"the outputs differ by {apart:.1e} of the greatest magnitude"
            yield Finding(name, "values", text, difference(theirs, right))
            return


def unknown_values(name: str, way: Preparation, evidence: dict[str, Any]) -> Finding:
    """For outputs that no preparation gives; `way` comes nearest."""
    near = f"{way.channels}, {way.normalisation}"
    text = f"no usual preparation of the picture gives these outputs; the nearest: {near}"
    return Finding(name, "values", text, evidence)


def difference(theirs: FloatArray, right: FloatArray) -> dict[str, Any]:
    """Of outputs of one shape: greatest and mean difference, mean and correlation of the first channels."""
    apart = np.abs(theirs - right.astype(np.float64)).reshape(len(right), -1)
    a, b = theirs.reshape(len(right), -1), right.reshape(len(right), -1)
    figures: dict[str, Any] = {"max": round(float(apart.max()), 4), "mean": round(float(apart.mean()), 4)}
    if a.shape[1] > 1:
        figures["mean by channel"] = [round(float(value), 3) for value in apart.mean(axis=1)[:4]]
        with np.errstate(invalid="ignore"):  # NaN where a channel is constant
            figures["correlation by channel"] = [
                round(float(np.corrcoef(x, y)[0, 1]), 3) for x, y in zip(a[:4], b[:4], strict=True)
            ]
    return figures


def wrong_shape(net: Network, places: Sequence[Place], name: str, theirs: tuple[int, ...]) -> Finding:
    """For an output whose shape no place gives. Among several places, one where pooling floored gives it goes
    first, then the one that needs the least padding."""
    told: list[tuple[int, str, str]] = []
    for place in places:
        step = next(step for step in walk(net, place.size) if step.name == name)
        right = step.leaving.shape
        if min(right) < 1:
            continue
        kind, text = explain_shape(net, place.size, name, theirs, right)
        more = [x - y for x, y in zip(theirs[1:], right[1:], strict=False)]
        if kind == "padding" and len(places) > 1 and (len(set(more)) > 1 or more[0] > PADDED_AT_MOST):
            kind = "shape"
        told.append(({"pool-size": 0, "padding": more[0] if more else 0}.get(kind, NEVER), kind, text))
    rank, kind, text = min(told, key=lambda one: one[0])
    if rank == NEVER and len(places) > 1:
        text = f"shape {theirs}, which no level or crop of this picture gives; check --min-face and --stage"
    return Finding(name, kind, text)


def explain_shape(
    net: Network, size: Size, name: str, theirs: tuple[int, ...], right: tuple[int, ...]
) -> tuple[str, str]:
    """Kind and words for an output of another shape: pooling floored, or padding."""
    step = next(step for step in walk(net, size, pooled=floored) if step.name == name)
    pooled = any(isinstance(layer, MaxPool) for layer in net.layers[: net.names.index(name) + 1])
    told = f"shape {theirs}, expected {right}"
    if pooled and theirs[-2:] == step.leaving.size:
        return "pool-size", f"{told}: pooling floored"
    if len(theirs) == len(right) == 3 and theirs[0] == right[0] and theirs[1] > right[1]:
        return "padding", f"{told}: padding added"
    return "shape", told


def without_batch(output: npt.NDArray[Any]) -> FloatArray:
    """(1, …) → (…), float32."""
    array = np.asarray(output)
    if array.dtype.kind not in "fiu":
        raise PortError(f"outputs: expected arrays of numbers, found {array.dtype}")
    array = array.astype(np.float32)
    return array[0] if array.ndim in (2, 4) and len(array) == 1 else array
