"""Memory above the idle process, in a process of its own.

Idle is a process that has imported the packages and holds the picture's pixels. It then makes a detector and
detects three times. What that took is the highest resident set since (`VmHWM`, reset at idle) minus the
resident set at idle. Linux only; elsewhere nothing is measured.
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

CLEAR = Path("/proc/self/clear_refs")


def memory_above_idle(
    image: NDArray[Any], model: Model, *, threads: int, backend: str, **options: Any
) -> dict[str, float]:
    """MB (10^6 bytes): `idle`, `detector` (once loaded) and `peak`, both above idle; {} where the system
    cannot tell."""
    if not CLEAR.exists():
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
        raise OSError(f"measuring memory in a process of its own failed: {done.stderr.strip()}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def resident(field: str = "VmRSS") -> float:
    """MB that this process holds (`VmRSS`), or held at most (`VmHWM`)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith(f"{field}:"))


def forget_peak() -> None:
    CLEAR.write_text("5")


def _main(file: str, **settings: Any) -> None:
    from ..backends.core import import_core
    from ..detector import Detector

    import_core()
    image = np.load(file)
    forget_peak()
    idle = resident()
    detector = Detector(**settings)
    loaded = resident()
    for _ in range(3):
        detector.detect(image)
    print(
        json.dumps(
            {"idle": idle, "detector": loaded - idle, "peak": resident("VmHWM") - idle}, allow_nan=False
        )
    )


if __name__ == "__main__":
    _main(**json.loads(sys.argv[1]))
