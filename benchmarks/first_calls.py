"""Measure the first calls of a fresh process with two threads and with one.

python benchmarks/first_calls.py [--processes 9] [--pause SECONDS]

Processes with one and with two threads start alternately (A B A B). Each detects 50 times in the 512x512
sample. The time of call i is the minimum over the processes with the same number of threads, which removes
the effect of other programs. --pause: pause before each call, as in a service with few requests.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys

CALLS = 50
PROGRAM = """
import sys, time
start = time.perf_counter()
from mtcnn_cpp import Detector, sample_image
image = sample_image()
detector = Detector(threads=int(sys.argv[1]))
detector.detect(image)
print(time.perf_counter() - start)
for _ in range(int(sys.argv[2])):
    time.sleep(float(sys.argv[3]))
    start = time.perf_counter()
    detector.detect(image)
    print(time.perf_counter() - start)
"""


def measure_calls(threads: int, pause: float) -> list[float]:
    """Return the seconds from the import to the first box, then of each later call."""
    command = [sys.executable, "-c", PROGRAM, str(threads), str(CALLS), str(pause)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [float(line) for line in done.stdout.split()]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--processes", type=int, default=9)
    parser.add_argument("--pause", type=float, default=0)
    arguments = parser.parse_args()
    found: dict[int, list[list[float]]] = {1: [], 2: []}
    for _ in range(arguments.processes):
        for threads in found:
            found[threads].append(measure_calls(threads, arguments.pause))
    best = {threads: [min(call) for call in zip(*runs, strict=True)] for threads, runs in found.items()}
    for threads, (first, *later) in best.items():
        print(
            f"{threads} thread{'s' if threads > 1 else ''}: import to first box {1e3 * first:.0f} ms; "
            f"{CALLS} calls, median {1e3 * statistics.median(later):.2f} ms, worst {1e3 * max(later):.2f} ms"
        )
    one, two = (best[threads][1:] for threads in (1, 2))
    ratio = statistics.median(one) / statistics.median(two)
    worst = statistics.median(one) / max(two)
    print(
        f"two threads: {ratio:.2f}x as fast as one (medians); "
        f"slowest call: {worst:.2f}x as fast as the median of one thread"
    )


if __name__ == "__main__":
    main()
