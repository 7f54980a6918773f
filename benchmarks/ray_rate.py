"""Pictures a second of a job on Ray against the same job without it, on the same CPUs:
`python benchmarks/ray_rate.py [N]` (1600).

N pictures of 1280x720 (JPEG) with both, in turn. The rate is taken from the times at which the parts were
there, from the first of each worker to the last of all, so that starting Ray's workers, told too,
does not count. Ray runs on this machine, a worker for each CPU. Set RAY_worker_niceness=0 on a machine that
does other work, too: Ray's workers stand back by default.
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


def rate(names: list[str], folder: Path, *, on_ray: bool) -> tuple[float, float]:
    """Pictures a second, and seconds until each worker had written its first part."""
    cpus, detector, settings = usable_cpus(), Detector(), Settings(Format.parquet)
    output = open_folder(folder)
    output.make()
    start = time.time()
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
    times = sorted(part.stat().st_mtime for part in folder.glob("pictures-*"))
    return (len(names) - cpus * most) / (times[-1] - times[cpus - 1]), times[cpus - 1] - start


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1600
    with tempfile.TemporaryDirectory() as place, connected("local"):
        image = covering(sample_image(), 720, 1280)
        names = [f"{place}/{index:06d}.jpg" for index in range(count)]
        for index, name in enumerate(names):
            cv2.imwrite(name, image, [cv2.IMWRITE_JPEG_QUALITY, 80 + index % 15])
        found: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
        for number in range(ROUNDS):
            for on_ray in (False, True):
                found[on_ray].append(rate(names, Path(place) / f"{number}-{on_ray}", on_ray=on_ray))
    local, ray = (statistics.median(rates for rates, _ in found[on_ray]) for on_ray in (False, True))
    first = {on_ray: statistics.median(first for _, first in found[on_ray]) for on_ray in found}
    print(f"{usable_cpus()} CPUs; local {local:.1f}/s, Ray {ray:.1f}/s: {ray / local:.0%}")
    print(f"first parts after {first[False]:.1f} s, with Ray {first[True]:.1f} s")
    for on_ray, name in ((False, "local"), (True, "Ray")):
        print(f"{name}: {', '.join(f'{rates:.1f}' for rates, _ in found[on_ray])}")


if __name__ == "__main__":
    main()
