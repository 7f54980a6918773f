"""Measure detections with and without the heat map filter, alternately, and compare their results.

python benchmarks/heat_map_filter.py IMAGE… [--runs 11] [--isa avx2] [--min-face 60 20] [--threads 1 2]
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from itertools import product

import numpy as np
from mtcnn_cpp import Model, _core, read_image
from mtcnn_cpp.bench.measurements import supported_isas
from mtcnn_cpp.types import FloatArray
from numpy.typing import NDArray

THRESHOLDS, SCALE_FACTOR = (0.6, 0.7, 0.7), 0.709


def measure(
    detectors: list[_core.Detector], image: NDArray[np.uint8], min_face: float, threads: int, runs: int
) -> tuple[list[list[float]], bool]:
    """Return the seconds of each detector and whether the results of all runs have the same bits."""
    seconds: list[list[float]] = [[] for _ in detectors]
    results: list[tuple[FloatArray, ...]] = []
    for run in range(runs):
        for number in (0, 1) if run % 2 else (1, 0):
            start = time.perf_counter()
            found = detectors[number].detect(image, False, min_face, THRESHOLDS, SCALE_FACTOR, threads)
            seconds[number].append(time.perf_counter() - start)
            results.append(found)
    first = [part.tobytes() for part in results[0]]
    return seconds, all([part.tobytes() for part in found] == first for found in results)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", nargs="+", metavar="IMAGE")
    parser.add_argument("--runs", type=int, default=11)
    parser.add_argument("--isa", nargs="+", default=[supported_isas()[0]])
    parser.add_argument("--min-face", type=float, nargs="+", default=[60, 20])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    arguments = parser.parse_args()
    model = Model.default()
    for isa, min_face, threads in product(arguments.isa, arguments.min_face, arguments.threads):
        print(f"{isa}, min_face {min_face:g}, threads {threads}")
        detectors = [
            _core.Detector(model.pnet, model.rnet, model.onet, isa, filter) for filter in (False, True)
        ]
        ratios: list[tuple[float, float]] = []
        for name in arguments.images:
            image = read_image(name)
            seconds, same = measure(detectors, image, min_face, threads, arguments.runs)
            without, filtered = ([min(one) * 1000, statistics.median(one) * 1000] for one in seconds)
            ratios.append((without[0] / filtered[0], without[1] / filtered[1]))
            print(
                f"{name[-40:]:40} minimum {without[0]:8.2f} -> {filtered[0]:8.2f} ms {ratios[-1][0]:6.3f}x"
                f"   median {without[1]:8.2f} -> {filtered[1]:8.2f} ms {ratios[-1][1]:6.3f}x"
                f"   {'same bits' if same else 'DIFFERENT'}",
                flush=True,
            )
        for label, values in zip(("minimum", "median"), zip(*ratios, strict=True), strict=True):
            mean = math.exp(statistics.fmean(map(math.log, values)))
            print(f"{label}: geometric mean {mean:.3f}x, lowest {min(values):.3f}x")
