"""Pictures: what is in a file, and pixels as every backend accepts them."""

from .frame import Frame
from .opencv import opencv, opencv_version, quiet
from .pages import decode_frames
from .pixels import Color, Pixels, is_pil, to_bgr8, to_pixels
from .read import LARGEST, decode_image, read_bytes, read_image
from .sample import SAMPLE, sample_image
from .sniff import HEAD, Kind, kind_of
from .value_range import LimitedWarnings, Warn, warn_caller

__all__ = [
    "HEAD",
    "LARGEST",
    "SAMPLE",
    "Color",
    "Frame",
    "Kind",
    "LimitedWarnings",
    "Pixels",
    "Warn",
    "decode_frames",
    "decode_image",
    "is_pil",
    "kind_of",
    "opencv",
    "opencv_version",
    "quiet",
    "read_bytes",
    "read_image",
    "sample_image",
    "to_bgr8",
    "to_pixels",
    "warn_caller",
]
