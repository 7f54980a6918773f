"""The pictures and options of the cases, all made of the one picture that comes with the package (by NASA, in
the public domain) without any arithmetic."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..image import sample_image
from ..reference.options import Options

Pixels: TypeAlias = NDArray[np.uint8]


@functools.cache
def _whole() -> Pixels:
    return sample_image()


def _portrait() -> Pixels:
    return _whole()[52:212, 136:312]


def _mosaic() -> Pixels:
    """Faces in four sizes and places, one of them mirrored."""
    portrait = _portrait()
    canvas = np.zeros((320, 352, 3), np.uint8)
    canvas[:160, :176] = portrait
    canvas[:160, 176:] = portrait[:, ::-1]
    canvas[160:240, :88] = portrait[::2, ::2]
    canvas[200:, 200:] = portrait[20:140, 12:164]
    return canvas


def _gray() -> Pixels:
    return np.repeat(_portrait()[..., 1:2], 3, axis=2)


LOOSE = Options(40, (0.5, 0.3, 0.1))
STRICT = Options(40, (0.7, 0.8, 0.9))
CASES: Mapping[str, tuple[Callable[[], Any], Options]] = {
    "portrait": (_portrait, Options()),
    "whole": (_whole, Options()),
    "strict": (_whole, STRICT),
    "loose": (_portrait, LOOSE),
    "mirrored": (lambda: _portrait()[:, ::-1], Options()),
    "gray": (_gray, Options()),
    "dark": (lambda: _portrait() // 4, Options()),
    "mosaic": (_mosaic, Options(60)),
    "edge": (lambda: _whole()[52:212, 200:312], Options()),
    "odd": (lambda: _whole()[51:188, 135:318], Options(33)),
    "nothing": (lambda: _whole()[300:460, 330:500], Options()),
    "tiny": (lambda: _portrait()[:50, :50], Options()),
}


def picture_of(name: str) -> Pixels:
    """The pixels of a case, (H, W, 3) uint8, blue first, dense."""
    pixels: Pixels = np.ascontiguousarray(CASES[name][0]())
    return pixels
