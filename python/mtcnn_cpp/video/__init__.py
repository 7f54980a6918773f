"""Videos, streams and cameras: their frames as OpenFace sees them, each with its own time."""

from .errors import VideoError
from .ffmpeg import ffmpeg, ffmpeg_name
from .kinds import is_live
from .sampling import Sampling
from .video import Video

__all__ = ["Sampling", "Video", "VideoError", "ffmpeg", "ffmpeg_name", "is_live"]
