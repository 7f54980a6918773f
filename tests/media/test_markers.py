"""Markers identify annotated files of this program in every format, and no other files."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import png
import pytest
from images import portrait
from mtcnn_cpp.media.markers import MARKER, add_marker, has_marker, video_marker


def encoded(ending: str) -> bytes:
    done, data = cv2.imencode(ending, portrait())
    assert done
    return bytes(data.tobytes())


def without_jfif(data: bytes) -> bytes:
    """Return a JPEG file as cameras write it, without the JFIF segment of libjpeg."""
    assert data[2:4] == b"\xff\xe0"
    return data[:2] + data[4 + int.from_bytes(data[4:6], "big") :]


@pytest.mark.parametrize(
    "data",
    [encoded(".png"), encoded(".jpg"), without_jfif(encoded(".jpg"))],
    ids=["png", "jpg", "jpg without JFIF"],
)
def test_marker_does_not_change_pixels(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "any name"
    path.write_bytes(data)
    assert not has_marker(path)
    path.write_bytes(add_marker(data))
    assert has_marker(path)
    before, after = (
        cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR) for file in (data, add_marker(data))
    )
    assert np.array_equal(before, after)


def test_only_image_files_can_be_marked() -> None:
    with pytest.raises(ValueError, match=r"only PNG and JPEG files can be marked, got one that begins"):
        add_marker(b"GIF89a" + bytes(100))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xe0",
        b"\0\0\0\x18ftyp",
        MARKER,
        encoded(".png") + add_marker(encoded(".png"))[33:],  # the marker text at another position
        add_marker(encoded(".png"))[:33]
        + png.chunk(b"tEXt", b"Title\0other")
        + add_marker(encoded(".png"))[33:],
        encoded(".jpg") + MARKER,
        b"\0\0\0\x18ftypisom" + bytes(200) + video_marker() + b"x",
        bytes(200) + video_marker(),
    ],
)
def test_other_files_have_no_marker(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(data)
    assert not has_marker(path)


def test_unreadable_file_has_no_marker(tmp_path: Path) -> None:
    assert not has_marker(tmp_path)
    assert not has_marker(tmp_path / "nowhere")
