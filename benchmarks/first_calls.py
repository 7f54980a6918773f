"""The first calls of a fresh process, two threads against one.

python benchmarks/first_calls.py [--processes 9] [--pause SECONDS]

Processes with one thread and with two are started in turn (A B A B); each detects 50 times in the 512x512
sample. Call number i of a kind is the fastest of its processes, so that a busy neighbour does not count as
the detector's. --pause: of the process before each call, as in a service that is seldom asked.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys

CALLS = 50
PROGRAM = """
import sys, time
begin = time.perf_counter()
from mtcnn_cpp import Detector, sample_image
image = sample_image()
detector = Detector(threads=int(sys.argv[1]))
detector.detect(image)
print(time.perf_counter() - begin)
for _ in range(int(sys.argv[2])):
    time.sleep(float(sys.argv[3]))
    begin = time.perf_counter()
    detector.detect(image)
    print(time.perf_counter() - begin)
"""


def calls(threads: int, pause: float) -> list[float]:
    """Seconds from the import to the first box, then of each call."""
    command = [sys.executable, "-c", PROGRAM, str(threads), str(CALLS), str(pause)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [float(line) for line in done.stdout.split()]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--processes", type=int, default=9)
    parser.add_argument("--pause", type=float, default=0)
    chosen = parser.parse_args()
    found: dict[int, list[list[float]]] = {1: [], 2: []}
    for _ in range(chosen.processes):
        for threads in found:
            found[threads].append(calls(threads, chosen.pause))
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
        f"two threads against one: median {ratio:.2f}x, worst call against one thread's median {worst:.2f}x"
    )


if __name__ == "__main__":
    main()
