"""HEIC and HEIF files, by pillow-heif (extra `heif`), since OpenCV cannot read them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .boxes import has_movie


def decode_heif(data: bytes, name: str) -> Iterator[NDArray[Any]]:
    """The images, one by one, as `read.decode_image` gives them: the primary one, then the others in order
    of the file; thumbnails and depth maps are left out.

    Raises ImportError without pillow-heif, ValueError for a damaged file and for a sequence, of which
    pillow-heif reads no more than the first frame.
    """
    try:
        import pillow_heif
    except ImportError as error:
        raise ImportError(
            f"{name} is a HEIC picture; reading it needs pillow-heif: pip install 'mtcnn-cpp[heif]'"
        ) from error
    if has_movie(data):
        raise ValueError(
            f"{name} is a HEIC sequence, whose frames cannot be read; convert it to a video (MP4) first"
        )
    try:
        file = pillow_heif.open_heif(data, convert_hdr_to_8bit=False, bgr_mode=True)
        first = file.primary_index
        order = [first, *(index for index in range(len(file)) if index != first)]
        for index in order:
            yield _bgr(np.asarray(file[index]))
    except (ValueError, OSError, RuntimeError, EOFError, SyntaxError, IndexError) as error:
        raise ValueError(f"{name}: this HEIC picture cannot be decoded ({error})") from error


def _bgr(pixels: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(pixels[..., :3] if pixels.ndim == 3 else np.stack([pixels] * 3, axis=-1))
