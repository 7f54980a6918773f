"""A diagnosis from outputs: what a port computed on a picture, against what OpenFace's network makes of
that picture prepared rightly and in each of the usual wrong ways.

This finds what no file shows: channels swapped, a picture on its side, a normalisation missing or with
other constants, pooling floored, padding added.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..formats.errors import PortError
from ..formats.recognise import official
from ..reference import network as reference
from ..reference.layers import conv2d
from ..reference.model import Conv2d, MaxPool, Network
from ..reference.plan import Size, walk
from ..types import FloatArray, StageName
from .findings import Diagnosis, Finding
from .story import floored

# v is a pixel's value, 0 … 255; the first is right.
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
ORDERS = {"RGB": (0, 1, 2), "BGR": (2, 1, 0)}
FITS = 1e-3  # of the greatest magnitude: a different runtime's sums stay far below


@dataclass(frozen=True)
class Preparation:
    """One way to prepare a picture, and how far its output is from theirs, as a share of the greatest
    magnitude."""

    channels: str
    normalisation: str
    sideways: bool
    distance: float

    @property
    def right(self) -> bool:
        return (self.channels, self.normalisation, self.sideways) == (
            "RGB",
            next(iter(NORMALISATIONS)),
            False,
        )


def diagnose_outputs(
    stage: StageName, picture: npt.NDArray[Any], outputs: Mapping[str, npt.NDArray[Any]]
) -> Diagnosis:
    """Outputs of some layers (by our names, maps (C, h, w), with or without a batch axis of 1) that a port
    computed on `picture` (H, W, 3), R, G, B, 0 … 255, given to that network as it is: 24 x 24 for rnet, 48
    x 48 for onet.

    Raises PortError for names that are no layers, ValueError for a picture of another shape.
    """
    net = official(stage)
    if picture.ndim != 3 or picture.shape[2] != 3:
        raise ValueError(f"picture: expected shape (H, W, 3), found {picture.shape}")
    unknown = [name for name in outputs if name not in net.names]
    if unknown or not outputs:
        there = ", ".join(unknown) or "none"
        raise PortError(f"outputs: expected some of {', '.join(net.names)}, found {there}")
    pixels = np.ascontiguousarray(picture.transpose(2, 0, 1), np.float32)
    name = next(name for name in net.names if name in outputs)
    theirs = without_batch(outputs[name])
    right = run(net, prepare(pixels, Preparation("RGB", "(v - 127.5) / 128", False, 0)), name)
    if theirs.shape != right.shape and theirs.shape != right.swapaxes(-1, -2).shape:
        finding = Finding(name, *explain_shape(net, picture.shape[:2], name, theirs.shape, right.shape))
        return diagnosis(stage, [finding], name)
    tried = sorted(tries(net, pixels, name, theirs), key=lambda one: (one.distance, not one.right))
    found = tried[0]
    if name == "conv1" and found.distance > FITS:
        constants = solve_constants(net, pixels, theirs)
        if constants is not None:
            return diagnosis(stage, [Finding(name, "normalisation", *constants)], name)
    figures = difference(theirs, right) if theirs.shape == right.shape else {}
    if found.distance > FITS:
        near = f"{found.channels}, {found.normalisation}"
        text = f"no usual preparation of the picture gives these outputs; the nearest: {near}"
        return diagnosis(stage, [Finding(name, "values", text, figures | {"distance": found.distance})], name)
    findings = []
    if found.channels != "RGB":
        text = f"the picture was given as {found.channels}, expected RGB"
        findings.append(Finding(name, "input-channels", text, figures))
    if found.normalisation != next(iter(NORMALISATIONS)):
        text = f"the picture was normalised as {found.normalisation}, expected (v - 127.5) / 128"
        findings.append(Finding(name, "normalisation", text, figures))
    if found.sideways:
        text = "the picture was given on its side (x and y swapped)"
        findings.append(Finding(name, "kernel-turned", text, figures))
    return diagnosis(stage, findings, name, found.distance)


def diagnosis(
    stage: StageName, findings: list[Finding], name: str, distance: float | None = None
) -> Diagnosis:
    note = f"from the output of {name}"
    if distance is not None:
        note += f"; so prepared, OpenFace's network differs by {distance:.1e} of the greatest magnitude"
    return Diagnosis("outputs", stage, tuple(findings), (note,), {}, None)


def tries(net: Network, pixels: FloatArray, name: str, theirs: FloatArray) -> list[Preparation]:
    result = []
    for channels, normalisation, sideways in itertools.product(ORDERS, NORMALISATIONS, (False, True)):
        way = Preparation(channels, normalisation, sideways, 0)
        output = run(net, prepare(pixels, way), name)
        if output.shape == theirs.shape:
            result.append(Preparation(channels, normalisation, sideways, distance(theirs, output)))
    return result


def prepare(pixels: FloatArray, way: Preparation) -> FloatArray:
    centre, divisor = NORMALISATIONS[way.normalisation]
    maps = (pixels[list(ORDERS[way.channels])] - np.float32(centre)) / np.float32(divisor)
    return np.ascontiguousarray(maps.swapaxes(1, 2) if way.sideways else maps)


def run(net: Network, maps: FloatArray, name: str) -> FloatArray:
    for layer_name, layer in zip(net.names, net.layers, strict=True):
        maps = reference.run(layer, maps)
        if layer_name == name:
            break
    return maps


def distance(theirs: FloatArray, ours: FloatArray) -> float:
    return float(np.abs(theirs - ours.astype(np.float64)).max() / max(float(np.abs(ours).max()), 1e-30))


def difference(theirs: FloatArray, right: FloatArray) -> dict[str, Any]:
    """Of outputs: greatest and mean difference, mean and correlation of the first channels."""
    apart = np.abs(theirs - right.astype(np.float64)).reshape(len(right), -1)
    a, b = theirs.reshape(len(right), -1), right.reshape(len(right), -1)
    figures: dict[str, Any] = {"max": round(float(apart.max()), 4), "mean": round(float(apart.mean()), 4)}
    if a.shape[1] > 1:
        figures["mean by channel"] = [round(float(value), 3) for value in apart.mean(axis=1)[:4]]
        figures["correlation by channel"] = [
            round(float(np.corrcoef(x, y)[0, 1]), 3) for x, y in zip(a[:4], b[:4], strict=True)
        ]
    return figures


def solve_constants(
    net: Network, pixels: FloatArray, theirs: FloatArray
) -> tuple[str, dict[str, Any]] | None:
    """Any factor and shifts of the three channels: conv1 is linear in them. None where none fit."""
    layer = net.layers[0]
    assert isinstance(layer, Conv2d)
    zero = np.zeros_like(layer.bias)
    for name, order in ORDERS.items():
        plain = conv2d(np.ascontiguousarray(pixels[list(order)]), layer.kernel, zero).astype(np.float64)
        if plain.shape != theirs.shape:
            return None
        sums = layer.kernel.astype(np.float64).sum(axis=(2, 3))[:, :, None, None] * np.ones(
            (1, 1, *plain.shape[1:])
        )
        columns = np.stack([plain.ravel(), *(sums[:, channel].ravel() for channel in range(3))], axis=1)
        wanted = (theirs - layer.bias[:, None, None].astype(np.float64)).ravel()
        solution, *_ = np.linalg.lstsq(columns, wanted, rcond=None)
        residue = np.abs(columns @ solution - wanted).max()
        if residue <= FITS * np.abs(wanted).max() and abs(solution[0]) > 1e-9:
            centre = ", ".join(f"{value:.4g}" for value in -solution[1:] / solution[0])
            used = f"{name}, (v - ({centre})) / {1 / solution[0]:.5g}"
            text = f"the picture was normalised as {used}; expected RGB, (v - 127.5) / 128"
            return text, {"factor": float(solution[0]), "shifts": [float(value) for value in solution[1:]]}
    return None


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
