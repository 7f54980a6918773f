"""Memory of one process over very many detections: `python benchmarks/steady_memory.py [N]` (200 000).

A small picture with a face, one by one on one thread, then as a stream on two; resident MB along the way.
Linux only.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable

import numpy as np
from mtcnn_cpp import Detections, Detector, sample_image
from mtcnn_cpp.bench.memory import resident
from mtcnn_cpp.bench.pictures import covering


def watch(words: str, found: Iterable[Detections], count: int) -> None:
    marks = {count // 100, count // 10, count // 4, count // 2, count}
    print(words, end=":", flush=True)
    for done, faces in enumerate(found, 1):
        assert len(faces) == 1
        if done in marks:
            print(f"  {resident():.2f} MB after {done}", end="", flush=True)
    print()


if __name__ == "__main__":
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    image = covering(np.ascontiguousarray(sample_image()[52:212, 136:312]), 68, 72)
    print(f"{image.shape[1]}x{image.shape[0]}, {resident():.2f} MB before")
    one, two = Detector(threads=1), Detector(threads=2)
    watch("detect", (one.detect(image) for _ in range(n)), n)
    watch("detect_stream", two.detect_stream(itertools.repeat(image, n)), n)
