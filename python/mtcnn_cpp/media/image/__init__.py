"""Reads and decodes images, and converts them to the form that every backend accepts."""

from .frames import Frame, decode_frames
from .read import decode_image, read_image, sample_image

__all__ = ["Frame", "decode_frames", "decode_image", "read_image", "sample_image"]
