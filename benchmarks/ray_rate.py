"""Pictures a second of a job on Ray against the same job without it, on the same CPUs:
`python benchmarks/ray_rate.py [N]` (600).

N and 3 N pictures of 1280x720 (JPEG) with both, in turn: the rate is 2 N by the difference of the times, so
that starting Ray's workers, which is told too, does not count. Ray runs on this machine, with a worker for
each CPU.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import cv2
from mtcnn_cpp import Detector, sample_image
from mtcnn_cpp.bench.pictures import covering
from mtcnn_cpp.cpus import usable_cpus
from mtcnn_cpp.jobs import Eyes, Parts, Settings, make_plan, prepare, run_to_folder
from mtcnn_cpp.ray import connected, fitting_units, run_on_ray
from mtcnn_cpp.stores import open_folder
from mtcnn_cpp.table import Format

ROUNDS = 3


def seconds(names: list[str], folder: Path, *, on_ray: bool) -> float:
    """Of one job."""
    cpus, detector, settings = usable_cpus(), Detector(), Settings(Format.parquet)
    output = open_folder(folder)
    output.make()
    start = time.perf_counter()
    sources = make_plan(names).sources
    most = fitting_units(len(sources), cpus)
    left = prepare(output, settings, detector, sources, resume=False, most=most)
    parts = Parts(output, settings.format)
    if on_ray:
        summary = run_on_ray(
            left, detector, settings, parts, watch=lambda tally: None, fail=sys.exit, tell=print
        )
    else:
        with Eyes(detector, settings) as eyes:
            summary = run_to_folder(left, eyes, parts, lambda result: None, at_once=cpus)
    assert summary.frames == len(names)
    return time.perf_counter() - start


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 600
    with tempfile.TemporaryDirectory() as place, connected("local"):
        image = covering(sample_image(), 720, 1280)
        for index in range(3 * count):
            cv2.imwrite(f"{place}/{index:06d}.jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 80 + index % 15])
        names = [f"{place}/{index:06d}.jpg" for index in range(3 * count)]
        rates: dict[bool, list[float]] = {False: [], True: []}
        starts = []
        for number in range(ROUNDS):
            for on_ray in (False, True):
                one, three = (
                    seconds(some, Path(place) / f"{number}-{on_ray}-{len(some)}", on_ray=on_ray)
                    for some in (names[:count], names)
                )
                rates[on_ray].append(2 * count / (three - one))
                if on_ray:
                    starts.append(one - count / rates[True][-1])
        local, ray = (statistics.median(rates[on_ray]) for on_ray in (False, True))
        print(f"{usable_cpus()} CPUs; local {local:.1f}/s, Ray {ray:.1f}/s: {ray / local:.0%}")
        print(f"local {rates[False]}, Ray {rates[True]}; workers start in {statistics.median(starts):.1f} s")


if __name__ == "__main__":
    main()
