"""Writes the hash-level traces beside this file: `python tests/gold/make_traces.py`, mtcnn_cpp installed.

The reference computes them; tests compare every backend with them, and them with the original's figures.
"""

from __future__ import annotations

from pathlib import Path

from mtcnn_cpp import Detector
from mtcnn_cpp.trace.record.capture import dump

HERE = Path(__file__).parent

for name in ("astronaut", "collage"):
    dump(Detector(backend="reference"), HERE / f"{name}.png", HERE / f"{name}.trace.npz", capture="hash")
