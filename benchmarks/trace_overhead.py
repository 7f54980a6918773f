"""What traces cost: a hook that is not used (time), a full capture into a file (memory, time).

    python benchmarks/trace_overhead.py [PICTURE] [--backend core] [--runs 40]

Without PICTURE: a 1920x1080 picture made of the sample. Prints medians; the ways alternate, so that a machine
that slows down slows all. On a busy machine only the last figure of the first part says much: the bare cost
of looking for hooks.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
import timeit
from pathlib import Path
from statistics import median

import numpy as np
from mtcnn_cpp import Detector, read_image, sample_image
from mtcnn_cpp.taps import tap_for
from mtcnn_cpp.trace.record.capture import dump


def picture(path: str | None) -> np.ndarray:
    if path:
        return read_image(path)
    tiles = np.tile(sample_image(), (3, 4, 1))[:1080, :1920]
    return np.ascontiguousarray(tiles)


def seconds(function: object, *arguments: object) -> float:
    begin = time.perf_counter()
    function(*arguments)  # type: ignore[operator]
    return time.perf_counter() - begin


def peak_megabytes() -> float:
    """Highest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        1024 if sys.platform != "darwin" else 1 << 20
    )


def time_unused_hook(detector: Detector, image: np.ndarray, runs: int) -> None:
    """The backend called directly, `detect`, `detect` while another detector has a hook, the check alone."""
    direct = detector.engine.backend
    threads = detector.engine.threads
    options = {"red_first": False, "options": detector.options, "threads": threads, "tap": None}
    other = Detector(backend="reference")
    times: dict[str, list[float]] = {"backend alone": [], "detect": [], "detect, hook elsewhere": []}
    for _ in range(runs):
        times["backend alone"].append(seconds(lambda: direct.detect(image, **options)))
        times["detect"].append(seconds(detector.detect, image))
        with other.hook("final/*", print):
            times["detect, hook elsewhere"].append(seconds(detector.detect, image))
    base = median(times["backend alone"])
    for name, values in times.items():
        print(f"{name:24} {1000 * median(values):9.3f} ms  {100 * (median(values) / base - 1):+.2f} %")
    check = timeit.timeit(lambda: tap_for(detector), number=100_000) / 100_000
    print(f"{'looking for hooks':24} {1000 * check:9.6f} ms  {100 * check / base:+.5f} %")


def capture_and_report(detector: Detector, image: np.ndarray) -> None:
    """One detection, then one full capture: how much higher memory went."""
    detector.detect(image)
    before = peak_megabytes()
    plain = seconds(detector.detect, image)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.npz"
        taken = seconds(dump, detector, image, path)
        size = path.stat().st_size / 1e6
    more = peak_megabytes() - before
    print(f"full capture: {size:.1f} MB in {taken:.2f} s (without {plain:.3f} s), {more:.1f} MB more memory")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("picture", nargs="?")
    parser.add_argument("--backend", default="core")
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--only-capture", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    image, detector = picture(chosen.picture), Detector(backend=chosen.backend, threads=1)
    if chosen.only_capture:
        capture_and_report(detector, image)
        return
    height, width = image.shape[:2]
    print(f"{width} x {height}, {len(detector.detect(image))} faces, backend {detector.backend}, one thread")
    time_unused_hook(detector, image, chosen.runs)
    subprocess.run(
        [sys.executable, *sys.argv, "--only-capture"], check=True
    )  # a process of its own: clean memory


if __name__ == "__main__":
    main()
