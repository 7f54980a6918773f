"""Frames per second of jobs, compared with a plain loop and with an upper bound.

    python benchmarks/jobs.py [--folder FOLDER] [--runs 3] [--images 1000]

The inputs are 1,000 JPEG files of 1280x720, a video of 640x480 and a video of 1920x1080 (H.264, written with
PyAV). Missing inputs are written to the folder. Three configurations run interleaved: the command
`mtcnn-cpp detect INPUT -o TABLE.csv` with its start; a plain loop of OpenCV and `Detector`; and the bound:
the CPU time of decoding and detection on one thread, divided by the number of CPUs.
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
from typing import Any

import cv2
import numpy as np
from mtcnn_cpp import Detector, read_image
from mtcnn_cpp._util.cpus import usable_cpus
from mtcnn_cpp.bench.measurements import covering

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


def job(path: Path, table: Path) -> float:
    before = time.perf_counter()
    command = [sys.executable, "-m", "mtcnn_cpp", "detect", str(path), "-o", str(table), "-q"]
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "mtcnn_cpp_jobs")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--images", type=int, default=1000)
    options = parser.parse_args()
    inputs = {
        f"{options.images:,} JPEGs 1280x720": make_images(options.folder / "images", options.images),
        "video 640x480": make_video(options.folder / "small.mp4", 640, 480, 2000),
        "video 1920x1080": make_video(options.folder / "large.mp4", 1920, 1080, 1000),
    }
    print(f"{usable_cpus()} CPUs, median of {options.runs} runs; frames per second")
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
