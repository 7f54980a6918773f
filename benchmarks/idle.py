"""Measure CPU time and memory of ten idle detectors with threads.

python benchmarks/idle.py [--seconds 5] [--threads 2]

CPU time is that of the process with all its threads; memory is the resident memory before and after.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from mtcnn_cpp import Detector, sample_image


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    image = sample_image()
    Detector(threads=1).detect(image)
    before = resident_mib()
    detectors = [Detector(threads=arguments.threads) for _ in range(10)]
    for detector in detectors:
        for _ in range(3):
            detector.detect(image)
    time.sleep(0.1)
    start = time.process_time()
    time.sleep(arguments.seconds)
    cpu = 1e3 * (time.process_time() - start)
    count = len(os.listdir("/proc/self/task"))
    print(f"ten detectors with {arguments.threads} threads each: {count} threads in the process")
    print(f"{cpu:.1f} ms of CPU in {arguments.seconds:.0f} s, {(resident_mib() - before) / 10:.1f} MB each")


if __name__ == "__main__":
    main()
