"""An interlaced video between two progressive ones, in seven codecs: with PyAV and with OpenCV."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from clips import av, even, make_frame, write
from images import ROOT
from mtcnn_cpp import Detector
from mtcnn_cpp.media.video import Sampling, Video
from study import rows_of, run
from video_kinds import convert_whole_frame

CONVERTS = tuple(map(int, cv2.__version__.split(".")[:2])) < (4, 13)  # OpenCV converts interlaced frames
COUNT = 4
FIELDS = {"flags": "+ilme+ildct"}
KINDS = {  # name in docs/jobs.md: suffix, encoder, size, pixel format, options
    "H.264": (".mp4", "libx264", (192, 240), "yuv420p", {"x264-params": "tff=1"}),
    "HEVC": (".mkv", "libx265", (192, 240), "yuv420p", {"x265-params": "interlace=tff:log-level=0"}),
    "MPEG-2": (".mpg", "mpeg2video", (192, 240), "yuv420p", FIELDS),
    "MPEG-4": (".avi", "mpeg4", (192, 240), "yuv420p", FIELDS),
    "ProRes": (".mov", "prores_ks", (192, 240), "yuv422p10le", FIELDS),
    "DV": (".avi", "dvvideo", (576, 720), "yuv420p", {}),
    "DNxHD": (".mov", "dnxhd", (1080, 1920), "yuv422p", {"b": "120M", **FIELDS}),
}


def make_interlaced(index: int, size: tuple[int, int]) -> np.ndarray:
    """Return a frame whose second field shows a later moment, (H, W, 3) uint8 BGR."""
    image = make_frame(8 + index, size)
    image[1::2] = make_frame(9 + index, size)[1::2]
    return image


def write_interlaced(
    path: Path, codec: str, size: tuple[int, int], pixels: str, options: dict[str, str]
) -> None:
    with av.open(str(path), "w") as file:
        stream: Any = file.add_stream(codec, rate=25, options=options)
        stream.height, stream.width, stream.pix_fmt = *size, pixels
        for index in range(COUNT):
            frame = av.VideoFrame.from_ndarray(make_interlaced(index, size), format="bgr24")
            frame = frame.reformat(format=pixels)
            frame.pts, frame.time_base = index, Fraction(1, 25)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a folder for each codec: a.mp4 and c.mp4 are progressive, b is interlaced.

    The faces in the three videos are at different places.
    """
    folder = tmp_path_factory.mktemp("interlaced")
    for name, (suffix, *kind) in KINDS.items():
        (folder / name).mkdir()
        write(folder / name / "a.mp4", even(COUNT))
        write_interlaced(folder / name / f"b{suffix}", *kind)
        write(folder / name / "c.mp4", even(COUNT), first=4)
        with av.open(str(folder / name / f"b{suffix}")) as file:
            assert [bool(frame.interlaced_frame) for frame in file.decode(video=0)] == [True] * COUNT, name
    return folder


def table(folder: Path, path: Path, *options: str) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of each video in order. The key is its path below the folder, without suffix."""
    result = run(folder, "-o", path, *options)
    assert result.exit_code in (0, 1), result.output
    found: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(rows_of(path), key=lambda row: (str(row["source"]), int(str(row["frame"])))):
        key = Path(str(row["source"])).relative_to(folder).with_suffix("").as_posix()
        found.setdefault(key, []).append(row)
    assert sorted(found) == sorted(f"{name}/{letter}" for name in KINDS for letter in "abc")
    return found


def face(row: dict[str, Any]) -> list[float]:
    """Return score, box and nose, float32 as in `expected_face`."""
    names = ("confidence", "x", "y", "width", "height", "nose_x", "nose_y")
    return [float(np.float32(row[name])) for name in names]


def expected_face(image: np.ndarray) -> list[float]:
    [one] = Detector().detect(image)
    return [float(value) for value in (one.score, *one.box, *one.nose)]


@pytest.fixture(scope="module")
def tables(
    study: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, list[dict[str, Any]]]]:
    folder = tmp_path_factory.mktemp("tables")
    return {
        reader: table(study, folder / f"{reader}.jsonl", "--reader", reader) for reader in ("pyav", "opencv")
    }


@pytest.mark.parametrize("name", KINDS)
def test_faces_with_pyav(name: str, study: Path, tables: dict[str, dict[str, list[dict[str, Any]]]]) -> None:
    """They are the faces in the whole frames, and those of the frames that were encoded, except for the loss
    of the codec."""
    rows = tables["pyav"]
    suffix, _, size, *_ = KINDS[name]
    assert [row["error"] for letter in "abc" for row in rows[f"{name}/{letter}"]] == [None] * 3 * COUNT
    with av.open(str(study / name / f"b{suffix}")) as file:
        images = [convert_whole_frame(frame) for frame in file.decode(video=0)]
    assert [face(row) for row in rows[f"{name}/b"]] == [expected_face(image) for image in images]
    for index, row in enumerate(rows[f"{name}/b"]):
        source = expected_face(make_interlaced(index, size))
        assert np.abs(np.subtract(face(row)[-2:], source[-2:])).max() < 4  # nose; the videos differ by 12
        assert np.abs(np.subtract(face(row)[1:3], source[1:3])).max() < 5
        assert abs(face(row)[0] - source[0]) < 0.05
    for letter, first in (("a", 0), ("c", 4)):
        for index, row in enumerate(rows[f"{name}/{letter}"], first):
            assert abs(row["nose_x"] - expected_face(make_frame(index))[-2]) < 4


@pytest.mark.parametrize("name", KINDS)
def test_errors_with_opencv(name: str, tables: dict[str, dict[str, list[dict[str, Any]]]]) -> None:
    """Each interlaced frame is a row with an error. The rows of the other videos do not change."""
    opencv, pyav = tables["opencv"], tables["pyav"]
    for letter in "abc":
        for row, other in zip(opencv[f"{name}/{letter}"], pyav[f"{name}/{letter}"], strict=True):
            if letter == "b" and not CONVERTS:
                assert row["success"] == 0
                assert row["x"] is None
                assert f"frame {row['frame']} at" in row["error"]
                assert f"is interlaced, and OpenCV {cv2.__version__} does not convert" in row["error"]
                assert "pip install 'mtcnn-cpp[video]'" in row["error"]
            elif letter != "b":
                assert row == other


def test_deinterlaced_faces(study: Path, tmp_path: Path) -> None:
    """--deinterlace changes only the interlaced videos, and finds a face in each of their frames."""
    plain = table(study, tmp_path / "plain.jsonl")
    found = table(study, tmp_path / "deinterlaced.jsonl", "--deinterlace")
    for key, rows in found.items():
        assert [row["success"] for row in rows] == [1] * COUNT
        assert [row["timestamp"] for row in rows] == [row["timestamp"] for row in plain[key]]
        same = [row == other for row, other in zip(rows, plain[key], strict=True)]
        assert same == [not key.endswith("/b")] * COUNT


@pytest.mark.skipif(CONVERTS, reason="this OpenCV converts interlaced frames; the table shows newer ones")
def test_the_table_of_the_docs(tables: dict[str, dict[str, list[dict[str, Any]]]]) -> None:
    text = (ROOT / "docs" / "jobs.md").read_text(encoding="utf-8")
    shown = re.findall(r"^\| (\S+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", text, flags=re.M)
    expected = []
    for name in KINDS:
        with_pyav, with_opencv = (tables[reader][f"{name}/b"] for reader in ("pyav", "opencv"))
        counts = [len(with_pyav)]
        for rows in (with_pyav, with_opencv):
            counts.append(sum(row["success"] for row in rows))
        counts.append(sum(bool(row["error"]) for row in with_opencv))
        expected.append((name, *map(str, counts)))
    assert shown == expected


@pytest.mark.parametrize("deinterlace", [False, True])
def test_a_rate_of_interlaced_frames(deinterlace: bool, study: Path) -> None:
    """A frame is selected after the next one was decoded. It has its own pixels, or its own error."""
    for name in ("H.264", "DV"):
        path = study / name / f"b{KINDS[name][0]}"
        with Video(path, reader="pyav", deinterlace=deinterlace) as video:
            whole = list(video.frames())
        with Video(path, reader="pyav", deinterlace=deinterlace) as video:
            found = list(video.frames(Sampling(fps=12.5)))
        assert [frame.index for frame in found] == [0, 2]
        for frame in found:
            assert np.array_equal(frame.image, whole[frame.index].image)
        if not deinterlace and not CONVERTS:
            with Video(path, reader="opencv") as video:
                first, second = (frame.error for frame in video.frames(Sampling(fps=12.5)))
            assert "frame 1 at 0.000 s is interlaced" in first
            assert "frame 3 at 0.080 s is interlaced" in second
