"""Measure the worst case of suppression: a noise image with min_face 12.

    python benchmarks/noise_nms.py [--size 1920x1080] [--thresholds 0.6,0]

Few cells of a noise image pass PNet; with a first threshold of 0 each cell becomes a proposal. A hook
collects the boxes of each suppression, and the script suppresses them again to measure the time.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
from mtcnn_cpp import Detector
from mtcnn_cpp._util.core import import_core


def collect_suppressions(detector: Detector, image: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, float]]:
    """Return boxes, scores and threshold of each suppression of PNet's proposals."""
    tensors: dict[str, Any] = {}
    with (
        detector.hook("pnet/*boxes", tensors.__setitem__),
        detector.hook("pnet/*scores", tensors.__setitem__),
    ):
        detector.detect(image)
    names = [name.removesuffix("boxes") for name in tensors if name.endswith("boxes")]
    return [(tensors[f"{n}boxes"], tensors[f"{n}scores"], 0.7 if n == "pnet/" else 0.5) for n in names]


def measure_seconds(function: Any, *arguments: Any) -> float:
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", default="1920x1080")
    parser.add_argument("--thresholds", default="0.6,0", help="thresholds of PNet")
    arguments = parser.parse_args()
    width, height = map(int, arguments.size.split("x"))
    image = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
    suppress = import_core()._testing.non_maximum_suppression
    for threshold in map(float, arguments.thresholds.split(",")):
        detector = Detector(min_face=12, thresholds=(threshold, 1, 1), threads=1)
        lists = collect_suppressions(detector, image)
        detector.detect(image)
        total = measure_seconds(detector.detect, image)
        spent = sum(measure_seconds(suppress, boxes, scores, t, "union") for boxes, scores, t in lists)
        proposals = [len(boxes) for boxes, _, _ in lists]
        print(
            f"{width}x{height} noise, min_face 12, first threshold {threshold:g}: {sum(proposals[:-1])} "
            f"proposals ({max(proposals[:-1])} of one level, {proposals[-1]} across levels), suppression "
            f"{1e3 * spent:.1f} of {1e3 * total:.0f} ms, {100 * spent / total:.1f} %"
        )
