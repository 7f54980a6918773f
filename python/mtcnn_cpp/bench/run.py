"""All measurements of `mtcnn-cpp bench`, in one dictionary that is ready for JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from ..model import Model
from ..reference.options import Options
from . import measure
from .machine import machine
from .memory import memory_above_idle
from .peers import compare_peers
from .pictures import default_pictures

RUNS_OF_SIZES = 5  # the largest take a second each


def run(
    pictures: Mapping[str, NDArray[Any]] | None,
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
    """pictures: uint8 BGR by name, None for the packaged ones. The batch and the peers
    run on every picture. Only the first table has every `isa`; the others have the first one."""
    settings: dict[str, Any] = {"runs": runs, "options": options, "model": model}
    results: dict[str, Any] = {
        "machine": machine(),
        "runs": runs,
        "options": {**vars(options), "thresholds": list(options.thresholds)},
        "pictures": [],
    }
    for name, image in (default_pictures() if pictures is None else pictures).items():
        progress(f"{name}: {' '.join(isa)}, threads {' '.join(map(str, threads))}")
        found = measure.measure_picture(image, isa=isa, threads=threads, **settings)
        found["memory"] = memory_above_idle(image, model, threads=1, backend=isa[0], **vars(options))
        if batch:
            progress(f"{name}: batch of {batch}")
            found["batch"] = measure.measure_batch(
                image, count=batch, isa=isa[0], threads=max(threads), **settings
            )
        if peers:
            progress(f"{name}: peers")
            found["peers"] = compare_peers(
                image, threads=threads, runs=runs, options=options, pythons=pythons
            )
        results["pictures"].append({"name": name, **found})
    progress("640x480: overhead")
    results["overhead"] = measure.measure_overhead(isa=isa[0], **settings)
    if sizes:
        progress("sizes from 0.3 to 48 megapixels")
        results["sizes"] = measure.measure_sizes(isa=isa[0], **settings | {"runs": min(runs, RUNS_OF_SIZES)})
    return results
