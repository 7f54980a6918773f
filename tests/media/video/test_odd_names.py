"""File names on which OpenCV crashes, or which OpenCV and FFmpeg do not treat as file names."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from clips import even, write
from mtcnn_cpp import Detector
from mtcnn_cpp.jobs.table import TableFormat, read_rows
from mtcnn_cpp.media.annotated_video import AnnotatedVideoWriter
from mtcnn_cpp.media.sample_video import write_sample_video
from mtcnn_cpp.media.video import Video, VideoError

NAMES = [
    b"x_\xe9.mp4",  # Latin-1
    b"\xff\xfe%d.mp4",
    "Кино 映画 🎬.mp4".encode(),
    b"two\nlines.mp4",
    b"tab\tand\x1b[31mred.mp4",
    b"a=b&c?d#e.mp4",
    b"a|b,c;d'e\"f.mp4",
    b"[1]*.mp4",
    b"-.mp4",
    b"-i",
    b"concat:a.mp4",
    b"concat:a.mp4|b.mp4",
    b"http:x.mp4",
    b"file:x.mp4",
    b"pipe:0",
    b"subfile,,start,0,end,9,,:x.mp4",
    b"data:text,x.mp4",
    b"frame%03d.mp4",
    b"file%03d.jpg",
    b"%d.png",
    b"100%.mp4",
    b"%.mp4",
    b"n" * 251 + b".mp4",
]
UNIX = pytest.mark.skipif(sys.platform != "linux", reason="needs a file system whose names are any bytes")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write(tmp_path_factory.mktemp("clip") / "clip.mp4", even(3)).read_bytes()


@UNIX
@pytest.mark.parametrize("name", NAMES, ids=repr)
@pytest.mark.parametrize("how", ["absolute", "relative", "folder"])
@pytest.mark.usefixtures("reader")
def test_read(how: str, name: bytes, clip: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
    if how == "folder":
        path.mkdir()
        path /= "a.mp4"
    path.write_bytes(clip)
    for number in range(4):  # files that match the name as a pattern
        cv2.imwrite(str(tmp_path / f"file{number:03d}.jpg"), np.zeros((8, 8, 3), np.uint8))
    monkeypatch.chdir(tmp_path)
    source = path.relative_to(tmp_path) if how == "relative" else path
    with Video(source) as video:
        frames = list(video.frames())
        assert video.name == os.fspath(source)
    assert [frame.image.shape for frame in frames] == [(192, 240, 3)] * 3
    assert [frame.time for frame in frames] == [0.0, 0.04, 0.08]
    path.write_bytes(clip[:-50])
    with pytest.raises(VideoError) as caught, Video(source) as video:
        list(video.frames())
    assert os.fspath(source) in str(caught.value)


@UNIX
def test_a_job(clip: bytes, tmp_path: Path) -> None:
    """Runs in a separate process, because such a name can crash the job with signal 11."""
    folder = tmp_path / "in"
    folder.mkdir()
    videos = [name for name in NAMES if name.endswith(b".mp4") and len(name) < 200]
    for name in videos:
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(clip)
    table, drawn = tmp_path / "t.csv", tmp_path / "drawn"
    command = [sys.executable, "-m", "mtcnn_cpp", "detect", folder, "-o", table, "--save-dir", drawn]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(b"\n") < 12
    with open(table, "rb") as file:
        rows = list(read_rows(file, TableFormat.csv, name=str(table)))
    sources = {os.fsencode(os.path.basename(str(row["source"]))) for row in rows}
    assert sources == set(videos)
    assert all(row["success"] and not row["error"] for row in rows)
    assert len(rows) == 3 * len(videos)
    names = {os.fsencode(path.name) for path in drawn.iterdir()}
    assert names == {name.removesuffix(b".mp4") + b"_faces.mp4" for name in videos}
    for path in drawn.iterdir():
        with Video(path) as video:
            assert len(list(video.frames())) == 3


@UNIX
@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_written(name: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Annotated videos and the sample video have the requested name, and there is no other file."""
    name = name.removesuffix(b".mp4") + b".mp4"
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
    with AnnotatedVideoWriter(path, 25.0, []) as video:
        for _ in range(3):
            video.add(np.full((64, 64, 3), 200, np.uint8))
    assert [os.fsencode(file.name) for file in tmp_path.iterdir()] == [name]
    with Video(path) as read:
        assert len(list(read.frames())) == 3
    monkeypatch.setattr("mtcnn_cpp.media.sample_video.FRAMES", 5)
    write_sample_video(path)
    assert [os.fsencode(file.name) for file in tmp_path.iterdir()] == [name]
    with Video(path) as read:
        assert len(list(read.frames())) == 5


def test_links_are_removed(clip: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    links = tmp_path / "links"
    links.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(links))
    path = tmp_path / "a%03d.mp4"
    path.write_bytes(clip)
    with Video(path, reader="opencv") as video:
        next(video.frames())
        assert len(list(links.iterdir())) == 1
    assert not list(links.iterdir())
    path.write_bytes(b"no video")
    with pytest.raises(VideoError, match="is not a video"):
        Video(path, reader="opencv")
    assert not list(links.iterdir())
    path.write_bytes(clip)
    assert len(list(Detector().detect_video(path, reader="opencv"))) == 3
    assert not list(links.iterdir())


SILENT = """
import json, os, sys
import cv2
from mtcnn_cpp import Detector, read_image
from mtcnn_cpp.media.video import Video
from mtcnn_cpp.media.video.ffmpeg import ffmpeg
environment = dict(os.environ)
try:
    with Video(sys.argv[1], reader="opencv") as video:
        list(video.frames())
except ValueError:
    pass
try:
    Video(sys.argv[2], reader="opencv")
except ValueError:
    pass
assert environment == dict(os.environ)
log = getattr(getattr(cv2, "utils", None), "logging", cv2)
levels = [log.getLogLevel(), ffmpeg._library.av_log_get_level() if ffmpeg._library else None]
print(json.dumps(levels))
print("--", file=sys.stderr, flush=True)
capture = cv2.VideoCapture(sys.argv[1], cv2.CAP_FFMPEG)  # the user's own use speaks as before
while capture.read()[0]:
    pass
"""


def test_nothing_is_printed_and_log_levels_are_restored(tmp_path: Path) -> None:
    """Reads a video with damaged frames, and a file that is not a video."""
    damaged = write(tmp_path / "a.avi", even(30), codec="mpeg4", options={"bf": "0"})
    data = bytearray(damaged.read_bytes())
    for place in range(len(data) // 3, len(data) * 2 // 3, 97):
        data[place] ^= 0x5A
    damaged.write_bytes(data)
    nothing = tmp_path / "b.mp4"
    nothing.write_bytes(b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 9)
    environment = {name: value for name, value in os.environ.items() if name != "OPENCV_FFMPEG_LOGLEVEL"}
    command = [sys.executable, "-c", SILENT, str(damaged), str(nothing)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    before, _, after = done.stderr.partition("--\n")
    assert before == ""
    assert after != ""
    opencv, of_ffmpeg = json.loads(done.stdout)
    assert opencv > 0
    assert of_ffmpeg in (16, None)
