"""Measure the memory of a detection in a separate process.

This works only on Linux. There is no result on other systems.

The process first imports the package and loads the pixels. This state is called idle. In the idle state, the
process reads its resident memory and resets the peak of the resident memory (`VmHWM`). It then creates a
detector and runs three detections. The memory of a detection is the peak after these detections minus the
resident memory in the idle state.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..model import Model

CLEAR_REFS = Path("/proc/self/clear_refs")


def memory_above_idle(
    image: NDArray[Any], model: Model, *, threads: int, backend: str, **options: Any
) -> dict[str, float]:
    """Return the memory of a process before and during a detection, in MB (10^6 bytes).

    `idle` is the memory in the idle state. `detector` is the additional memory after the detector was
    created. `peak` is the maximum of the additional memory. Returns {} if the system is not Linux.
    """
    if not CLEAR_REFS.exists():
        return {}
    with TemporaryDirectory() as folder:
        file = Path(folder) / "pixels.npy"
        np.save(file, image)
        model.save(folder)
        task = {"file": str(file), "model": folder, "threads": threads, "backend": backend, **options}
        done = subprocess.run(
            [sys.executable, "-m", __name__, json.dumps(task)], capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise OSError(f"the process that measures memory failed: {done.stderr.strip()}")
    memory: dict[str, float] = json.loads(done.stdout)
    return memory


def resident_memory(field: str = "VmRSS") -> float:
    """Return the resident memory of this process in MB. `VmRSS` is the current value, `VmHWM` the peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith(f"{field}:"))


def reset_peak() -> None:
    CLEAR_REFS.write_text("5")


def _main(file: str, **settings: Any) -> None:
    from .._util.core import import_core
    from ..detector.detector import Detector

    import_core()
    image = np.load(file)
    reset_peak()
    idle = resident_memory()
    detector = Detector(**settings)
    loaded = resident_memory()
    for _ in range(3):
        detector.detect(image)
    print(
        json.dumps(
            {"idle": idle, "detector": loaded - idle, "peak": resident_memory("VmHWM") - idle},
            allow_nan=False,
        )
    )


if __name__ == "__main__":
    _main(**json.loads(sys.argv[1]))
