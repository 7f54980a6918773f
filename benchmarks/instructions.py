"""Count the instructions of one detection with callgrind: `python benchmarks/instructions.py [ISA …]`.

Other programs do not affect this number. It is that of the third detection (the sample at 320x240, one
thread), computed as the difference of runs with three and with two detections. Needs valgrind, which does not
support AVX-512 (3.19).
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from mtcnn_cpp import sample_image
from mtcnn_cpp.bench.measurements import covering
from native import build, run_detections


def count_instructions(image: object, times: int, isa: str) -> int:
    with TemporaryDirectory() as folder:
        out = Path(folder) / "callgrind"
        run_detections(
            image, times, isa=isa, wrapper=("valgrind", "--tool=callgrind", f"--callgrind-out-file={out}")
        )
        return int(re.search(r"^(?:summary|totals): (\d+)", out.read_text(), re.MULTILINE)[1])


if __name__ == "__main__":
    build()
    image = covering(sample_image(), 240, 320)
    for name in sys.argv[1:] or ["avx2"]:
        count = count_instructions(image, 3, name) - count_instructions(image, 2, name)
        print(f"{name}: {count / 1e6:.2f} million instructions")
