"""Cases of the comparison: the sample image, the user's images, and random crops of these images."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...reference.options import Options

CROP_SIDES = 128, 480  # range of the sides of random crops, in pixels
MIN_FACES = 20, 90  # range of `min_face` in random cases, in pixels
THRESHOLDS = (0.4, 0.8), (0.3, 0.9), (0.2, 0.9)


@dataclass(frozen=True, eq=False)
class Case:
    """One detection that OpenFace and this package both run.

    Attributes:
        image: Name of the image.
        pixels: (H, W, 3) uint8 BGR.
        options: Options of the detection.
        crop: Row, column, height and width of the part of the image; None: the whole image.
    """

    image: str
    pixels: NDArray[np.uint8]
    options: Options
    crop: tuple[int, int, int, int] | None = None

    @property
    def sha256(self) -> str:
        """SHA-256 of the pixels in row order."""
        return hashlib.sha256(np.ascontiguousarray(self.pixels).tobytes()).hexdigest()


def make_cases(
    images: Mapping[str, NDArray[np.uint8]], options: Options, random: int, seed: int
) -> Iterator[Case]:
    """Yield the cases: first each whole image with `options`, then random crops of randomly chosen images.

    `random` is the number of random crops. Each of them has a random `min_face` and random thresholds. The
    same images and seed give the same cases.
    """
    for name, pixels in images.items():
        yield Case(name, pixels, options)
    names = list(images)
    for number in range(random):
        generator = np.random.default_rng([seed, number])
        name = names[generator.integers(len(names))]
        yield _random_case(name, images[name], options, generator)


def _random_case(
    name: str, pixels: NDArray[np.uint8], options: Options, generator: np.random.Generator
) -> Case:
    height, width = (
        _between(generator, min(CROP_SIDES[0], side), min(CROP_SIDES[1], side)) for side in pixels.shape[:2]
    )
    row = _between(generator, 0, pixels.shape[0] - height)
    column = _between(generator, 0, pixels.shape[1] - width)
    # The original needs an integer min_face, and an image whose smaller side is more than 0.709 x min_face.
    min_face = _between(generator, min(MIN_FACES[0], height, width), min(MIN_FACES[1], height, width))
    t1, t2, t3 = (round(float(generator.uniform(low, high)), 4) for low, high in THRESHOLDS)
    crop = pixels[row : row + height, column : column + width]
    options = replace(options, min_face=float(min_face), thresholds=(t1, t2, t3))
    return Case(name, np.ascontiguousarray(crop), options, (row, column, height, width))


def _between(generator: np.random.Generator, low: int, high: int) -> int:
    return int(generator.integers(low, high + 1))
