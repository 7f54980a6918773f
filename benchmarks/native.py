"""Builds the core and `detections.cpp` into build/benchmarks, and runs this C++ program."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "benchmarks"


def build() -> Path:
    """Build the program; needs CMake and a C++20 compiler (`CXX`, or g++)."""
    _run("cmake", "-S", str(ROOT), "-B", str(BUILD), "-DCMAKE_BUILD_TYPE=Release")
    _run("cmake", "--build", str(BUILD), "--target", "mtcnn")
    program = BUILD / "detections"
    source = Path(__file__).with_name("detections.cpp")
    library = next(BUILD.rglob("libmtcnn.a"))
    flags = ["-std=c++20", "-O2", "-pthread", "-I", str(ROOT / "cpp")]
    _run(os.environ.get("CXX", "g++"), *flags, str(source), str(library), "-o", str(program))
    return program


def run_detections(
    image: np.ndarray, times: int, *, threads: int = 1, isa: str = "", wrapper: tuple[str, ...] = ()
) -> str:
    """Run the program on a BGR image, inside the command `wrapper` if given; return its output."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "image.ppm"
        height, width, _ = image.shape
        file.write_bytes(b"P6\n%d %d\n255\n" % (width, height) + image[:, :, ::-1].tobytes())
        model = ROOT / "third_party" / "weights" / "MTCNN_detector.txt"
        arguments = [*wrapper, str(BUILD / "detections"), str(model), str(file), str(times), str(threads)]
        environment = os.environ | ({"MTCNN_CPP_ISA": isa} if isa else {})
        return _run(*arguments, environment=environment)


def _run(*command: str, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise SystemExit(f"{command[0]} failed:\n{done.stdout}{done.stderr}")
    return done.stdout
