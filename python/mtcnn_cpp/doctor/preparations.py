"""The ways in which a port may have prepared its picture, and which of them gives the outputs it computed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..formats.agreement.compute import PARTED, compute
from ..formats.dat import from_network
from ..reference import network as reference
from ..reference.layers import conv2d
from ..reference.model import Conv2d, Network
from ..types import FloatArray
from .findings import Finding

# Centre and divisor; v is a pixel's value, 0 … 255. The first is right.
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
FITS = 1e-3  # as a share of the greatest magnitude; sums of another runtime stay far below


@dataclass(frozen=True)
class Preparation:
    """One way to prepare a picture: keys of ORDERS and NORMALISATIONS, and whether x and y are swapped."""

    channels: str
    normalisation: str
    sideways: bool

    def maps(self, pixels: FloatArray) -> FloatArray:
        """What enters the network, of pixels (3, H, W), R, G, B, 0 … 255."""
        centre, divisor = NORMALISATIONS[self.normalisation]
        maps = (pixels[list(ORDERS[self.channels])] - np.float32(centre)) / np.float32(divisor)
        return np.ascontiguousarray(maps.swapaxes(1, 2) if self.sideways else maps)


RIGHT = Preparation("RGB", next(iter(NORMALISATIONS)), sideways=False)


def nearest(net: Network, pixels: FloatArray, name: str, theirs: FloatArray) -> tuple[float, Preparation]:
    """The preparation under which layer `name` gives what is nearest to theirs, and how near: the largest
    difference as a share of the greatest magnitude. The right one wins a tie. ValueError where the shape of
    theirs fits none."""
    right = run(net, RIGHT.maps(pixels), name)
    if right.shape == theirs.shape:
        apart = share(theirs, right)
        if apart <= PARTED:
            return apart, RIGHT
    return min(tries(net, pixels, name, theirs), key=lambda tried: (tried[0], tried[1] != RIGHT))


def tries(
    net: Network, pixels: FloatArray, name: str, theirs: FloatArray
) -> Iterator[tuple[float, Preparation]]:
    for choice in itertools.product(ORDERS, NORMALISATIONS, (False, True)):
        way = Preparation(*choice)
        layers = compute(from_network(net, "outputs"), way.maps(pixels)[None])
        output = next(values for layer, values in layers if layer == name)[0]
        if output.shape == theirs.shape:
            yield share(theirs, output), way


def share(theirs: npt.NDArray[Any], output: npt.NDArray[Any]) -> float:
    """The largest difference as a share of the output's greatest magnitude."""
    apart = float(np.abs(theirs - output.astype(np.float64)).max())
    return apart / max(float(np.abs(output).max()), 1e-30)


def run(net: Network, maps: FloatArray, name: str) -> FloatArray:
    """The output of layer `name`, of maps (3, H, W)."""
    for layer in net.layers[: net.names.index(name) + 1]:
        maps = reference.run(layer, maps)
    return maps


def solve_constants(net: Network, pixels: FloatArray, theirs: FloatArray) -> Finding | None:
    """The constants of a normalisation that gives their output of conv1, which is linear in a factor and in
    three shifts. None where there are none."""
    layer = net.layers[0]
    assert isinstance(layer, Conv2d)
    zero = np.zeros_like(layer.bias)
    for name, order in ORDERS.items():
        plain = conv2d(np.ascontiguousarray(pixels[list(order)]), layer.kernel, zero).astype(np.float64)
        if plain.shape != theirs.shape:
            return None
        sums = layer.kernel.astype(np.float64).sum(axis=(2, 3))
        columns = [np.broadcast_to(one[:, None, None], plain.shape).ravel() for one in sums.T]
        matrix = np.stack([plain.ravel(), *columns], axis=1)
        wanted = (theirs - layer.bias[:, None, None].astype(np.float64)).ravel()
        (factor, *shifts), *_ = np.linalg.lstsq(matrix, wanted, rcond=None)
        residue = np.abs(matrix @ [factor, *shifts] - wanted).max()
        if residue <= FITS * np.abs(wanted).max() and abs(factor) > 1e-9:
            centre = ", ".join(f"{-shift / factor:.4g}" for shift in shifts)
            used = f"{name}, (v - ({centre})) / {1 / factor:.5g}"
            text = f"the picture was normalised as {used}; expected RGB, (v - 127.5) / 128"
            evidence = {"factor": float(factor), "shifts": [float(value) for value in shifts]}
            return Finding("conv1", "normalisation", text, evidence)
    return None
