"""Reads frames and their times from videos, streams and cameras. Frames are decoded as in OpenFace."""

from .video import Sampling, Video, VideoError

__all__ = ["Sampling", "Video", "VideoError"]
