"""What can be wrong with a video."""

from __future__ import annotations


class VideoError(ValueError):
    """A video that cannot be opened, holds no frames, or ends before its end; the message names it.

    Frames that could be read have been given before.
    """
