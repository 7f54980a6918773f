"""Writes the hashes that the cases are held against, made by the reference:

python tests/conformance/make_expected.py
"""

from __future__ import annotations

import dataclasses

from mtcnn_cpp import Detector
from mtcnn_cpp.conformance.cases import EXPECTED
from mtcnn_cpp.conformance.pictures import CASES, picture_of
from mtcnn_cpp.image import to_pixels
from mtcnn_cpp.trace.record.capture import record

if __name__ == "__main__":
    engine = Detector(backend="reference").engine
    for name, (_, options) in CASES.items():
        case = dataclasses.replace(engine, options=options)
        trace = record(case, to_pixels(picture_of(name)), capture="hash")
        trace.save(EXPECTED / f"{name}.npz")
        print(name, len(trace), (EXPECTED / f"{name}.npz").stat().st_size)
