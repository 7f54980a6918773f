"""The original from its source: what CMake finds and how it reports what it cannot use; the ordered sums."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from images import ROOT
from mtcnn_cpp import Detector, sample_image
from openface_build import Configuration
from openface_stub import NEEDS_ORDERED_SOURCE, openface

STUB = ROOT / "tests/openface_stub/source"
DETECTOR = "lib/local/LandmarkDetector"
DETECT = "src/FaceDetectorMTCNN.cpp"

MISSING = [name for name in ("cmake", "g++") if not shutil.which(name)]
if importlib.util.find_spec("pybind11") is None:
    MISSING.append("pybind11")
if not any(
    Path(folder, "opencv2/imgproc.hpp").exists() for folder in ("/usr/include/opencv4", "/usr/include")
):
    MISSING.append("the headers of OpenCV's core and imgproc (Debian: libopencv-imgproc-dev)")
NEEDS_TOOLS = [
    pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}"),
    pytest.mark.skipif(sys.platform != "linux", reason="compares messages of GCC and of Linux's linker"),
]


def needs_tools(test: object) -> object:
    for mark in NEEDS_TOOLS:
        test = mark(test)  # type: ignore[operator]
    return test


@pytest.fixture(scope="module")
def configure(folder: Path) -> Configuration:
    return Configuration(folder, "MTCNN_CPP_OPENFACE_SOURCE")


@pytest.fixture
def checkout(folder: Path) -> Path:
    """A copy of the stub's source, to be damaged."""
    shutil.rmtree(folder / "OpenFace", ignore_errors=True)
    return Path(shutil.copytree(STUB, folder / "OpenFace"))


@needs_tools
@pytest.mark.parametrize("inner", ["", DETECTOR])
def test_a_checkout(configure: Configuration, checkout: Path, inner: str) -> None:
    """The whole checkout, or its folder with the detector."""
    fine, output = configure(checkout / inner)
    assert fine, output
    assert f"OpenFace: source in {checkout}/{DETECTOR}, ordered sums, OpenCV " in output


@needs_tools
def test_a_checkout_that_reads_matrices_elsewhere(configure: Configuration, checkout: Path) -> None:
    """ReadMatBin is declared, and defined in a file that is not compiled."""
    file = checkout / DETECTOR / DETECT
    text = file.read_text()
    begin = text.index("void ReadMatBin")
    end = text.index("}\n\n", text.index("matrix.data", begin))
    for declared in (
        "void ReadMatBin(std::ifstream&, cv::Mat&);",
        "namespace LandmarkDetector { void ReadMatBin(std::ifstream&, cv::Mat&); }",
    ):
        file.write_text(text[:begin] + declared + text[end + 1 :])
        fine, output = configure(checkout)
        assert fine, output


@needs_tools
def test_sums_of_a_blas(configure: Configuration, checkout: Path, tmp_path: Path) -> None:
    """One that is not OpenBLAS."""
    folder = tmp_path / "blas"
    folder.mkdir()
    code = tmp_path / "blas.cpp"
    code.write_text('extern "C" void sgemm_() {}\n')
    subprocess.run(["g++", "-shared", "-fPIC", code, "-o", folder / "libblas.so"], check=True)
    options = f"-DMTCNN_CPP_OPENFACE_SUMS=blas -DBLA_VENDOR=Generic -DCMAKE_LIBRARY_PATH={folder}"
    fine, output = configure(checkout, *options.split())
    assert fine, output
    assert f"source in {checkout}/{DETECTOR}, blas sums" in output


@needs_tools
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-DMTCNN_CPP_OPENFACE_SUMS=fast"], 'expected "ordered" (the default) or "blas", found "fast"'),
        (["-DMTCNN_CPP_OPENFACE=/usr"], "expected one of them, found both"),
        (
            ["-DMTCNN_CPP_OPENFACE_SOURCE=", "-DMTCNN_CPP_OPENFACE=/usr", "-DMTCNN_CPP_OPENFACE_SUMS=blas"],
            "an installed OpenFace brings its own BLAS; leave it out",
        ),
        (
            ["-DMTCNN_CPP_OPENFACE_SUMS=blas", "-DBLA_VENDOR=NVHPC"],
            "expected a BLAS, CMake found none. Install one",
        ),
        (["-DOpenCV_DIR=OLD"], "expected 3.3 or later, which OpenFace needs, found 3.2.0"),
        (["-DOpenCV_DIR=CORE"], "expected its module imgproc"),
    ],
)
def test_options_that_cannot_be_used(
    configure: Configuration, tmp_path: Path, options: list[str], message: str
) -> None:
    for name, version in (("OLD", "3.2.0"), ("CORE", "4.6.0")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "OpenCVConfig.cmake").write_text(
            f"set(OpenCV_VERSION {version})\n"
            f"set(OpenCV_INCLUDE_DIRS {folder})\nset(OpenCV_LIBS opencv_core)\n"
        )
        options = [option.replace(f"={name}", f"={folder}") for option in options]
    fine, output = configure(STUB, *options)
    assert not fine
    assert message in output


@needs_tools
@pytest.mark.parametrize("where", ["relative", "/no/such/folder"])
def test_no_folder(configure: Configuration, where: str) -> None:
    fine, output = configure(where)
    assert not fine
    assert f'or of its lib/local/LandmarkDetector), found "{where}"' in output


@needs_tools
def test_another_folder(configure: Configuration, tmp_path: Path) -> None:
    fine, output = configure(tmp_path)
    assert not fine
    assert f"expected {DETECT}, src/CNN_utils.cpp, include/FaceDetectorMTCNN.h, include/CNN_utils.h" in output
    assert "Give the folder that git cloned OpenFace 2 into" in output


@needs_tools
def test_a_checkout_that_is_not_complete(configure: Configuration, checkout: Path) -> None:
    (checkout / DETECTOR / "src/CNN_utils.cpp").unlink()
    fine, output = configure(checkout)
    assert not fine
    assert (
        f"expected src/CNN_utils.cpp below {checkout}/{DETECTOR}, found none. The checkout is not" in output
    )


@needs_tools
@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("int broken = not_there;", "not_there"),
        (
            "void elsewhere(); namespace dlib { void load(); } void use() { elsewhere(), dlib::load(); }",
            "Missing when it was linked: a library that is not known here, for elsewhere() "
            "dlib (Debian: libdlib-dev), for dlib::load()",
        ),
    ],
)
def test_a_changed_file(configure: Configuration, checkout: Path, line: str, message: str) -> None:
    """It does not compile, or needs more than the two files."""
    file = checkout / DETECTOR / DETECT
    file.write_text(file.read_text() + line + "\n")
    fine, output = configure(checkout)
    assert not fine
    assert f"OpenFace: the detector of {checkout}/{DETECTOR} cannot be built with OpenCV " in output
    assert message in output


@NEEDS_ORDERED_SOURCE
def test_another_opencv_that_was_there_first() -> None:
    """With another module's BLAS behind OpenCV's products, the import fails instead of giving other bits."""
    code = """
import ctypes, sys
ctypes.CDLL(sys.argv[1])
from mtcnn_cpp.backends.openface import import_openface
try:
    import_openface()
except ImportError as error:
    print(error)
"""
    maps = Path("/proc/self/maps").read_text() if openface else ""
    words = (word for line in maps.splitlines() for word in line.split())
    core = next(word for word in words if "libopencv_core.so" in word)
    if b"cblas_sgemm" not in Path(core).read_bytes():
        pytest.skip(f"{core} calls no BLAS")
    path = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        [sys.executable, "-c", code, core],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
    )
    assert "sums products of large matrices in another order" in done.stdout, done.stderr
    assert "Import mtcnn_cpp._openface first" in done.stdout


@NEEDS_ORDERED_SOURCE
def test_beside_opencv_python() -> None:
    """Loaded before or after opencv-python, each keeps its own OpenCV, and its results."""
    code = """
import sys
import numpy as np
for name in sys.argv[1:]:
    __import__(name)
import cv2, mtcnn_cpp
image = mtcnn_cpp.sample_image()
found = mtcnn_cpp.Detector(backend="openface").detect(image)
print(found.boxes.tobytes().hex(), cv2.resize(image, (99, 77)).sum())
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code, *order], capture_output=True, text=True, check=True, env=environment
        ).stdout
        for order in (("cv2", "mtcnn_cpp._openface"), ("mtcnn_cpp._openface", "cv2"))
    }
    assert len(outputs) == 1
    assert outputs.pop().startswith(Detector().detect(sample_image()).boxes.tobytes().hex())
