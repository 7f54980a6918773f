"""Measure the time of mosaics of one image from 0.3 to 48 megapixels on one thread.

python benchmarks/megapixels.py [--runs 7] [--isa avx512]
"""

from __future__ import annotations

import argparse

from mtcnn_cpp import Model
from mtcnn_cpp.bench.measurements import measure_sizes, supported_isas
from mtcnn_cpp.reference.options import Options

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--isa", default=supported_isas()[0])
    arguments = parser.parse_args()
    rows = measure_sizes(isa=arguments.isa, runs=arguments.runs, options=Options(), model=Model.default())
    print(f"{arguments.isa:14}{'megapixels':>11}{'ms':>9}{'ms/MP':>8}{'GFLOP/MP':>10}{'GFLOP/s':>9}")
    for row in rows:
        size = f"{row['width']}x{row['height']}"
        print(
            f"{size:14}{row['megapixels']:11.1f}{row['ms']:9.1f}{row['ms_per_megapixel']:8.2f}"
            f"{row['gflop_per_megapixel']:10.3f}{row['gflops']:9.1f}"
        )
    costs = [row["ms_per_megapixel"] for row in rows]
    print(f"time per megapixel, largest / smallest: {max(costs) / min(costs):.3f}")
