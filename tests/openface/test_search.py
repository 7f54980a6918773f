"""How CMake looks for an installed OpenFace: what it finds, and how it reports what it cannot use."""

from __future__ import annotations

import functools
import importlib.util
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from openface_build import Configuration
from openface_stub import IS_SOURCE, IS_STUB, PREFIX, WHERE

NEEDS = [name for name in ("cmake", "g++", "ar", "objdump") if not shutil.which(name)]
if importlib.util.find_spec("pybind11") is None:
    NEEDS.append("pybind11")
pytestmark = [
    pytest.mark.skipif(bool(NEEDS), reason=f"needs {', '.join(NEEDS)}"),
    pytest.mark.skipif(not WHERE or IS_SOURCE, reason="needs an installation: MTCNN_TEST_OPENFACE=PREFIX"),
    pytest.mark.skipif(sys.platform != "linux", reason="builds libraries as Linux has them"),
]
# A copy of an installation can be damaged if it is small and may be moved, as the stub's.
NEEDS_STUB = pytest.mark.skipif(not IS_STUB, reason="needs the installed stub, which can be copied")
HEADER, LIBRARY = "include/OpenFace/FaceDetectorMTCNN.h", "lib/libLandmarkDetector.a"
PACKAGE = "lib/cmake/OpenFace"


@pytest.fixture(scope="module")
def configure(folder: Path) -> Configuration:
    return Configuration(folder, "MTCNN_CPP_OPENFACE")


@pytest.fixture
def prefix(folder: Path) -> Path:
    """A copy of the stub's installation, to be damaged."""
    shutil.rmtree(folder / "prefix", ignore_errors=True)
    return Path(shutil.copytree(PREFIX, folder / "prefix"))


@functools.cache
def compile_object(text: str) -> bytes:
    """Compile code that includes the header of the installation."""
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "a.cpp"
        source.write_text(f"#include <map>\n#include <FaceDetectorMTCNN.h>\n{text}")
        flags = f"-std=c++20 -I{PREFIX}/include/OpenFace -I/usr/include/opencv4".split()
        subprocess.run(["g++", "-c", *flags, "-o", source.with_suffix(".o"), source], check=True)
        return source.with_suffix(".o").read_bytes()


def test_the_given_installation(configure: Configuration) -> None:
    """Any OpenFace, where it is installed."""
    fine, said = configure(PREFIX)
    assert fine, said
    assert f"OpenFace: {PREFIX}" in said


@NEEDS_STUB
def test_a_package(configure: Configuration, prefix: Path) -> None:
    fine, said = configure(prefix)
    assert fine, said
    assert f"OpenFace: {prefix}/{LIBRARY} (static), OpenCV" in said


@NEEDS_STUB
def test_a_prefix_without_a_package(configure: Configuration, prefix: Path) -> None:
    shutil.rmtree(prefix / PACKAGE)
    fine, said = configure(prefix)
    assert fine, said
    assert f"OpenFace: {prefix}/{LIBRARY} (static)" in said


@NEEDS_STUB
def test_auto(configure: Configuration, prefix: Path) -> None:
    fine, said = configure("auto", f"-DCMAKE_PREFIX_PATH={prefix}")
    assert fine, said
    assert f"OpenFace: {prefix}/{LIBRARY}" in said


def test_not_found(configure: Configuration, tmp_path: Path) -> None:
    for where in (tmp_path, "auto"):
        fine, said = configure(where)
        assert not fine
        assert "expected include/OpenFace/FaceDetectorMTCNN.h below" in said
        assert "To build without OpenFace, leave the option out" in said


@pytest.mark.parametrize("where", ["relative", "/no/such/folder"])
def test_no_folder(configure: Configuration, where: str) -> None:
    fine, said = configure(where)
    assert not fine
    assert (
        f'the full path of the folder that OpenFace is installed in (such as /usr/local), found "{where}"'
        in said
    )


@NEEDS_STUB
def test_a_header_without_a_library(configure: Configuration, prefix: Path) -> None:
    shutil.rmtree(prefix / PACKAGE)
    (prefix / LIBRARY).unlink()
    fine, said = configure(prefix)
    assert not fine
    assert "expected the library LandmarkDetector" in said
    assert f"found its header {prefix}/include/OpenFace/FaceDetectorMTCNN.h alone" in said


@NEEDS_STUB
def test_an_older_openface(configure: Configuration, prefix: Path) -> None:
    (prefix / PACKAGE / "OpenFaceConfigVersion.cmake").write_text(
        'set(PACKAGE_VERSION "1.0.1")\nset(PACKAGE_VERSION_COMPATIBLE TRUE)\n'
    )
    fine, said = configure(prefix)
    assert not fine
    assert "expected version 2 or later, which has the detector MTCNN, found 1.0.1 in" in said


@NEEDS_STUB
@pytest.mark.parametrize("package", [True, False])
def test_a_library_of_another_architecture(
    configure: Configuration, prefix: Path, tmp_path: Path, package: bool
) -> None:
    """An object of the right names whose header says another machine."""
    if not package:
        shutil.rmtree(prefix / PACKAGE)
    data = bytearray(compile_object("LandmarkDetector::CNN::CNN(const CNN&) {}\n"))
    data[18:20] = (0xF3 if data[18] != 0xF3 else 0x3E).to_bytes(2, "little")  # RISC-V
    (tmp_path / "a.o").write_bytes(data)
    (prefix / LIBRARY).unlink()
    subprocess.run(["ar", "rcS", prefix / LIBRARY, tmp_path / "a.o"], check=True, capture_output=True)
    fine, said = configure(prefix)
    assert not fine
    assert "Is the library of this machine's architecture" in said


@NEEDS_STUB
@pytest.mark.parametrize(
    ("package", "calls", "expected"),
    [
        (
            package,
            "cv::Rodrigues(1); cv::CascadeClassifier().load(1); dlib::open(1)",
            (
                "OpenCV's calib3d (Debian: libopencv-calib3d-dev), for cv::Rodrigues(int)",
                "OpenCV's objdetect (Debian: libopencv-objdetect-dev), for cv::CascadeClassifier::load(int)",
                "dlib (Debian: libdlib-dev), for dlib::open(int)",
                "a part of OpenFace itself, for LandmarkDetector::CNN::Inference(",
            ),
        )
        for package in (True, False)
    ]
    # A library that another one brings along, but that is not linked itself.
    + [(True, "sgemm_(1)", ("OpenBLAS (Debian: libopenblas-dev), for sgemm_",))],
)
def test_a_library_that_lacks_what_it_needs(
    configure: Configuration,
    prefix: Path,
    tmp_path: Path,
    package: bool,
    calls: str,
    expected: tuple[str, ...],
) -> None:
    """The symbols are named, each with the library that would have it."""
    if not package:
        shutil.rmtree(prefix / PACKAGE)
    data = compile_object(
        "namespace cv { void Rodrigues(int); struct CascadeClassifier { void load(int); }; }\n"
        "namespace dlib { void open(int); }\n"
        'extern "C" void sgemm_(int);\n'
        f"void LandmarkDetector::FaceDetectorMTCNN::Read(const std::string&) {{ {calls}; }}\n"
        "using Boxes = std::vector<cv::Rect_<float>>;\n"
        "bool LandmarkDetector::FaceDetectorMTCNN::DetectFaces(\n"
        "  Boxes&, const cv::Mat&, std::vector<float>&, int, float, float, float) { return true; }\n"
        "void LandmarkDetector::CNN::Read(const std::string&) {}\n"
    )
    (tmp_path / "a.o").write_bytes(data)
    (prefix / LIBRARY).unlink()
    subprocess.run(["ar", "rc", prefix / LIBRARY, tmp_path / "a.o"], check=True, capture_output=True)
    fine, said = configure(prefix)
    assert not fine
    assert "Missing when it was linked:" in said
    for words in expected:
        assert words in said, said


@NEEDS_STUB
def test_a_library_of_another_opencv(configure: Configuration, prefix: Path, tmp_path: Path) -> None:
    """A shared library that asks for an OpenCV 4.5 by name."""
    empty = tmp_path / "empty.cpp"
    empty.write_text('extern "C" void of_opencv() {}\n')
    user = tmp_path / "user.cpp"
    user.write_text('extern "C" void of_opencv();\nvoid use() { of_opencv(); }\n')
    core, library = tmp_path / "libopencv_core.so", prefix / "lib/libLandmarkDetector.so"
    for name in ("libopencv_core.so.405", "libopencv_core.so.4.5"):
        shared = ["g++", "-shared", "-fPIC", "-o"]
        subprocess.run([*shared, core, empty, f"-Wl,-soname,{name}"], check=True)
        subprocess.run([*shared, library, user, core], check=True)
        shutil.rmtree(prefix / PACKAGE, ignore_errors=True)
        (prefix / LIBRARY).unlink(missing_ok=True)
        fine, said = configure(prefix)
        assert not fine
        assert "libLandmarkDetector.so was built with OpenCV 4.5, found " in said


@NEEDS_STUB
def test_opencv_by_its_package(configure: Configuration, prefix: Path, tmp_path: Path) -> None:
    """As libopencv-dev has it; and one that is too old."""
    folder = tmp_path / "opencv"
    folder.mkdir()
    for version, expected in (("4.6.0", True), ("3.2.0", False)):
        (folder / "OpenCVConfig.cmake").write_text(
            f"set(OpenCV_VERSION {version})\n"
            "set(OpenCV_INCLUDE_DIRS /usr/include/opencv4)\nfind_library(found opencv_core)\n"
            "set(OpenCV_LIBS ${found})\n"
        )
        fine, said = configure(prefix, f"-DOpenCV_DIR={folder}")
        assert fine == expected, said
        assert (
            "OpenCV 4.6.0" if fine else "expected 3.3 or later, which OpenFace needs, found 3.2.0"
        ) in said
