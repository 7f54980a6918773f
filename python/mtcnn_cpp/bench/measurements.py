"""The measurements of `mtcnn-cpp bench`. Each function returns a part of the JSON file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from statistics import median
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from .._util.core import import_core
from ..detector.detector import Detector
from ..media.image import sample_image
from ..model import Model
from ..reference.options import Options
from ..reference.resize import resize
from ..types import BackendName
from .memory import memory_above_idle
from .metrics import Peak, Times, machine, time_interleaved, useful_work
from .peers import compare_peers

Image = NDArray[Any]
TILES = ((1, 1), (2, 2), (3, 3), (5, 5), (8, 8), (13, 12))  # rows and columns of mosaics of a 640x480 image
MAX_SIZE_RUNS = 5  # maximum number of runs for each size; a run of the largest size takes about one second


def run_benchmark(
    images: Mapping[str, Image] | None,
    *,
    isa: Sequence[str],
    threads: Sequence[int],
    runs: int,
    batch: int,
    sizes: bool,
    peers: bool,
    pythons: Sequence[str],
    options: Options,
    model: Model,
    progress: Callable[[str], None],
) -> dict[str, Any]:
    """Run all measurements and return one dictionary for the JSON file.

    Args:
        images: Images (uint8, BGR) by name. None: the bundled sample image, and this image enlarged to
            1920x1080.
        isa: Variants of the core. Times and stages are measured for all variants. The other measurements use
            only the first variant.
        threads: Numbers of threads.
        runs: Runs per configuration.
        batch: Number of images in the batch. 0: no batch.
        sizes: Whether to measure images of 0.3 to 48 megapixels.
        peers: Whether to run other face detectors (peers) on each image.
        pythons: Python interpreters of other virtual environments, in which the peers may be installed.
        options: Options of the detections.
        model: The networks.
        progress: Function that is called with a message before each measurement.
    """
    settings: dict[str, Any] = {"runs": runs, "options": options, "model": model}
    results: dict[str, Any] = {
        "machine": machine(),
        "runs": runs,
        "options": {**vars(options), "thresholds": list(options.thresholds)},
        "pictures": [],
    }
    for name, image in (default_images() if images is None else images).items():
        progress(f"{name}: {' '.join(isa)}, threads {' '.join(map(str, threads))}")
        measurement = measure_image(image, isa=isa, threads=threads, **settings)
        measurement["memory"] = memory_above_idle(image, model, threads=1, backend=isa[0], **vars(options))
        if batch:
            progress(f"{name}: batch of {batch}")
            measurement["batch"] = measure_batch(
                image, count=batch, isa=isa[0], threads=max(threads), **settings
            )
        if peers:
            progress(f"{name}: peers")
            measurement["peers"] = compare_peers(
                image, threads=threads, runs=runs, options=options, pythons=pythons
            )
        results["pictures"].append({"name": name, **measurement})
    progress("640x480: overhead")
    results["overhead"] = measure_overhead(isa=isa[0], **settings)
    if sizes:
        progress("sizes from 0.3 to 48 megapixels")
        results["sizes"] = measure_sizes(isa=isa[0], **settings | {"runs": min(runs, MAX_SIZE_RUNS)})
    return results


def supported_isas() -> list[str]:
    """Return the variants of the core that this CPU supports, the fastest variant first."""
    return [variant["name"] for variant in import_core().isa_variants() if variant["supported"]][::-1]


def fast_isas() -> list[str]:
    """Return the supported variants of the core, without `generic`.

    `generic` is up to a hundred times slower than the other variants.

    If `generic` is the only supported variant, it is returned.
    """
    return [name for name in supported_isas() if name != "generic"] or ["generic"]


def measure_image(
    image: Image, *, isa: Sequence[str], threads: Sequence[int], runs: int, options: Options, model: Model
) -> dict[str, Any]:
    """Measure the detection time for each variant of the core and each number of threads.

    The GFLOP/s are the floating-point operations of the networks divided by this time. The share is the
    GFLOP/s divided by the FMA peak, which is the measured peak of one processor core multiplied by the number
    of threads.
    """
    configurations = [(name, count) for name in isa for count in threads]
    detectors = {(name, count): _detector(name, count, options, model) for name, count in configurations}
    peaks = {name: Peak(name) for name in isa}
    times = {configuration: Times() for configuration in configurations}
    for configuration in configurations:
        for _ in range(2):
            faces = detectors[configuration].detect(image)
    for _ in range(runs):
        for configuration in configurations:
            peaks[configuration[0]].run()
            times[configuration].run(partial(detectors[configuration].detect, image))
    stages = {name: measure_stages(image, isa=name, runs=runs, options=options, model=model) for name in isa}
    boxes = {key: stages[isa[0]][key] for key in ("boxes_into_rnet", "boxes_into_onet")}
    work = useful_work(model, image.shape[0], image.shape[1], options, **boxes)
    rows = []
    for name, count in configurations:
        taken = times[name, count]
        gflops = work.total / median(taken.wall) / 1e9
        rows.append(
            {
                "isa": name,
                "threads": count,
                "ms": taken.ms,
                **taken.spread,
                "cpu_ms": taken.cpu_ms,
                "gflops": gflops,
                "peak_gflops": peaks[name].median,
                "share": gflops / (peaks[name].median * count),
                "against_one_thread": times[name, 1].ms / taken.ms if (name, 1) in times else None,
            }
        )
    return {
        "height": image.shape[0],
        "width": image.shape[1],
        "faces": len(faces),
        **boxes,
        "gflop": {stage: flops / 1e9 for stage, flops in work._asdict().items()}
        | {"total": work.total / 1e9},
        "rows": rows,
        "stages": {name: values["ms"] for name, values in stages.items()},
    }


def measure_stages(image: Image, *, isa: str, runs: int, options: Options, model: Model) -> dict[str, Any]:
    """Measure the time of the parts of a detection on one thread, in milliseconds.

    All times are from the same run: the run with the median total time.

    The total time is the sum of `pnet`, `rnet`, `onet` and `rest`. The sum of `pnet`, `rnet` and `onet` is
    equal to the sum of `resize`, `proposals` (which includes suppression) and `networks`. `resize` includes
    the time of reading the clock twice for each row of a level and for each crop.
    """
    profile = _profile(image, isa, options, model)
    profile()
    median = sorted((profile() for _ in range(runs)), key=lambda values: values["total"])[runs // 2]
    ms = {name: 1e3 * median[name] for name in ("pnet", "rnet", "onet", "resize", "proposals")}
    stages = ms["pnet"] + ms["rnet"] + ms["onet"]
    ms["networks"] = 1e3 * _networks(median)
    ms["rest"] = 1e3 * median["total"] - stages
    return {"ms": ms, **{key: median[key] for key in ("boxes_into_rnet", "boxes_into_onet")}}


def measure_overhead(*, isa: str, runs: int, options: Options, model: Model) -> dict[str, Any]:
    """Measure the overhead of a call: the share of its time that is not spent in the networks.

    The image has 640x480 pixels, and the call runs on one thread.

    `ms`, `networks_ms` and `share` are from the same call: the call with the median share. Times of different
    calls must not be combined, because the times of two calls differ by more than the overhead.
    """
    image = covering(sample_image(), 480, 640)
    profile = _profile(image, isa, options, model)
    calls = Times()
    networks = [_networks(calls.run(profile)) for _ in range(3 * runs)]
    shares = [1 - inside / total for inside, total in zip(networks, calls.wall, strict=True)]
    share, total, inside = sorted(zip(shares, calls.wall, networks, strict=True))[len(shares) // 2]
    return {"isa": isa, "ms": 1e3 * total, "networks_ms": 1e3 * inside, "share": share}


def _profile(image: Image, isa: str, options: Options, model: Model) -> Callable[[], dict[str, Any]]:
    core = import_core().Detector(model.pnet, model.rnet, model.onet, isa)
    arguments = options.min_face, options.thresholds, options.scale_factor, 1
    return partial(core.profile, image, False, *arguments)


def _networks(profile: dict[str, Any]) -> float:
    """Return the time in the networks, in seconds.

    It is the time of the three stages minus the time of resizing and the time of proposals.
    """
    stages: float = profile["pnet"] + profile["rnet"] + profile["onet"]
    return stages - float(profile["resize"]) - float(profile["proposals"])


def measure_batch(
    image: Image, *, count: int, isa: str, threads: int, runs: int, options: Options, model: Model
) -> dict[str, Any]:
    """Compare the time of a batch on several threads with the time of single detections on one thread."""
    images = [image.copy() for _ in range(count)]
    one, several = _detector(isa, 1, options, model), _detector(isa, threads, options, model)
    functions = {
        "one": lambda: [one.detect(image) for image in images],
        "batch": lambda: several.detect_batch(images),
    }
    times = time_interleaved(functions, runs, warm_up=1)
    return {
        "isa": isa,
        "pictures": count,
        "threads": threads,
        "one_at_a_time_ms": times["one"].ms / count,
        "batch_ms": times["batch"].ms / count,
        "ratio": times["one"].ms / times["batch"].ms,
    }


def measure_sizes(
    *, isa: str, runs: int, options: Options, model: Model, tiles: Sequence[tuple[int, int]] = TILES
) -> list[dict[str, Any]]:
    """Measure the time per megapixel on one thread for images of several sizes.

    The images are mosaics of a 640x480 image. `tiles` contains the rows and columns of each mosaic.
    """
    detector = _detector(isa, 1, options, model)
    tile = covering(sample_image(), 480, 640)
    images = [np.tile(tile, (*shape, 1)) for shape in tiles]
    times = time_interleaved(
        {str(i): partial(detector.detect, image) for i, image in enumerate(images)}, runs, warm_up=1
    )
    rows = []
    for image, taken in zip(images, times.values(), strict=True):
        boxes = measure_stages(image, isa=isa, runs=1, options=options, model=model)
        boxes.pop("ms")
        height, width, _ = image.shape
        megapixels = height * width / 1e6
        work = useful_work(model, height, width, options, **boxes)
        rows.append(
            {
                "height": height,
                "width": width,
                "megapixels": megapixels,
                "ms": taken.ms,
                "ms_per_megapixel": taken.ms / megapixels,
                "gflop_per_megapixel": work.total / 1e9 / megapixels,
                "gflops": work.total / taken.ms / 1e6,
            }
        )
    return rows


def _detector(isa: str, threads: int, options: Options, model: Model) -> Detector:
    return Detector(model, threads=threads, backend=cast("BackendName", isa), **vars(options))


def to_uint8(image: Image) -> NDArray[np.uint8]:
    """Convert an image to (H, W, 3) uint8. All peers accept such images."""
    if image.dtype == np.uint16:
        image = image // 256
    return np.ascontiguousarray(image[:, :, :3], np.uint8)


def covering(image: NDArray[Any], height: int, width: int) -> NDArray[np.uint8]:
    """Scale an image so that it covers height x width, and cut off the rest at the right or at the bottom."""
    scale = max(height / image.shape[0], width / image.shape[1])
    size = max(height, round(image.shape[0] * scale)), max(width, round(image.shape[1] * scale))
    resized = resize(image[:, :, :3].astype(np.float32), *size)
    return np.ascontiguousarray(np.rint(resized[:height, :width]).astype(np.uint8))


def default_images() -> dict[str, NDArray[np.uint8]]:
    """Return the bundled sample image, and this image enlarged to 1920x1080."""
    sample = sample_image()
    return {"sample": sample, "sample 1920x1080": covering(sample, 1080, 1920)}
