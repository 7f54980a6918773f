"""The C++ program of docs/embedding.md: compiled, and with --slow built as the page says and run."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from doc_examples import examples
from images import ROOT
from mtcnn_cpp import Detector, sample_image

COMPILER = next(filter(None, map(shutil.which, ("g++", "clang++"))), None)
INDEX = ROOT / "third_party" / "weights" / "MTCNN_detector.txt"


def written(folder: Path) -> None:
    for example in examples("docs/embedding.md"):
        name = {"cpp": "app.cpp", "cmake": "CMakeLists.txt"}.get(example.language)
        if name:
            (folder / name).write_text(example.text, encoding="utf-8")


@pytest.mark.skipif(COMPILER is None, reason="no C++ compiler here")
def test_it_compiles(tmp_path: Path) -> None:
    written(tmp_path)
    options = ["-std=c++20", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I", str(ROOT / "cpp")]
    done = subprocess.run([str(COMPILER), *options, "app.cpp"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.skipif(COMPILER is None or shutil.which("cmake") is None, reason="no C++ compiler or CMake here")
def test_it_finds_the_same_faces(tmp_path: Path) -> None:
    written(tmp_path)
    (tmp_path / "mtcnn_cpp").symlink_to(ROOT)
    for command in (
        ["cmake", "-B", "build", "-DCMAKE_BUILD_TYPE=Release"],
        ["cmake", "--build", "build", "-j", "2"],
    ):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    image = sample_image()
    head = f"P6\n{image.shape[1]} {image.shape[0]}\n255\n".encode()
    (tmp_path / "face.ppm").write_bytes(head + image[..., ::-1].tobytes())
    done = subprocess.run(
        [tmp_path / "build" / "app", INDEX, tmp_path / "face.ppm"], capture_output=True, text=True, check=True
    )
    found = np.array([line.split() for line in done.stdout.splitlines()], np.float32)
    faces = Detector().detect(image)
    assert np.array_equal(found.view(np.uint32), np.column_stack([faces.scores, faces.boxes]).view(np.uint32))
    bad = subprocess.run(
        [tmp_path / "build" / "app", tmp_path / "gone.txt", tmp_path / "face.ppm"], capture_output=True
    )
    assert bad.returncode == 1
    assert b"gone.txt" in bad.stderr
