"""Reads frames and their times from videos, streams and cameras. Frames are decoded as in OpenFace."""

from .sampling import Sampling
from .video import Video, VideoError

__all__ = ["Sampling", "Video", "VideoError"]
