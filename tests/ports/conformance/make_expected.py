"""Write the hashes that the cases are compared with, computed by the reference:

python tests/ports/conformance/make_expected.py
"""

from __future__ import annotations

import dataclasses

from mtcnn_cpp import Detector
from mtcnn_cpp.media.image.pixels import to_pixels
from mtcnn_cpp.ports.conformance.cases import CASES, EXPECTED, make_image
from mtcnn_cpp.trace.capture import record

if __name__ == "__main__":
    engine = Detector(backend="reference").engine
    for name, (_, options) in CASES.items():
        case = dataclasses.replace(engine, options=options)
        trace = record(case, to_pixels(make_image(name)), capture="hash")
        trace.save(EXPECTED / f"{name}.npz")
        print(name, len(trace), (EXPECTED / f"{name}.npz").stat().st_size)
