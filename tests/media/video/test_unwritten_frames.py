"""Interlaced frames: OpenCV reports them as read but does not write them, from 4.13 on. PyAV reads them."""

from __future__ import annotations

import shutil
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import av, even, make_frame, write
from mtcnn_cpp import Detector
from mtcnn_cpp.jobs.annotation_writer import AnnotationWriter
from mtcnn_cpp.jobs.pipeline import DetectionPipeline
from mtcnn_cpp.jobs.plan import Plan, make_plan
from mtcnn_cpp.jobs.settings import JobSettings
from mtcnn_cpp.jobs.table import TableFormat
from mtcnn_cpp.jobs.table.rows import FrameResult
from mtcnn_cpp.media.video import Video, VideoError
from mtcnn_cpp.media.video.ffmpeg import ffmpeg
from mtcnn_cpp.media.video.reader import ReaderOptions

cv2 = pytest.importorskip("cv2")
CONVERTS = tuple(map(int, cv2.__version__.split(".")[:2])) < (4, 13)
FIELDS = {"flags": "+ilme+ildct", "top": "1"}
KINDS = {  # name of the file: codec, size, pixel format, options
    "h264.mp4": ("libx264", (192, 240), "yuv420p", {"x264-params": "tff=1"}),
    "h264.ts": ("libx264", (192, 240), "yuv420p", {"x264-params": "bff=1:bframes=2"}),
    "avchd.mts": ("libx264", (480, 640), "yuv420p", {"x264-params": "tff=1"}),
    "mpeg2.vob": ("mpeg2video", (192, 240), "yuv420p", FIELDS),
    "mpeg2.ts": ("mpeg2video", (192, 240), "yuv422p", FIELDS),
    "xvid.avi": ("mpeg4", (192, 240), "yuv420p", FIELDS),
    "dv.avi": ("dvvideo", (576, 720), "yuv420p", FIELDS),
    "dv.mov": ("dvvideo", (480, 720), "yuv411p", FIELDS),
    "prores.mov": ("prores_ks", (192, 240), "yuv422p10le", FIELDS),
    "mjpeg.avi": ("mjpeg", (192, 240), "yuvj420p", {}),  # progressive, read correctly together with them
}
COUNT = 4


def clip(path: Path, *, faces: bool = True, repeat: int = COUNT) -> Path:
    """Write a video of the type in its name; interlaced, except Motion JPEG."""
    codec, size, pixels, options = KINDS[path.name.split("-")[-1]]
    container = "mpegts" if path.suffix == ".mts" else None
    with av.open(str(path), "w", format=container) as file:
        stream: Any = file.add_stream(codec, rate=30 if size == (480, 720) else 25, options=options)
        stream.height, stream.width = size
        stream.pix_fmt = pixels
        for index in range(repeat):
            image = make_frame(index, size) if faces else np.full((*size, 3), (90, 120, 60), np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="bgr24").reformat(format=pixels)
            frame.pts, frame.time_base = index, Fraction(1, 30 if size == (480, 720) else 25)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


def is_interlaced(path: Path) -> list[bool]:
    """Return for each frame whether it is interlaced, read with PyAV."""
    with av.open(str(path)) as file:
        return [bool(frame.interlaced_frame) for frame in file.decode(video=0)]


OPENCV = ReaderOptions("opencv")


def results(
    plan: Plan, annotations: AnnotationWriter | None = None, reading: ReaderOptions = OPENCV
) -> list[FrameResult]:
    assert not any(source.error for source in plan.sources)
    settings = JobSettings(TableFormat.csv, reading=reading)
    with DetectionPipeline(Detector(threads=2), settings, annotations) as pipeline:
        return list(pipeline.process(plan.sources))


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[bool]]]:
    """Return a folder with an interlaced video of each type between progressive videos of its size, and for
    each interlaced video whether its frames are interlaced."""
    folder = tmp_path_factory.mktemp("job")
    interlaced = {}
    for number, (kind, (_, size, *_)) in enumerate(KINDS.items()):
        write(folder / f"{number:02d}-0-before.mp4", even(COUNT), size=size)
        path = clip(folder / f"{number:02d}-1-{kind}", faces=number % 2 == 0)
        interlaced[path.name] = is_interlaced(path)
        write(folder / f"{number:02d}-2-after.mp4", even(COUNT), size=size)
    return folder, interlaced


def test_the_videos_are_interlaced(job: tuple[Path, dict[str, list[bool]]]) -> None:
    whole = [name for name, frames in job[1].items() if frames and all(frames)]
    assert len(whole) == len(KINDS) - 1, {name: frames for name, frames in job[1].items() if not all(frames)}


@pytest.mark.parametrize("run", range(3))
def test_no_face_of_another_video(run: int, job: tuple[Path, dict[str, list[bool]]]) -> None:
    """Frames that OpenCV converts have correct rows, the others have errors with the word interlaced."""
    folder, interlaced = job
    found: dict[str, list[FrameResult]] = {}
    for result in results(make_plan([str(folder)])):
        found.setdefault(Path(result.source).name, []).append(result)
    assert len(found) == 3 * len(KINDS)
    for name, frames in found.items():
        assert len(frames) == len(interlaced.get(name, [None] * COUNT)), name
        for index, frame in enumerate(frames):
            if name in interlaced and interlaced[name][index] and not CONVERTS:
                assert frame.faces is None, name
                assert str(folder / name) in frame.error
                assert f"frame {index + 1} at" in frame.error
                assert f"is interlaced, and OpenCV {cv2.__version__} does not convert" in frame.error
                assert "pip install 'mtcnn-cpp[video]'" in frame.error
            else:
                assert not frame.error, name
                shows_faces = name not in interlaced or int(name[:2]) % 2 == 0
                assert frame.faces is not None
                assert len(frame.faces) == shows_faces, name


@pytest.mark.parametrize("deinterlace", [False, True])
def test_faces_with_pyav(deinterlace: bool, job: tuple[Path, dict[str, list[bool]]]) -> None:
    """PyAV reads all frames. Their faces are those of the same frames as images."""
    folder, _ = job
    reading = ReaderOptions("pyav", deinterlace=deinterlace)
    found = results(make_plan([str(folder)]), reading=reading)
    assert len(found) == 3 * len(KINDS) * COUNT
    assert not any(result.error for result in found)
    detector = Detector(threads=2)
    for source in {result.source for result in found}:
        shows_faces = "-1-" not in source or int(Path(source).name[:2]) % 2 == 0
        with Video(source, reader="pyav", deinterlace=deinterlace) as video:
            images = [frame.image for frame in video.frames()]
        faces = [result.faces for result in found if result.source == source]
        assert faces == list(detector.detect_batch(images))
        assert [len(each) for each in faces if each is not None] == [int(shows_faces)] * COUNT


def test_annotated_videos_contain_only_frames_that_were_read(
    job: tuple[Path, dict[str, list[bool]]], tmp_path: Path
) -> None:
    plan = make_plan([str(job[0])])
    annotations = AnnotationWriter(JobSettings(TableFormat.csv, save_dir=str(tmp_path)), plan.sources)
    found = results(plan, annotations)
    converted = {Path(result.source).stem for result in found if not result.error}
    assert {path.name for path in tmp_path.iterdir()} == {f"{stem}_faces.mp4" for stem in converted}
    refused = {Path(name).stem for name, frames in job[1].items() if any(frames) and not CONVERTS}
    assert converted == {Path(source.name).stem for source in plan.sources} - refused


def mixed(folder: Path) -> Path:
    """Return a transport stream of progressive, interlaced and progressive frames."""
    parts = []
    for number, options in enumerate([{}, {"x264-params": "tff=1"}, {}]):
        path = folder / f"{number}.ts"
        with av.open(str(path), "w") as file:
            stream: Any = file.add_stream("libx264", rate=25, options={"bf": "0", **options})
            stream.height, stream.width, stream.pix_fmt = 192, 240, "yuv420p"
            for index in range(5 * number, 5 * number + 5):
                frame = av.VideoFrame.from_ndarray(make_frame(index), format="bgr24")
                frame.pts, frame.time_base = index, Fraction(1, 25)
                file.mux(stream.encode(frame))
            file.mux(stream.encode())
        parts.append(path.read_bytes())
    whole = folder / "mixed.ts"
    whole.write_bytes(b"".join(parts))
    return whole


def test_interlaced_frames_among_others(tmp_path: Path) -> None:
    """Each frame is checked separately: no frame is repeated, and later frames are correct."""
    path = mixed(tmp_path)
    expected = is_interlaced(path)
    assert expected == [False] * 5 + [True] * 5 + [False] * 5
    with Video(path, reader="opencv") as video:
        frames = list(video.frames())
    assert [bool(frame.error) for frame in frames] == [flag and not CONVERTS for flag in expected]
    for frame in frames:
        if frame.error:
            assert frame.image.shape == (0, 0, 3)
        else:
            assert np.abs(frame.image.astype(int) - make_frame(frame.index)).mean() < 12


def test_frames_that_do_not_change_are_no_errors(tmp_path: Path) -> None:
    """Black frames and a long still image look like an unwritten buffer, but are valid."""
    for name, color in {"black": (0, 0, 0), "white": (255, 255, 255), "grey": (90, 120, 60)}.items():
        path = write(
            tmp_path / f"{name}.mp4",
            even(6),
            paint=lambda _, size, color=color: np.full((*size, 3), color, np.uint8),
        )
        with Video(path, reader="opencv") as video:
            frames = list(video.frames())
        assert len(frames) == 6
        assert not any(frame.error for frame in frames), name
        assert all(np.abs(frame.image.astype(int) - color).max() < 9 for frame in frames), name


@pytest.mark.skipif(CONVERTS, reason="this OpenCV converts interlaced frames")
def test_detect_video_raises(tmp_path: Path) -> None:
    path = clip(tmp_path / "h264.mp4")
    with pytest.raises(VideoError, match=r"h264\.mp4: frame 1 at 0\.000 s is interlaced"):
        list(Detector().detect_video(path, reader="opencv"))
    path = mixed(tmp_path)
    frames = []
    with pytest.raises(VideoError, match=r"mixed\.ts: frame 6 at .* is interlaced"):
        frames.extend(frame for frame in Detector(threads=1).detect_video(path, reader="opencv"))
    assert [frame.index for frame in frames] == list(range(5))


@pytest.mark.parametrize(
    ("version", "swscale", "is_read"),
    [
        ("4.12.0", " (9.5.101)", True),
        ("5.0.0", " (8.3.100)", True),
        ("4.13.0", " (9.1.100)", False),
        ("5.1.0-dev", " (10.0.100)", False),
        ("5.0.0", "", False),
    ],
)
def test_opencv_build_without_ffmpeg_library(
    version: str, swscale: str, is_read: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """If FFmpeg is not a separate library, only a build that converts every frame is used."""
    path = write(tmp_path / "clip.mp4", even(2))
    with Video(path, reader="opencv"):
        pass  # FFmpeg is set up
    monkeypatch.setattr(ffmpeg, "_library", None)
    monkeypatch.setattr(cv2, "__version__", version)
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: f"      swscale:     YES{swscale}")
    if is_read:
        with Video(path, reader="opencv") as video:
            assert len(list(video.frames())) == 2
    else:
        with pytest.raises(VideoError, match="returns wrong pixels for interlaced frames"):
            Video(path, reader="opencv")


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_a_dv_tape(tmp_path: Path) -> None:
    """The raw stream of a camera, without a container."""
    source, tape = tmp_path / "source.mp4", tmp_path / "tape.dv"
    write(source, even(3), size=(576, 720))
    command = ["ffmpeg", "-v", "error", "-i", source, "-pix_fmt", "yuv420p", "-c:v", "dvvideo", tape]
    subprocess.run(command, check=True)
    with Video(tape, reader="opencv") as video:
        frames = list(video.frames())
    assert len(frames) == 3
    assert all(bool(frame.error) is not CONVERTS for frame in frames)
