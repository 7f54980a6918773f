"""Write the hash-level traces in this folder: `python tests/gold/make_traces.py`, with mtcnn_cpp installed.

The reference implementation computes them. Tests compare every backend and
the values of the original program with them.
"""

from __future__ import annotations

from pathlib import Path

from mtcnn_cpp import Detector

HERE = Path(__file__).parent

for name in ("astronaut", "collage"):
    trace = Detector(backend="reference").trace(HERE / f"{name}.png", capture="hash")
    trace.save(HERE / f"{name}.trace.npz")
