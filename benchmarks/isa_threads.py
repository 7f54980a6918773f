"""Measure detections in `collage` (1280x720 and enlarged to 1920x1080), each variant with 1 and 2 threads.

python benchmarks/isa_threads.py [--runs 11] [--isa avx512,avx2,generic]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mtcnn_cpp import Model, read_image
from mtcnn_cpp.bench.measurements import covering, measure_image, supported_isas
from mtcnn_cpp.reference.options import Options

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=11)
    parser.add_argument("--isa", default=",".join(supported_isas()))
    arguments = parser.parse_args()
    collage = read_image(Path(__file__).resolve().parents[1] / "tests" / "gold" / "collage.png")
    print(f"{'image':22}{'isa':9}{'threads':>8}{'ms':>10}{'CPU ms':>10}{'GFLOP/s':>9}{'of peak':>9}")
    for name, image in (("collage 1280x720", collage), ("collage 1920x1080", covering(collage, 1080, 1920))):
        for isa in arguments.isa.split(","):
            runs = 1 if isa == "generic" else arguments.runs  # a run takes seconds
            found = measure_image(
                image, isa=[isa], threads=[1, 2], runs=runs, options=Options(), model=Model.default()
            )
            for row in found["rows"]:
                print(
                    f"{name:22}{isa:9}{row['threads']:8}{row['ms']:10.2f}{row['cpu_ms']:10.2f}"
                    f"{row['gflops']:9.1f}{100 * row['share']:7.1f} %",
                    flush=True,
                )
