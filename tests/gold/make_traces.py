"""Writes the hash-level traces beside this file: `python tests/gold/make_traces.py`, mtcnn_cpp installed.

The reference computes them; tests compare every backend with them, and them with the original's figures.
"""

from __future__ import annotations

from pathlib import Path

from mtcnn_cpp import Detector

HERE = Path(__file__).parent

for name in ("astronaut", "collage"):
    trace = Detector(backend="reference").trace(HERE / f"{name}.png", capture="hash")
    trace.save(HERE / f"{name}.trace.npz")
