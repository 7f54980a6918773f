"""PNG without OpenCV: what is written reads back, here and elsewhere."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from mtcnn_cpp import png
from pictures import portrait


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 7, 3), (9, 1, 3), (31, 17, 3)])
def test_png_round_trip(shape: tuple[int, int, int]) -> None:
    image = np.random.default_rng(3).integers(0, 256, shape, np.uint8)
    data = png.encode(image)
    assert np.array_equal(png.decode(data), image)
    assert np.array_equal(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), image)


def test_png_refuses_what_it_did_not_write() -> None:
    data = cv2.imencode(".png", portrait()[..., 0])[1].tobytes()
    with pytest.raises(ValueError, match="not a PNG file as mtcnn_cpp writes them"):
        png.decode(data)
    with pytest.raises(ValueError, match="not a PNG file"):
        png.decode(b"GIF89a")
