"""Images per second of a job on Ray, compared with the same job without Ray on the same CPUs:
`python benchmarks/ray_rate.py [N]` (1600).

Both jobs process N images of 1280x720 (JPEG), interleaved; the median is reported. The rate is computed from
the times of the part files, from the first one of each worker to the last one of all, so the start of Ray's
workers does not count; it is reported separately. Ray runs on this machine, with one worker per CPU. On a
machine with other load, set RAY_worker_niceness=0: by default Ray's workers have a low priority.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import cv2
from mtcnn_cpp import Detector, sample_image
from mtcnn_cpp._util.cpus import usable_cpus
from mtcnn_cpp.bench.measurements import covering
from mtcnn_cpp.jobs.part_files import PartFiles
from mtcnn_cpp.jobs.pipeline import DetectionPipeline
from mtcnn_cpp.jobs.plan import make_plan
from mtcnn_cpp.jobs.ray.connection import connect
from mtcnn_cpp.jobs.ray.run import choose_images_per_task, run_on_ray
from mtcnn_cpp.jobs.run import prepare_folder, run_to_folder
from mtcnn_cpp.jobs.settings import JobSettings
from mtcnn_cpp.jobs.table import TableFormat
from mtcnn_cpp.storage.folder import open_folder

ROUNDS = 3


def rate(names: list[str], folder: Path, *, on_ray: bool) -> tuple[float, float]:
    """Images per second, and seconds until each worker has written its first part file."""
    cpus, detector, settings = usable_cpus(), Detector(), JobSettings(TableFormat.parquet)
    output = open_folder(folder)
    output.make()
    start = time.time()
    sources = make_plan(names).sources
    size = choose_images_per_task(len(sources), cpus)
    remaining = prepare_folder(output, settings, detector, sources, resume=False, images_per_task=size)
    part_files = PartFiles(output, settings.format)
    if on_ray:
        counters = run_on_ray(remaining, detector, settings, part_files, notify=print)
    else:
        with DetectionPipeline(detector, settings) as pipeline:
            counters = run_to_folder(remaining, pipeline, part_files, concurrency=cpus)
    assert counters.frames == len(names)
    times = sorted(part.stat().st_mtime for part in folder.glob("pictures-*"))
    return (len(names) - cpus * size) / (times[-1] - times[cpus - 1]), times[cpus - 1] - start


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1600
    with tempfile.TemporaryDirectory() as place, connect("local"):
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
    print(f"first part files after {first[False]:.1f} s, with Ray after {first[True]:.1f} s")
    for on_ray, name in ((False, "local"), (True, "Ray")):
        print(f"{name}: {', '.join(f'{rates:.1f}' for rates, _ in found[on_ray])}")


if __name__ == "__main__":
    main()
