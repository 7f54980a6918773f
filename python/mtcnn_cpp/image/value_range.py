"""Warnings about uint16 images whose values are numbers of fewer bits: the detector sees them as black."""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any, TypeAlias

from numpy.typing import NDArray

Warn: TypeAlias = Callable[[str], None]

MOST_WARNINGS = 20  # of one job, batch or stream
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def range_warning(array: NDArray[Any]) -> str:
    """What is suspicious about the values of a uint16 image; empty if nothing is, and for other types.

    Cameras and scanners store 10-, 12- and 14-bit numbers in 16-bit files, and programs store 8-bit ones. An
    image whose brightest value is below 1/16 of the range (8, 10 and 12 bits) is always reported: it may be
    dark by intention, but no number in it can tell, and no face is found in it either way. A 14-bit image
    cannot be told from a dark 16-bit image that still has faces, so it is reported only if its brightest
    value is in the upper tenth of the 14-bit range, where the highlights of an exposed photo are. An image of
    zeros is black in every range.
    """
    if array.dtype.kind != "u" or array.itemsize != 2:
        return ""
    brightest = int(array.max())
    bits = next((bits for bits in (8, 10, 12) if brightest < 1 << bits), 14)
    if brightest == 0 or (bits == 14 and not 0.9 * (1 << 14) <= brightest < 1 << 14):
        return ""
    factor = 1 << 16 - bits
    advice = "Pass it as uint8 (8 bits a channel)" if bits == 8 else f"Multiply its values by {factor}"
    found = f"uint16 image has values in 0…{(1 << bits) - 1} only, as {bits}-bit images have"
    found += ", where 16-bit images use 0…65535"
    seen = "dark" if bits == 14 else "almost black"
    return f"{found}: the detector sees it {seen}. {advice}, unless it is that dark"


def warn_caller(message: str) -> None:
    """A UserWarning that points to the line which called this package."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, UserWarning, stacklevel=level)


class LimitedWarnings:
    """Passes on each warning once, and the first 20 of many; for one job, batch or stream, on any thread."""

    def __init__(self, warn: Warn = warn_caller) -> None:
        self._warn = warn
        self._lock = threading.Lock()
        self._given: set[str] = set()

    def __call__(self, message: str) -> None:
        with self._lock:
            if message in self._given or len(self._given) > MOST_WARNINGS:
                return
            self._given.add(message)
            is_last = len(self._given) > MOST_WARNINGS
        self._warn(
            "more 16-bit images have values of fewer bits; they are not reported" if is_last else message
        )
