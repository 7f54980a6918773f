"""Memory use of a job with many images: `python benchmarks/job_memory.py [N]` (100,000).

The job processes N small JPEG files with a face, in folders of 1,000 (links to 100 different files). It
writes a folder of part files and then one table. The script prints the resident memory of the process during
the job in MB. Linux only.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from mtcnn_cpp import sample_image
from mtcnn_cpp.bench.measurements import covering

SHARES = (0.02, 0.1, 0.25, 0.5, 0.75, 1.0)  # of the run time


def make_study(folder: Path, count: int) -> Path:
    image = covering(sample_image(), 96, 128)
    originals = []
    for shift in range(min(count, 100)):
        originals.append(folder / f"{shift}.jpg")
        cv2.imwrite(str(originals[-1]), np.roll(image, shift, axis=1))
    study = folder / "study"
    for number in range(count):
        path = study / f"{number // 1000:03d}" / f"{number % 1000:03d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(originals[number % len(originals)], path)
    return study


def resident(process: int) -> float | None:
    """Resident memory in MB, or None if the process has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), None)


def measure(study: Path, output: Path) -> None:
    started = time.perf_counter()
    job = subprocess.Popen([sys.executable, "-m", "mtcnn_cpp", "detect", study, "-o", output, "-q"])
    samples = []
    while job.poll() is None:
        if (now := resident(job.pid)) is not None:
            samples.append(now)
        time.sleep(0.05)
    if job.returncode:
        raise SystemExit(f"the job ended with exit code {job.returncode}")
    values = ", ".join(f"{samples[round(share * (len(samples) - 1))]:.1f}" for share in SHARES)
    print(
        f"{output.name}: {time.perf_counter() - started:.0f} s; MB at {SHARES}: {values}; "
        f"maximum {max(samples):.1f}"
    )


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as name:
        study = make_study(Path(name), count)
        print(f"{count:,} images")
        measure(study, Path(name) / "parts")
        measure(study, Path(name) / "table.csv")


if __name__ == "__main__":
    main()
