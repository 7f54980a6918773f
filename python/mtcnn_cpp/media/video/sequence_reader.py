"""Reads a folder of numbered images as a video."""

from __future__ import annotations

import functools
import os
import re
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..image.formats import IMAGE_EXTENSIONS
from ..image.read import read_image
from ..markers import has_marker
from .reader import CannotOpen, NotConverted
from .sampling import check_fps

_LAST_NUMBER = re.compile(r"(.*?)([0-9]+)([^0-9]*)", re.S)
_MAX_DIGITS = 18  # a larger number may not fit into 64 bits


class SequenceReader:
    """A `FrameReader` that reads the images in a folder in the order of the last number in their names.

    Files without the extension of an image, hidden files and annotated files of this program are ignored.
    Only the numbers of the images are kept in memory, and their numbers of digits.

    Args:
        folder: Folder with the images.
        fps: Frames per second.

    Raises:
        CannotOpen: The folder contains no images, or their names do not form one sequence.
        OSError: The folder cannot be read.
        ValueError: `fps` is invalid, or `folder` is not a folder.
    """

    def __init__(self, folder: Path, fps: float) -> None:
        self.label = "OpenCV"
        self.damaged = self.stalled = False
        self.fps = check_fps(fps)
        self._folder = folder
        self._before = self._after = ""  # the name without its number
        numbers, digits = self._list_images()
        order = np.argsort(numbers, kind="stable")
        self._numbers, self._digits = numbers[order], digits[order]
        self._first = int(self._numbers[0])
        self.count = float(int(self._numbers[-1]) - self._first + 1)
        self._check_numbers()
        self._index = -1

    def _list_images(self) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """Return the numbers of the images, and the number of digits in each name."""
        if not self._folder.is_dir():
            found = "is not a folder" if self._folder.exists() else "does not exist"
            raise NotADirectoryError(
                f"{self._folder} {found}; expected a folder of numbered images, because a frame rate (fps) "
                "is given"
            )
        numbers, digits = array("q"), array("B")
        example = ""  # name of the first image
        with os.scandir(self._folder) as entries:
            for entry in entries:
                stem, extension = os.path.splitext(entry.name)
                if extension.lower() not in IMAGE_EXTENSIONS or stem.startswith(".") or entry.is_dir():
                    continue
                match = _LAST_NUMBER.fullmatch(stem)
                name_parts = (match[1], match[3] + extension) if match else ("", "")
                if match is None or not example or name_parts != (self._before, self._after):
                    if has_marker(entry.path):
                        continue
                    self._check_name(entry.name, example, has_number=match is not None)
                    example, (self._before, self._after) = entry.name, name_parts
                assert match is not None  # _check_name raises otherwise
                if len(match[2]) > _MAX_DIGITS:
                    raise CannotOpen(
                        f"contains the image {entry.name}, whose number has {len(match[2])} digits; expected "
                        f"at most {_MAX_DIGITS}"
                    )
                numbers.append(int(match[2]))
                digits.append(len(match[2]))
        if not numbers:
            raise CannotOpen("contains no images; expected a folder of numbered images")
        return np.frombuffer(numbers, np.int64), np.frombuffer(digits, np.uint8)

    def _check_name(self, name: str, example: str, *, has_number: bool) -> None:
        """Raise CannotOpen if an image has no number, or does not belong to the sequence of `example`."""
        if not has_number:
            raise CannotOpen(
                f"contains the image {name}, whose name has no number; expected names such as "
                f"{example or 'image_0001.png'}"
            )
        if example:
            first, second = sorted((example, name))
            raise CannotOpen(
                f"contains the images {first} and {second}, whose names differ not only in their last "
                "number; expected the images of one sequence"
            )

    def _check_numbers(self) -> None:
        """Raise CannotOpen if a number occurs twice, or if more images are missing than exist."""
        for position in np.flatnonzero(np.diff(self._numbers) == 0)[:1]:
            names = sorted((self._name(position), self._name(position + 1)))
            raise CannotOpen(f"contains the images {' and '.join(names)}, which have the same number")
        existing = len(self._numbers)
        if self.count - existing > existing:
            raise CannotOpen(
                f"has {existing} images with numbers from {self._numbers[0]} ({self._name(0)}) to "
                f"{self._numbers[-1]} ({self._name(-1)}), so more images are missing than exist; expected "
                "consecutive numbers: rename the images"
            )

    def _name(self, position: int) -> str:
        """Return the file name of an image by its position in the sorted list."""
        return f"{self._before}{self._numbers[position]:0{self._digits[position]}}{self._after}"

    def grab(self) -> bool:
        """Go to the next number. Return False after the last one."""
        self._index += 1
        return self._index < self.count

    def time(self) -> float:
        """Return the time of the current number in seconds from the first one."""
        return round(self._index / self.fps, 9)

    def convert(self) -> NDArray[Any]:
        """Read the current image. Raise NotConverted if it is missing or unreadable."""
        return self._read(self._index)

    def hold(self) -> Callable[[], NDArray[Any]]:
        """Return a function that reads the current image later."""
        return functools.partial(self._read, self._index)

    def _read(self, index: int) -> NDArray[Any]:
        number = self._first + index
        position = int(np.searchsorted(self._numbers, number))
        if self._numbers[position] != number:
            width = self._digits[position - 1]
            raise NotConverted(f"is missing: there is no image {self._before}{number:0{width}}{self._after}")
        try:
            return read_image(self._folder / self._name(position))
        except (OSError, ValueError, MemoryError) as error:
            raise NotConverted(f"cannot be read: {error}") from error

    def close(self) -> None:
        """Do nothing: no file is open between two frames."""
