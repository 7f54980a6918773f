"""Annotated videos are played in headless Chromium: durations, frames after a seek, colors and sound."""

from __future__ import annotations

import base64
import contextlib
import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import add_sound, even, make_frame, read_times, uneven, write
from mtcnn_cpp.media.annotated_video import AnnotatedVideoWriter
from mtcnn_cpp.media.video import Sampling, Video
from mtcnn_cpp.media.video_encoders import find_h264_problem

pytestmark = pytest.mark.skipif(bool(find_h264_problem()), reason=find_h264_problem() or "-")
SIZE = 192, 240
COLOR_TOLERANCE = 3.0  # of 255, for the mean of a region: YUV values are integers, and the encoder is lossy
LOAD = """(name) => new Promise((done, fail) => {
    const video = document.createElement("video");
    video.onerror = () => fail(new Error(video.error.message));
    video.oncanplaythrough = () => { video.oncanplaythrough = null; done(); };
    video.muted = true; video.preload = "auto"; video.src = name;
    document.body.replaceChildren(video); window.video = video;
})"""
SEEK = """(time) => new Promise((done) => {
    video.onseeked = () => done();
    video.currentTime = time;
})"""
DRAW = """() => new Promise((done) => requestAnimationFrame(() => {
    const canvas = document.createElement("canvas");
    canvas.width = video.videoWidth; canvas.height = video.videoHeight;
    const context = canvas.getContext("2d");
    context.drawImage(video, 0, 0);
    const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
    done(btoa(Array.from(pixels, (value) => String.fromCharCode(value)).join("")));
}))"""
PLAY = """() => new Promise((done, fail) => {
    const times = [];
    const next = (now, frame) => { times.push(frame.mediaTime); video.requestVideoFrameCallback(next); };
    video.requestVideoFrameCallback(next);
    video.onended = () => done(times);
    video.currentTime = 0;
    video.play().catch(fail);
})"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Serve the folder of the test. Chromium seeks only if the server supports ranges."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

        def do_GET(self) -> None:
            path = Path(self.translate_path(self.path))
            data = path.read_bytes() if path.is_file() else b"<!doctype html><body></body>"
            first, last = 0, len(data) - 1
            if wanted := self.headers.get("Range"):
                begin, _, end = wanted.removeprefix("bytes=").partition("-")
                first, last = int(begin), int(end) if end else last
            self.send_response(206 if wanted else 200)
            self.send_header("Content-Type", "video/mp4" if path.is_file() else "text/html")
            self.send_header("Content-Length", str(last - first + 1))
            self.send_header("Accept-Ranges", "bytes")
            if wanted:
                self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
            self.end_headers()
            with contextlib.suppress(ConnectionError):
                self.wfile.write(data[first : last + 1])

    handler = functools.partial(Handler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}/"
        running.shutdown()
        thread.join()


@pytest.fixture
def page(browser: Any, server: str) -> Iterator[Any]:
    context = browser.new_context()
    found = context.new_page()
    found.set_default_timeout(20_000)
    found.goto(server)
    if not found.evaluate("document.createElement('video').canPlayType('video/mp4; codecs=\"avc1.64001f\"')"):
        context.close()
        pytest.skip("this Chromium has no decoder for H.264 (Debian's has one)")
    yield found
    context.close()


def paint(index: int, size: tuple[int, int]) -> np.ndarray:
    """The portrait, and a bar whose color depends on the frame."""
    image = make_frame(index, size)
    image[:32] = (200 - 8 * index, 40 + 9 * index, 128)
    return image


def copy_video(source: Path, target: Path, sampling: Sampling | None = None) -> dict[float, np.ndarray]:
    """Write the frames of a video to another video, and return them by their times in that video."""
    frames = {}
    with Video(source) as video, AnnotatedVideoWriter(target, video.fps, [], source=source) as out:
        for frame in video.frames(sampling):
            out.add(frame.image, frame.time)
            frames[frame.time] = frame.image
    start = min(frames)
    return {time - start: image for time, image in frames.items()}


def frame_at(page: Any, time: float, expected: np.ndarray | None = None) -> np.ndarray:
    """Return the mean colors that Chromium shows after a seek.

    The event `seeked` can come before the frame is shown, so the frame is read again if it differs from the
    expected one.
    """
    page.evaluate(SEEK, time)
    for _ in range(20):
        pixels = np.frombuffer(base64.b64decode(page.evaluate(DRAW)), np.uint8).reshape(*SIZE, 4)[..., 2::-1]
        found = means(pixels)
        if expected is None or np.abs(found - means(expected)).max() <= COLOR_TOLERANCE:
            break
    return found


def means(image: np.ndarray) -> np.ndarray:
    """Return the mean color of the bar, of the whole image, and of its lower right quarter."""
    height, width = image.shape[:2]
    parts = image[4:28, 4:-4], image, image[height // 2 :, width // 2 :]
    return np.array([part.mean(axis=(0, 1)) for part in parts])


@pytest.mark.parametrize("kind", ["constant", "variable", "every", "period"])
def test_playing(kind: str, page: Any, tmp_path: Path) -> None:
    """The duration is right, a seek shows the frame of that time, and frames are played at their times."""
    times = even(24) if kind == "constant" else uneven(16)
    clip = write(tmp_path / "clip.mp4", times, paint=paint, options={"crf": "10"})
    source = add_sound(clip, "aac", seconds=times[-1] / 1000)
    sampling = {"every": Sampling(every=3), "period": Sampling(start=0.05, end=1.2)}.get(kind)
    frames = copy_video(source, tmp_path / "out.mp4", sampling)
    page.evaluate(LOAD, "out.mp4")
    mean = max(frames) / (len(frames) - 1)
    end = max(max(frames) + mean, audio_end(tmp_path / "out.mp4"))
    assert page.evaluate("video.duration") == pytest.approx(end, abs=0.05)
    assert page.evaluate("[video.videoHeight, video.videoWidth]") == list(SIZE)
    for time, image in list(frames.items())[::3]:
        shown = frame_at(page, time + 0.002, image)
        assert np.abs(shown - means(image)).max() <= COLOR_TOLERANCE, time
        others = [np.abs(shown - means(other)).max() for at, other in frames.items() if at != time]
        assert min(others) > COLOR_TOLERANCE
    played = page.evaluate(PLAY)
    assert played
    expected = np.array(read_times(tmp_path / "out.mp4"))
    assert max(np.abs(expected - time).min() for time in played) <= 2e-6  # Chromium rounds to microseconds
    assert page.evaluate("video.webkitAudioDecodedByteCount") > 0


def audio_end(path: Path) -> float:
    import av

    with av.open(str(path)) as file:
        return max(float((p.pts + p.duration) * p.time_base) for p in file.demux(audio=0) if p.size)


def test_colors_of_tagged_videos(page: Any, tmp_path: Path) -> None:
    """Chromium shows the annotated video in the colors in which it shows the source."""
    import av

    for tags in ((1, 1, 1), (6, 6, 6), (5, 5, 6)):
        with av.open(str(tmp_path / "clip.mp4"), "w") as file:
            stream: Any = file.add_stream("libx264", rate=25, options={"crf": "4"})
            stream.height, stream.width, stream.pix_fmt = *SIZE, "yuv420p"
            context = stream.codec_context
            context.colorspace, context.color_primaries, context.color_trc = tags
            context.color_range = 1
            for index in range(10):
                file.mux(stream.encode(av.VideoFrame.from_ndarray(paint(index, SIZE), format="bgr24")))
            file.mux(stream.encode())
        copy_video(tmp_path / "clip.mp4", tmp_path / "out.mp4")
        with Video(tmp_path / "clip.mp4") as video:
            expected = list(video.frames())[5].image
        shown = []
        for name in ("clip.mp4", "out.mp4"):
            page.evaluate(LOAD, f"{name}?{tags}")
            shown.append(frame_at(page, 0.202, expected))
        assert np.abs(shown[0] - shown[1]).max() <= COLOR_TOLERANCE, tags
