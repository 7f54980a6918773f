"""Options of a detection. The default values are those of OpenFace."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real


@dataclass(frozen=True)
class Options:
    """Options of a detection.

    Attributes:
        min_face: Side of the smallest face in pixels, 1 or more.
        thresholds: Minimum probabilities for PNet, RNet and ONet, each from 0 to 1.
        scale_factor: Ratio of the sizes of two adjacent levels of the pyramid, between 0 and 1.

    Raises:
        ValueError: An argument is out of range. The message names the argument.
        TypeError: An argument is not a number. The message names the argument.
    """

    min_face: float = 60.0
    thresholds: tuple[float, float, float] = (0.6, 0.7, 0.7)
    scale_factor: float = 0.709

    def __post_init__(self) -> None:
        min_face = number("min_face", self.min_face)
        if not (math.isfinite(min_face) and min_face >= 1):
            raise ValueError(
                f"min_face must be a finite number of pixels of 1 or more, got {self.min_face!r}"
            )
        try:
            thresholds = tuple(self.thresholds)
        except TypeError:
            thresholds = ()
        if len(thresholds) != 3:
            raise ValueError(f"thresholds must be three numbers from 0 to 1, got {self.thresholds!r}")
        thresholds = tuple(number("thresholds", value) for value in thresholds)
        if not all(0 <= value <= 1 for value in thresholds):
            raise ValueError(f"thresholds must be three numbers from 0 to 1, got {self.thresholds!r}")
        scale_factor = number("scale_factor", self.scale_factor)
        if not 0 < scale_factor < 1:
            raise ValueError(f"scale_factor must be above 0 and below 1, got {self.scale_factor!r}")
        object.__setattr__(self, "min_face", min_face)
        object.__setattr__(self, "thresholds", thresholds)
        object.__setattr__(self, "scale_factor", scale_factor)


def number(name: str, value: object) -> float:
    """Convert an argument to a float."""
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number, got {value!r} ({type(value).__name__})")
    try:
        return float(value)
    except OverflowError as error:  # an integer above 1e308
        raise ValueError(f"{name} must be a finite number, got one above 1e308") from error
