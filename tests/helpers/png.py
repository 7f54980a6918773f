"""PNG files, encoded and decoded with OpenCV. Tests that use them are skipped without OpenCV."""

from __future__ import annotations

import zlib

import numpy as np
import pytest


def encode(image: np.ndarray) -> bytes:
    """Encode an image, (H, W, 3) uint8 BGR."""
    cv2 = pytest.importorskip("cv2")
    data: bytes = cv2.imencode(".png", image)[1].tobytes()
    return data


def decode(data: bytes) -> np.ndarray:
    """Return the image, (H, W, 3) uint8 BGR."""
    cv2 = pytest.importorskip("cv2")
    image: np.ndarray = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return image


def chunk(kind: bytes, content: bytes) -> bytes:
    """Return a PNG chunk: length, kind, content, checksum."""
    length, checksum = len(content), zlib.crc32(kind + content)
    return length.to_bytes(4, "big") + kind + content + checksum.to_bytes(4, "big")
