"""Reads frames and their times from videos, streams, cameras and folders of images, as in OpenFace."""

from .frame_iterator import FrameIterator
from .sampling import Sampling
from .video import Video, VideoError

__all__ = ["FrameIterator", "Sampling", "Video", "VideoError"]
