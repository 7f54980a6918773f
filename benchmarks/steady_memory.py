"""Measure the memory of one process over many detections: `python benchmarks/steady_memory.py [N]` (200 000).

A small image with a face, detected one by one on one thread, then as a stream on two threads. Prints resident
memory at several points. Linux only.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable

import numpy as np
from mtcnn_cpp import Detections, Detector, sample_image
from mtcnn_cpp.bench.measurements import covering
from mtcnn_cpp.bench.memory import resident_memory


def print_memory(title: str, results: Iterable[Detections], count: int) -> None:
    counts = {count // 100, count // 10, count // 4, count // 2, count}
    print(title, end=":", flush=True)
    for done, faces in enumerate(results, 1):
        assert len(faces) == 1
        if done in counts:
            print(f"  {resident_memory():.2f} MB after {done}", end="", flush=True)
    print()


if __name__ == "__main__":
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    image = covering(np.ascontiguousarray(sample_image()[52:212, 136:312]), 68, 72)
    print(f"{image.shape[1]}x{image.shape[0]}, {resident_memory():.2f} MB before")
    one, two = Detector(threads=1), Detector(threads=2)
    print_memory("detect", (one.detect(image) for _ in range(n)), n)
    print_memory("detect_stream", two.detect_stream(itertools.repeat(image, n)), n)
