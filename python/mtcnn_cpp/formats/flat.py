"""The order in which maps are laid flat before a dense layer: what ports get wrong most often.

An order is three letters, the one that changes slowest first. "cxy" (channel, x, y) is OpenFace's, "cyx"
that of ONNX and PyTorch, whose maps are NCHW, "yxc" that of TensorFlow, whose maps are NHWC, "xyc" that of
the `mtcnn` package and of facenet.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import numpy.typing as npt

OPENFACE, NCHW, NHWC, FACENET = "cxy", "cyx", "yxc", "xyc"
ORDERS = tuple("".join(letters) for letters in itertools.permutations("cyx"))


def to_kernel(weights: npt.NDArray[Any], maps: tuple[int, ...], order: str) -> npt.NDArray[Any]:
    """Dense weights (in, out) as the kernel (out, channels, height, width) that covers the `maps` (channels,
    height, width), which the weights expect laid flat in `order`."""
    sizes = dict(zip("cyx", maps, strict=True))
    spread = weights.reshape(*[sizes[letter] for letter in order], -1)
    return spread.transpose(3, *[order.index(letter) for letter in "cyx"])


def from_kernel(kernel: npt.NDArray[Any], order: str) -> npt.NDArray[Any]:
    """The inverse of `to_kernel`: (out, channels, height, width) to (in, out) with inputs in `order`."""
    axes = [1 + "cyx".index(letter) for letter in order]
    return np.ascontiguousarray(kernel.transpose(*axes, 0).reshape(-1, kernel.shape[0]))


def reorder(weights: npt.NDArray[Any], maps: tuple[int, ...], order: str, new_order: str) -> npt.NDArray[Any]:
    """Dense weights (in, out) with their inputs brought from one order into another. `maps` (channels,
    height, width) are what is laid flat."""
    return from_kernel(to_kernel(weights, maps, order), new_order)
