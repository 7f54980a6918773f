"""Creates a sample video from the bundled sample image."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np

from .._util.files import AtomicFile
from .image import sample_image
from .image.opencv import import_opencv
from .video.ffmpeg import ffmpeg, ffmpeg_name

FRAMES = 100
FPS = 25.0
SIZE = 320, 240  # width, height


def write_sample_video(path: str | os.PathLike[str]) -> None:
    """Write an MP4 video of 4 s with 320 x 240 pixels and 25 frames per second.

    The camera moves over the sample image.

    Args:
        path: File to write.

    Raises:
        OSError: The file cannot be written (FileNotFoundError if its folder does not exist).
        ImportError: OpenCV cannot be imported.
    """
    cv2 = import_opencv("writing a video")
    image = sample_image()
    part = AtomicFile(Path(path), ending=".part.mp4")
    try:
        with ffmpeg.in_use(cv2), ffmpeg_name(part.temporary) as name:
            codec = cv2.VideoWriter_fourcc(*"mp4v")
            writer = cv2.VideoWriter(name, cv2.CAP_FFMPEG, codec, FPS, SIZE)
            for index in range(FRAMES):
                phase = 2 * math.pi * index / FRAMES
                scale = 0.9 + 0.1 * math.cos(phase)  # video pixels per image pixel
                x, y = 240 + 35 * math.sin(phase), 165 + 15 * math.sin(2 * phase)  # image point in the center
                offset = SIZE[0] / 2 - scale * x, SIZE[1] / 2 - scale * y
                matrix = np.array([[scale, 0, offset[0]], [0, scale, offset[1]]])
                writer.write(cv2.warpAffine(image, matrix, SIZE, flags=cv2.INTER_LINEAR))
            writer.release()
        if not part.temporary.stat().st_size:
            raise OSError(f"{path}: OpenCV cannot write an MP4 video here; no incomplete file remains")
        part.commit()
    finally:
        part.discard()
