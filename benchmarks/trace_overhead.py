"""Measure the cost of traces: time of an unused hook, memory and time of a full capture into a file.

    python benchmarks/trace_overhead.py [IMAGE] [--backend core] [--runs 40]

Default for IMAGE: a 1920x1080 image made of copies of the sample. Prints medians of interleaved runs. On a
busy machine only the last number of the first part is reliable: the cost of the search for hooks alone.
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
from mtcnn_cpp.backends.engine import Request, hook_for
from mtcnn_cpp.trace.capture import dump


def load_image(path: str | None) -> np.ndarray:
    if path:
        return read_image(path)
    tiles = np.tile(sample_image(), (3, 4, 1))[:1080, :1920]
    return np.ascontiguousarray(tiles)


def measure_seconds(function: object, *arguments: object) -> float:
    start = time.perf_counter()
    function(*arguments)  # type: ignore[operator]
    return time.perf_counter() - start


def peak_megabytes() -> float:
    """Return the highest resident memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        1024 if sys.platform != "darwin" else 1 << 20
    )


def time_unused_hook(detector: Detector, image: np.ndarray, runs: int) -> None:
    """Time the backend, `detect`, `detect` with a hook on another detector, and the search for hooks."""
    backend = detector.engine.backend
    threads = detector.engine.threads
    request = Request(image, detector.options, threads=threads)
    other = Detector(backend="reference")
    times: dict[str, list[float]] = {"backend alone": [], "detect": [], "detect, hook elsewhere": []}
    for _ in range(runs):
        times["backend alone"].append(measure_seconds(lambda: backend.detect(request)))
        times["detect"].append(measure_seconds(detector.detect, image))
        with other.hook("final/*", print):
            times["detect, hook elsewhere"].append(measure_seconds(detector.detect, image))
    base = median(times["backend alone"])
    for name, values in times.items():
        print(f"{name:24} {1000 * median(values):9.3f} ms  {100 * (median(values) / base - 1):+.2f} %")
    check = timeit.timeit(lambda: hook_for(detector), number=100_000) / 100_000
    print(f"{'search for hooks':24} {1000 * check:9.6f} ms  {100 * check / base:+.5f} %")


def capture_and_report(detector: Detector, image: np.ndarray) -> None:
    """Measure the additional memory of a full capture after one detection."""
    detector.detect(image)
    before = peak_megabytes()
    plain = measure_seconds(detector.detect, image)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.npz"
        taken = measure_seconds(dump, detector, image, path)
        size = path.stat().st_size / 1e6
    more = peak_megabytes() - before
    print(
        f"full capture: {size:.1f} MB in {taken:.2f} s (detection alone: {plain:.3f} s), "
        f"{more:.1f} MB additional memory"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("image", nargs="?")
    parser.add_argument("--backend", default="core")
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--only-capture", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    image, detector = load_image(arguments.image), Detector(backend=arguments.backend, threads=1)
    if arguments.only_capture:
        capture_and_report(detector, image)
        return
    height, width = image.shape[:2]
    print(f"{width} x {height}, {len(detector.detect(image))} faces, backend {detector.backend}, one thread")
    time_unused_hook(detector, image, arguments.runs)
    subprocess.run(
        [sys.executable, *sys.argv, "--only-capture"], check=True
    )  # a new process, so that memory is not in use


if __name__ == "__main__":
    main()
