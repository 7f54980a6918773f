"""Instructions of one detection, counted by callgrind: `python benchmarks/instructions.py [ISA …]`.

A figure that no busy neighbour moves: 320x240, the sample, one thread; the third detection, as the difference
of runs with three and with two. Needs valgrind, which has no AVX-512 (3.19).
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from mtcnn_cpp import sample_image
from mtcnn_cpp.bench.pictures import covering
from native import build, detections


def instructions(image: object, times: int, isa: str) -> int:
    with TemporaryDirectory() as folder:
        out = Path(folder) / "callgrind"
        detections(
            image, times, isa=isa, under=("valgrind", "--tool=callgrind", f"--callgrind-out-file={out}")
        )
        return int(re.search(r"^(?:summary|totals): (\d+)", out.read_text(), re.MULTILINE)[1])


if __name__ == "__main__":
    build()
    picture = covering(sample_image(), 240, 320)
    for name in sys.argv[1:] or ["avx2"]:
        count = instructions(picture, 3, name) - instructions(picture, 2, name)
        print(f"{name}: {count / 1e6:.2f} million instructions")
