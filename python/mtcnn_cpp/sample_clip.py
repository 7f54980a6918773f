"""A short video to try things with, made from the picture that comes with the package."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np

from .files import Part
from .image import opencv, sample_image
from .video import ffmpeg, ffmpeg_name

FRAMES = 100
RATE = 25.0
SIZE = 320, 240  # width, height


def write_sample_clip(path: str | os.PathLike[str]) -> None:
    """Write 4 seconds in which a camera moves over the portrait, as an MP4 file of 320 x 240 pixels.

    Raises FileNotFoundError if the folder does not exist, another OSError if the file cannot be written,
    ImportError without OpenCV.
    """
    cv2 = opencv("writing a video")
    image = sample_image()
    part = Part(Path(path), ending=".part.mp4")
    try:
        with ffmpeg.in_use(cv2), ffmpeg_name(part.temporary) as name:
            kind = cv2.VideoWriter_fourcc(*"mp4v")
            writer = cv2.VideoWriter(name, cv2.CAP_FFMPEG, kind, RATE, SIZE)
            for index in range(FRAMES):
                turn = 2 * math.pi * index / FRAMES
                scale = 0.9 + 0.1 * math.cos(turn)  # of the picture's pixels to those of the clip
                x, y = 240 + 35 * math.sin(turn), 165 + 15 * math.sin(2 * turn)  # what is in the middle
                middle = SIZE[0] / 2 - scale * x, SIZE[1] / 2 - scale * y
                matrix = np.array([[scale, 0, middle[0]], [0, scale, middle[1]]])
                writer.write(cv2.warpAffine(image, matrix, SIZE, flags=cv2.INTER_LINEAR))
            writer.release()
        if not part.temporary.stat().st_size:
            raise OSError(f"{path}: OpenCV cannot write an MP4 video here; nothing was left behind")
        part.commit()
    finally:
        part.discard()
