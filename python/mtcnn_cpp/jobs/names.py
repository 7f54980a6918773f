"""Endings of files that are looked at in a folder."""

from __future__ import annotations

from pathlib import PurePath

from .source import Kind

PICTURES = frozenset(
    (
        *(".apng", ".avif", ".avifs", ".bmp", ".exr", ".gif", ".hdr", ".heic", ".heics", ".heif", ".heifs"),
        *(".hif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".mpo", ".pbm", ".pgm", ".png", ".ppm"),
        *(".tif", ".tiff", ".webp"),
    )
)
VIDEOS = frozenset(
    (
        *(".3g2", ".3gp", ".asf", ".avi", ".dv", ".f4v", ".flv", ".m2ts", ".m2v", ".m4v", ".mj2", ".mjpeg"),
        *(".mjpg", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".ts", ".vob", ".webm"),
        ".wmv",
    )
)


def kind_by_name(name: str) -> Kind | None:
    """What the ending of a file's name says it is."""
    ending = PurePath(name).suffix.lower()
    return "picture" if ending in PICTURES else "video" if ending in VIDEOS else None


def name_is_motion_jpeg(name: str) -> bool:
    """Whether the name is that of a video of JPEG images one after the other."""
    return PurePath(name).suffix.lower() in (".mjpeg", ".mjpg")
