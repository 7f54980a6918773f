"""Count the heap allocations of first and later detections: `python benchmarks/allocations.py [IMAGE]`.

A C++ program that replaces operator new counts them, on one thread and on two.
"""

from __future__ import annotations

import sys

from mtcnn_cpp import read_image, sample_image
from native import build, run_detections

image = read_image(sys.argv[1]) if len(sys.argv) > 1 else sample_image()
build()
for threads in (1, 2):
    print(f"{image.shape[1]}x{image.shape[0]}, {threads} thread{'s' if threads > 1 else ''}")
    print(run_detections(image, 4, threads=threads), end="")
