"""HEIC and HEIF files, by pillow-heif (extra `heif`), since OpenCV cannot read them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_BRANDS = {b"mif1", b"msf1", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"}


def is_heif(data: bytes) -> bool:
    """Whether a file with this content is a HEIC or HEIF picture (AVIF, which OpenCV reads, is not meant)."""
    return data[4:8] == b"ftyp" and data[8:12] in _BRANDS and b"avif" not in data[8:64]


def decode_heif(data: bytes, name: str) -> NDArray[Any]:
    """The picture as `read.decode_image` gives it; ImportError without pillow-heif, ValueError for a damaged
    file."""
    try:
        import pillow_heif
    except ImportError as error:
        raise ImportError(
            f"{name} is a HEIC picture; reading it needs pillow-heif: pip install 'mtcnn-cpp[heif]'"
        ) from error
    try:
        image = pillow_heif.open_heif(data, convert_hdr_to_8bit=False, bgr_mode=True)
        pixels = np.asarray(image)
    except (ValueError, OSError, RuntimeError, EOFError, SyntaxError) as error:
        raise ValueError(f"{name}: this HEIC picture cannot be decoded ({error})") from error
    return np.ascontiguousarray(pixels[..., :3] if pixels.ndim == 3 else np.stack([pixels] * 3, axis=-1))
