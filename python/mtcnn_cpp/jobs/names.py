"""Endings of files that are looked at in a folder."""

from __future__ import annotations

from pathlib import PurePath

from .source import Kind

PICTURES = frozenset(
    (
        *(".avif", ".bmp", ".exr", ".gif", ".hdr", ".heic", ".heif", ".jp2", ".jpe", ".jpeg", ".jpg"),
        *(".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"),
    )
)
VIDEOS = frozenset(
    (
        *(".3gp", ".asf", ".avi", ".flv", ".m2ts", ".m4v", ".mjpeg", ".mkv", ".mov", ".mp4", ".mpeg"),
        *(".mpg", ".mts", ".mxf", ".ogv", ".ts", ".vob", ".webm", ".wmv"),
    )
)


def kind_by_name(name: str) -> Kind | None:
    """What the ending of a file's name says it is."""
    ending = PurePath(name).suffix.lower()
    return "picture" if ending in PICTURES else "video" if ending in VIDEOS else None
