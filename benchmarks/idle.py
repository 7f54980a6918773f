"""What ten detectors with threads cost while nothing is asked of them.

python benchmarks/idle.py [--seconds 5] [--threads 2]

CPU seconds of the process and its threads, from the system's own count; resident memory before and after.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from mtcnn_cpp import Detector, sample_image


def resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--threads", type=int, default=2)
    chosen = parser.parse_args()
    image = sample_image()
    Detector(threads=1).detect(image)
    before = resident()
    detectors = [Detector(threads=chosen.threads) for _ in range(10)]
    for detector in detectors:
        for _ in range(3):
            detector.detect(image)
    time.sleep(0.1)
    begin = time.process_time()
    time.sleep(chosen.seconds)
    cpu = 1e3 * (time.process_time() - begin)
    print(f"ten detectors of {chosen.threads} threads: {len(os.listdir('/proc/self/task'))} in the process")
    print(f"{cpu:.1f} ms of CPU in {chosen.seconds:.0f} s, {(resident() - before) / 10:.1f} MB each")


if __name__ == "__main__":
    main()
