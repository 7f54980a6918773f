"""What is measured of a detector. Every function gives a part of the JSON file, not rounded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from statistics import median
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..backends.core import import_core
from ..detector import Detector
from ..image import sample_image
from ..model import Model
from ..reference.options import Options
from ..types import BackendName
from .clock import Peak, Times, in_turn
from .flops import useful_work
from .pictures import covering

Image = NDArray[Any]
TILES = ((1, 1), (2, 2), (3, 3), (5, 5), (8, 8), (13, 12))  # of 480x640: 0.3 to 48 megapixels


def isas() -> list[str]:
    """The variants of the core that this CPU runs, fastest first."""
    return [variant["name"] for variant in import_core().isa_variants() if variant["supported"]][::-1]


def fast_isas() -> list[str]:
    """All but `generic`, which is up to a hundred times slower; `generic` if there is no other."""
    return [name for name in isas() if name != "generic"] or ["generic"]


def measure_picture(
    image: Image, *, isa: Sequence[str], threads: Sequence[int], runs: int, options: Options, model: Model
) -> dict[str, Any]:
    """Time, useful GFLOP/s and share of the FMA peak for every variant and number of threads, in turn.

    The peak is that of one core, measured, times the number of threads.
    """
    ways = [(name, count) for name in isa for count in threads]
    detectors = {(name, count): _detector(name, count, options, model) for name, count in ways}
    peaks = {name: Peak(name) for name in isa}
    times = {way: Times() for way in ways}
    for way in ways:
        for _ in range(2):
            faces = detectors[way].detect(image)
    for _ in range(runs):
        for way in ways:
            peaks[way[0]].run()
            times[way].run(partial(detectors[way].detect, image))
    stages = {name: measure_stages(image, isa=name, runs=runs, options=options, model=model) for name in isa}
    boxes = {key: stages[isa[0]][key] for key in ("boxes_into_rnet", "boxes_into_onet")}
    work = useful_work(model, image.shape[0], image.shape[1], options, **boxes)
    rows = []
    for name, count in ways:
        taken = times[name, count]
        gflops = work.total / median(taken.wall) / 1e9
        rows.append(
            {
                "isa": name,
                "threads": count,
                "ms": taken.ms,
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
    """Milliseconds on one thread, of the run with the median total. Split once by stage: `pnet`, `rnet`,
    `onet` and the `rest`; and once by kind: `resize`, `proposals` (suppression included) and `networks`.

    `resize` includes reading the clock twice for each row of a level and for each crop.
    """
    profile = _profile(image, isa, options, model)
    profile()
    found = sorted((profile() for _ in range(runs)), key=lambda values: values["total"])[runs // 2]
    ms = {name: 1e3 * found[name] for name in ("pnet", "rnet", "onet", "resize", "proposals")}
    whole = ms["pnet"] + ms["rnet"] + ms["onet"]
    ms["networks"] = 1e3 * _networks(found)
    ms["rest"] = 1e3 * found["total"] - whole
    return {"ms": ms, **{key: found[key] for key in ("boxes_into_rnet", "boxes_into_onet")}}


def measure_overhead(*, isa: str, runs: int, options: Options, model: Model) -> dict[str, Any]:
    """640x480 on one thread: the share of a call of the core that is not spent in the three networks.

    Both times are of one call, the one with the median share: calls differ by more than this overhead.
    """
    image = covering(sample_image(), 480, 640)
    profile = _profile(image, isa, options, model)
    calls = Times()
    networks = [_networks(calls.run(profile)) for _ in range(3 * runs)]
    shares = [1 - inside / whole for inside, whole in zip(networks, calls.wall, strict=True)]
    share, whole, inside = sorted(zip(shares, calls.wall, networks, strict=True))[len(shares) // 2]
    return {"isa": isa, "ms": 1e3 * whole, "networks_ms": 1e3 * inside, "share": share}


def _profile(image: Image, isa: str, options: Options, model: Model) -> Callable[[], dict[str, Any]]:
    core = import_core().Detector(model.pnet, model.rnet, model.onet, isa)
    arguments = options.min_face, options.thresholds, options.scale_factor, 1
    return partial(core.profile, image, False, *arguments)


def _networks(profile: dict[str, Any]) -> float:
    """Seconds in the networks alone: the stages without resizing and proposals, which the core counts in."""
    whole: float = profile["pnet"] + profile["rnet"] + profile["onet"]
    return whole - float(profile["resize"]) - float(profile["proposals"])


def measure_batch(
    image: Image, *, count: int, isa: str, threads: int, runs: int, options: Options, model: Model
) -> dict[str, Any]:
    """A batch on several threads, compared with the same pictures one by one on one thread."""
    pictures = [image.copy() for _ in range(count)]
    one, several = _detector(isa, 1, options, model), _detector(isa, threads, options, model)
    ways = {
        "one": lambda: [one.detect(picture) for picture in pictures],
        "batch": lambda: several.detect_batch(pictures),
    }
    times = in_turn(ways, runs, warm_up=1)
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
    """Milliseconds a megapixel on one thread, of pictures tiled from one of 640x480 (`tiles`: rows,
    columns)."""
    detector = _detector(isa, 1, options, model)
    tile = covering(sample_image(), 480, 640)
    pictures = [np.tile(tile, (*shape, 1)) for shape in tiles]
    times = in_turn(
        {str(i): partial(detector.detect, image) for i, image in enumerate(pictures)}, runs, warm_up=1
    )
    rows = []
    for image, taken in zip(pictures, times.values(), strict=True):
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


def as_pixels(image: Image) -> NDArray[np.uint8]:
    """8-bit pixels (H, W, 3), which every peer accepts."""
    if image.dtype == np.uint16:
        image = image // 256
    return np.ascontiguousarray(image[:, :, :3], np.uint8)
