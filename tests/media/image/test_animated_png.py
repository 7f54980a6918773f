"""Animated PNG files with a wrong checksum, for which OpenCV returns pixels that it has not written."""

from __future__ import annotations

import io

import numpy as np
import PIL.Image
import pytest
from images import portrait
from mtcnn_cpp.media.image import decode_frames
from mtcnn_cpp.media.image.structure import is_damaged_png, png_chunks


@pytest.mark.parametrize("kind", [b"IDAT", b"fcTL", b"fdAT"])
def test_a_wrong_checksum(kind: bytes) -> None:
    file = io.BytesIO()
    image = PIL.Image.fromarray(np.ascontiguousarray(portrait()[..., ::-1]))
    image.save(file, "PNG", save_all=True, append_images=[image.rotate(9)])
    data = bytearray(file.getvalue())
    assert not is_damaged_png(data)
    at = next(at for found, at in png_chunks(data) if found == kind)
    data[at + int.from_bytes(data[at - 8 : at - 4], "big")] ^= 1
    assert is_damaged_png(data)
    with pytest.raises(ValueError, match=r"a\.png is damaged: a checksum"):
        list(decode_frames(bytes(data), "a.png"))
