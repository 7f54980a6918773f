"""The worst case of suppression: a noise picture, min_face 12.

    python benchmarks/noise_nms.py [--size 1920x1080] [--thresholds 0.6,0]

Noise passes PNet seldom; a first threshold of 0 makes a proposal of every cell. Every list of boxes that the
cascade suppresses is caught by a hook, and suppressed again to time it.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
from mtcnn_cpp import Detector
from mtcnn_cpp.backends.core import import_core


def caught(detector: Detector, image: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, float]]:
    """Boxes, scores and threshold of every suppression of PNet's proposals."""
    held: dict[str, Any] = {}
    with detector.hook("pnet/*boxes", held.__setitem__), detector.hook("pnet/*scores", held.__setitem__):
        detector.detect(image)
    names = [name.removesuffix("boxes") for name in held if name.endswith("boxes")]
    return [(held[f"{n}boxes"], held[f"{n}scores"], 0.7 if n == "pnet/" else 0.5) for n in names]


def seconds(function: Any, *arguments: Any) -> float:
    begin = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - begin


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", default="1920x1080")
    parser.add_argument("--thresholds", default="0.6,0", help="of PNet")
    chosen = parser.parse_args()
    width, height = map(int, chosen.size.split("x"))
    image = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
    suppress = import_core().rooms.non_maximum_suppression
    for threshold in map(float, chosen.thresholds.split(",")):
        detector = Detector(min_face=12, thresholds=(threshold, 1, 1), threads=1)
        lists = caught(detector, image)
        detector.detect(image)
        whole = seconds(detector.detect, image)
        spent = sum(seconds(suppress, boxes, scores, t, "union") for boxes, scores, t in lists)
        proposals = [len(boxes) for boxes, _, _ in lists]
        print(
            f"{width}x{height} noise, min_face 12, first threshold {threshold:g}: {sum(proposals[:-1])} "
            f"proposals ({max(proposals[:-1])} of one level, {proposals[-1]} across levels), suppression "
            f"{1e3 * spent:.1f} of {1e3 * whole:.0f} ms, {100 * spent / whole:.1f} %"
        )
