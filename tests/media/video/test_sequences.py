"""Folders of numbered images as videos: order, times, gaps, and folders that are no sequence."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import png
import pytest
from clips import make_frame
from mtcnn_cpp import Detector
from mtcnn_cpp.media.image import Frame, read_image
from mtcnn_cpp.media.markers import add_marker
from mtcnn_cpp.media.video import Sampling, Video, VideoError

pytest.importorskip("cv2")
SMALL = (60, 80)


def make_sequence(folder: Path, names: Iterable[str], size: tuple[int, int] = SMALL) -> Path:
    """Write images whose pixels depend on their position in `names`."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, name in enumerate(names):
        (folder / name).write_bytes(png.encode(np.full((*size, 3), index, np.uint8)))
    return folder


def read(folder: Path, sampling: Sampling | None = None, *, fps: float = 25, skip: int = 0) -> list[Frame]:
    with Video(folder, fps=fps) as video:
        return list(video.frames(sampling, skip=skip))


def values(frames: Iterable[Frame]) -> list[int | None]:
    return [None if frame.error else int(frame.image[0, 0, 0]) for frame in frames]


@pytest.mark.parametrize(
    "names",
    [
        [f"img_{number:04}.png" for number in range(1, 13)],
        [f"{number}.PNG" for number in range(12)],  # natural order: 2 before 10
        [f"s01e02 - {number}.final.png" for number in range(95, 107)],
        ["09.png", "10.png", *(f"{number}.png" for number in range(11, 21))],
        ["9998.png", "9999.png", *(f"{number}.png" for number in range(10000, 10010))],
        ["7.png", "08.png", "009.png", *(f"0{number}.png" for number in range(10, 19))],
        [f"a\n{number}.png" for number in range(999_999_999_999_999_980, 999_999_999_999_999_992)],
    ],
)
def test_order_and_times(names: list[str], tmp_path: Path) -> None:
    make_sequence(tmp_path / "in", names)
    (tmp_path / "in" / "notes.txt").write_text("12")
    (tmp_path / "in" / ".hidden_3.png").write_text("12")
    (tmp_path / "in" / "folder3.png").mkdir()
    with Video(tmp_path / "in", fps=12.5) as video:
        assert (video.fps, video.count, video.path, video.reader) == (12.5, 12, None, "opencv")
        frames = list(video.frames())
    assert values(frames) == list(range(12))
    assert [frame.index for frame in frames] == list(range(12))
    assert [frame.time for frame in frames] == [round(index / 12.5, 9) for index in range(12)]


def test_gaps_and_unreadable_images(tmp_path: Path) -> None:
    folder = make_sequence(tmp_path / "in", [f"a{number:03}.png" for number in (5, 6, 8, 11, 12)])
    (folder / "a006.png").write_text("no image")
    if sys.platform != "win32":
        (folder / "a012.png").unlink()
        (folder / "a012.png").symlink_to("missing")
    frames = read(folder, fps=10)
    assert values(frames)[:4] == [0, None, None, 2]
    assert [frame.index for frame in frames] == list(range(8))
    message = f"{folder}: frame 3 at 0.200 s is missing: there is no image a007.png"
    assert [frame.error for frame in frames][2] == message
    assert f"frame 2 at 0.100 s cannot be read: {folder / 'a006.png'} is not an image" in frames[1].error
    assert "no image a009.png" in frames[4].error
    assert "no image a010.png" in frames[5].error
    if sys.platform != "win32":
        assert "cannot be read" in frames[7].error
    with pytest.raises(VideoError, match="frame 2 at"):
        list(Detector().detect_video(folder, fps=10))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "contains no images; expected a folder of numbered images"),
        (
            ["cover.png"],
            "contains the image cover.png, whose name has no number; expected names such as image_00",
        ),
        (
            ["a1.png", "b2.png"],
            "contains the images a1.png and b2.png, whose names differ not only in their last",
        ),
        (["a1.png", "a2.jpg"], "a1.png and a2.jpg"),
        (["a1_b.png", "a2_c.png"], "a1_b.png and a2_c.png"),
        (["1_001.png", "2_001.png"], "1_001.png and 2_001.png"),
        (["a1.png", "a01.png"], "contains the images a01.png and a1.png, which have the same number"),
        (
            ["1.png", "5.png"],
            "has 2 images with numbers from 1 (1.png) to 5 (5.png), so more images are missing",
        ),
        (
            [f"{1_700_000_000_000 + 33 * index}.png" for index in range(9)],
            "so more images are missing than exist",
        ),
        (["1" * 19 + ".png"], "whose number has 19 digits; expected at most 18"),
        (["٣.png"], "has no number"),
    ],
)
def test_folders_that_are_no_sequence(names: list[str], message: str, tmp_path: Path) -> None:
    folder = make_sequence(tmp_path / "in", names)
    with pytest.raises(VideoError, match=re.escape(f"{folder} ")) as caught:
        Video(folder, fps=25)
    assert message in str(caught.value)


def test_an_image_without_number_among_others(tmp_path: Path) -> None:
    folder = make_sequence(tmp_path / "in", ["a1.png", "cover.png"])
    with pytest.raises(VideoError, match=r"contains the image cover\.png, whose name has no number"):
        Video(folder, fps=25)


def test_as_many_missing_as_existing(tmp_path: Path) -> None:
    assert values(read(make_sequence(tmp_path, ["1.png", "4.png"]))) == [0, None, None, 1]


def test_annotated_files_are_no_part_of_the_sequence(tmp_path: Path) -> None:
    folder = make_sequence(tmp_path, [f"{number:06}.png" for number in (1, 2, 3)])
    for name in ("000001_face0.png", "000002_face0.png", "000001_faces.png", "faces.png"):
        (folder / name).write_bytes(add_marker(png.encode(np.zeros((9, 9, 3), np.uint8))))
    assert values(read(folder)) == [0, 1, 2]


@pytest.mark.parametrize(
    ("sampling", "skip", "indices"),
    [
        (Sampling(every=4), 0, [0, 4, 8]),
        (Sampling(start=0.2, end=0.4), 1, [6, 7, 8, 9, 10]),
        (Sampling(frames=(3, 5)), 0, [2, 3, 4]),
        (Sampling(fps=5), 1, [5, 10]),
        (Sampling(), 9, [9, 10, 11]),
    ],
)
def test_sampling(sampling: Sampling, skip: int, indices: list[int], tmp_path: Path) -> None:
    """Only the selected images are read: the others are damaged."""
    folder = make_sequence(tmp_path, [f"{number}.png" for number in range(12)])
    for index in set(range(12)) - set(indices):
        (folder / f"{index}.png").write_text("damaged")
    assert values(read(folder, sampling, skip=skip)) == indices


def test_images_are_read_as_image_files(tmp_path: Path) -> None:
    """Sizes differ, one has 16 bits, and the faces are those of `detect`."""
    cv2 = pytest.importorskip("cv2")
    for number, size in enumerate([(192, 240), (150, 200), (300, 260)]):
        (tmp_path / f"{number}.png").write_bytes(png.encode(make_frame(number, size)))
    cv2.imwrite(str(tmp_path / "3.png"), make_frame(3).astype(np.uint16) * 257)
    detector = Detector()
    found = list(detector.detect_video(tmp_path, fps=25))
    assert [len(frame.faces) for frame in found] == [1, 1, 1, 1]
    for frame in found:
        path = tmp_path / f"{frame.index}.png"
        assert frame.faces == detector.detect(path)
        assert np.array_equal(frame.image, read_image(path))
    assert found[3].image.dtype == np.uint16


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, IsADirectoryError, "is a folder, expected a video file; if it contains the numbered images"),
        ({"fps": 0}, ValueError, "fps must be more than 0 and at most 100000 frames per second, got 0"),
        ({"fps": float("nan")}, ValueError, "got nan"),
        ({"fps": "25"}, TypeError, "fps must be a number of frames per second, got '25'"),
        (
            {"fps": 25, "reader": "pyav"},
            ValueError,
            "only OpenCV reads folders of images, without the reader pyav",
        ),
        ({"fps": 25, "deinterlace": True}, ValueError, "without deinterlace; leave it out"),
    ],
)
def test_invalid_arguments(
    options: dict[str, Any], error: type[Exception], message: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=re.escape(message)):
        Video(make_sequence(tmp_path / "in", ["1.png"]), **options)


def test_a_rate_for_something_else(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_text("x")
    for source, found in ((tmp_path / "clip.mp4", "is not a folder"), (tmp_path / "none", "does not exist")):
        with pytest.raises(NotADirectoryError, match=f"{found}; expected a folder of numbered images"):
            Video(source, fps=25)


def test_memory_of_a_long_sequence(tmp_path: Path) -> None:
    """Per image, only a number and its number of digits are kept."""
    for number in range(2_000):
        os.close(os.open(tmp_path / f"{number:07}.jpg", os.O_CREAT))
    with Video(tmp_path, fps=25) as video:
        arrays = [value for value in vars(video._reader).values() if isinstance(value, np.ndarray)]
        others = [value for value in vars(video._reader).values() if isinstance(value, (list, dict, set))]
        assert sum(array.nbytes for array in arrays) == 9 * 2_000
        assert others == []
        (frame,) = video.frames(Sampling(frames=(2_000, None)))
    assert "0001999.jpg is empty" in frame.error
