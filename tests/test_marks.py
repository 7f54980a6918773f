"""Our own drawings are known again, in every kind of file; nothing else is taken for one."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from mtcnn_cpp import png
from mtcnn_cpp.marks import WORDS, is_marked, mark, video_mark
from pictures import portrait


def encoded(ending: str) -> bytes:
    done, data = cv2.imencode(ending, portrait())
    assert done
    return bytes(data.tobytes())


def without_jfif(data: bytes) -> bytes:
    """A JPEG file as cameras write it, without the segment that libjpeg puts first."""
    assert data[2:4] == b"\xff\xe0"
    return data[:2] + data[4 + int.from_bytes(data[4:6], "big") :]


@pytest.mark.parametrize(
    "data",
    [encoded(".png"), png.encode(portrait()), encoded(".jpg"), without_jfif(encoded(".jpg"))],
    ids=["png of OpenCV", "our png", "jpg", "jpg without JFIF"],
)
def test_marked_and_the_same_pixels(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "any name"
    path.write_bytes(data)
    assert not is_marked(path)
    path.write_bytes(mark(data))
    assert is_marked(path)
    before, after = (
        cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR) for file in (data, mark(data))
    )
    assert np.array_equal(before, after)


def test_only_pictures_can_be_marked() -> None:
    with pytest.raises(ValueError, match=r"only PNG and JPEG files can be marked, got one that begins"):
        mark(b"GIF89a" + bytes(100))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xe0",
        b"\0\0\0\x18ftyp",
        WORDS,
        encoded(".png") + mark(encoded(".png"))[33:],  # the words, but in another place
        mark(encoded(".png"))[:33] + png.chunk(b"tEXt", b"Title\0other") + mark(encoded(".png"))[33:],
        encoded(".jpg") + WORDS,
        b"\0\0\0\x18ftypisom" + bytes(200) + video_mark() + b"x",
        bytes(200) + video_mark(),
    ],
)
def test_others_are_not_marked(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(data)
    assert not is_marked(path)


def test_what_cannot_be_read_is_not_marked(tmp_path: Path) -> None:
    assert not is_marked(tmp_path)
    assert not is_marked(tmp_path / "nowhere")
