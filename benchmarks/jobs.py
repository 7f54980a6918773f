"""Frames per second of jobs, compared with a plain loop and with an upper bound.

    python benchmarks/jobs.py [--folder FOLDER] [--runs 3] [--images 1000] [--frames 1000]
    python benchmarks/jobs.py --readers [--folder FOLDER] [--runs 3] [--frames 1000]

The inputs are 1,000 JPEG files of 1280x720, a video of 640x480 with twice `--frames` frames, and a video of
1920x1080 with `--frames` frames (H.264, written with PyAV). Missing inputs are written to the folder. Three
configurations run interleaved: the command `mtcnn-cpp detect INPUT -o TABLE.csv` with its start; a plain loop
of OpenCV and `Detector`; and the bound: the CPU time of decoding and detection on one thread, divided by the
number of CPUs.

With `--readers`, the command processes the two videos with each reader of videos, PyAV and OpenCV. The
readers run interleaved, and each run begins with the other reader. Both tables must have the same bytes.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import cv2
import numpy as np
from mtcnn_cpp import Detector, read_image
from mtcnn_cpp._util.cpus import usable_cpus
from mtcnn_cpp.bench.measurements import covering
from mtcnn_cpp.media.video.reader import ReaderOptions, describe_reader
from mtcnn_cpp.types import VideoReaderName

COLLAGE = Path(__file__).parents[1] / "tests" / "gold" / "collage.png"


def moved(image: np.ndarray, index: int) -> np.ndarray:
    return np.roll(image, 4 * index, axis=1)


def make_images(folder: Path, count: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    image = read_image(COLLAGE)
    for index in range(count):
        path = folder / f"{index:05d}.jpg"
        if not path.exists():
            cv2.imwrite(str(path), moved(image, index), [cv2.IMWRITE_JPEG_QUALITY, 90])
    return folder


def make_video(path: Path, width: int, height: int, count: int) -> Path:
    if path.exists():
        return path
    import av

    image = covering(read_image(COLLAGE), height, width)
    with av.open(str(path), "w") as file:
        stream: Any = file.add_stream("libx264", rate=25, options={"preset": "medium", "crf": "23"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 25)
        for index in range(count):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(moved(image, index), format="bgr24")))
        file.mux(stream.encode())
    return path


def decoded(path: Path) -> Iterator[np.ndarray]:
    if path.is_dir():
        yield from (cv2.imread(str(file)) for file in sorted(path.iterdir()))
        return
    capture = cv2.VideoCapture(str(path))
    while (read := capture.read())[0]:
        yield read[1]


def plain_loop(path: Path) -> tuple[int, float]:
    """Frames, seconds."""
    detector, count, before = Detector(), 0, time.perf_counter()
    for image in decoded(path):
        detector.detect(image)
        count += 1
    return count, time.perf_counter() - before


def cpu_seconds(frames: Iterable[np.ndarray], detector: Detector | None) -> float:
    before = time.process_time()
    for image in frames:
        if detector:
            detector.detect(image)
    return time.process_time() - before


def bound(path: Path) -> float:
    """Minimum seconds of a run: the CPU time of decoding and detection, divided by the number of CPUs."""
    cv2.setNumThreads(1)
    whole = cpu_seconds(decoded(path), Detector(threads=1))
    cv2.setNumThreads(-1)
    return whole / usable_cpus()


def job(path: Path, table: Path, *arguments: str) -> float:
    before = time.perf_counter()
    command = [sys.executable, "-m", "mtcnn_cpp", "detect", str(path), "-o", str(table), "-q", *arguments]
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - before


def compare_readers(videos: dict[str, Path], folder: Path, runs: int) -> None:
    """Print the frames per second of jobs with each reader, and their ratio."""
    readers = get_args(VideoReaderName)
    described = ", ".join(describe_reader(ReaderOptions(reader)) for reader in readers)
    print(f"{usable_cpus()} CPUs, median of {runs} runs; frames per second of the job; {described}")
    title = f"{readers[1]}/{readers[0]}"
    print(f"{'':24}{readers[0]:>10}{readers[1]:>10}{title:>16}   lowest and highest ratio")
    for name, path in videos.items():
        tables = {reader: folder / f"table_{reader}.csv" for reader in readers}
        seconds: dict[str, list[float]] = {reader: [] for reader in readers}
        for run in range(runs):
            for reader in readers if run % 2 == 0 else readers[::-1]:
                seconds[reader].append(job(path, tables[reader], "--reader", reader))
        first, second = (table.read_bytes() for table in tables.values())
        if first != second:
            raise SystemExit(f"the tables of {name} differ: {', '.join(map(str, tables.values()))}")
        count = len({line.split(b",")[1] for line in first.splitlines()[1:]})
        rates = [count / statistics.median(seconds[reader]) for reader in readers]
        ratios = [a / b for a, b in zip(seconds[readers[0]], seconds[readers[1]], strict=True)]
        print(
            f"{name:24}{rates[0]:10.1f}{rates[1]:10.1f}{rates[1] / rates[0]:16.3f}"
            f"   {min(ratios):.3f} to {max(ratios):.3f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "mtcnn_cpp_jobs")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--readers", action="store_true")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    count = options.frames
    videos = {
        "video 640x480": make_video(options.folder / f"small{2 * count}.mp4", 640, 480, 2 * count),
        "video 1920x1080": make_video(options.folder / f"large{count}.mp4", 1920, 1080, count),
    }
    if options.readers:
        compare_readers(videos, options.folder, options.runs)
        return
    name = f"{options.images:,} JPEGs 1280x720"
    inputs = {name: make_images(options.folder / "images", options.images)} | videos
    print(f"{usable_cpus()} CPUs, median of {options.runs} runs; frames per second; {describe_reader()}")
    print(f"{'':24}{'job':>8}{'loop':>8}{'bound':>8}{'job/loop':>10}{'job/bound':>11}")
    for name, path in inputs.items():
        jobs, loops, bounds, count = [], [], [], 0
        for _ in range(options.runs):
            jobs.append(job(path, options.folder / "table.csv"))
            count, seconds = plain_loop(path)
            loops.append(seconds)
            bounds.append(bound(path))
        a, b, c = (count / statistics.median(seconds) for seconds in (jobs, loops, bounds))
        print(f"{name:24}{a:8.1f}{b:8.1f}{c:8.1f}{a / b:10.2f}{a / c:11.2f}")


if __name__ == "__main__":
    main()
