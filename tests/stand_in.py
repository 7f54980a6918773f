"""The original that this build is bound to, for the tests that need one: our stubs, or OpenFace itself.

cmake -S tests/openface_stand_in -B BUILD -DCMAKE_INSTALL_PREFIX=PREFIX
cmake --build BUILD && cmake --install BUILD
pip install . -C cmake.define.MTCNN_CPP_OPENFACE=PREFIX
MTCNN_TEST_OPENFACE=PREFIX pytest tests/openface

pip install . -C cmake.define.MTCNN_CPP_OPENFACE_SOURCE=$PWD/tests/openface_stand_in/source
MTCNN_TEST_OPENFACE=$PWD/tests/openface_stand_in/source pytest tests/openface
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from mtcnn_cpp.backends.openface import describe, import_openface

WHERE = os.environ.get("MTCNN_TEST_OPENFACE", "")
PREFIX = Path(WHERE or "/nowhere")
_FAULTS = (
    "lib/local/LandmarkDetector/include/StubFaults.h",
    "include/StubFaults.h",
)  # only our stubs have it
IS_SOURCE = any(
    (PREFIX / part / "src/FaceDetectorMTCNN.cpp").exists() for part in ("", "lib/local/LandmarkDetector")
)
IS_STUB = any((PREFIX / file).exists() for file in _FAULTS) or (PREFIX / "bin/end").exists()
INDEX = PREFIX / "etc/OpenFace/model/mtcnn_detector/MTCNN_detector.txt"

try:
    openface = import_openface()
except ImportError as error:
    openface, BOUND, SUMS = None, str(error), ""
else:
    BOUND, SUMS = "", describe()["sums"]
    if IS_SOURCE or not INDEX.exists():
        import mtcnn_cpp

        INDEX = Path(describe()["model"] or Path(mtcnn_cpp.__file__).parent / "weights/MTCNN_detector.txt")

# The stub of the source has OpenCV's exp, which is another one outside these versions (docs/exactness.md).
ON_PLATFORM = (
    not IS_SOURCE or not BOUND and (3, 4) <= tuple(map(int, describe()["opencv"].split(".")[:2])) < (4, 11)
)

_GIVEN = "" if WHERE else "which original this is: MTCNN_TEST_OPENFACE=PREFIX or SOURCE"


def _needs(what: str, fulfilled: bool) -> pytest.MarkDecorator:
    missing = BOUND or _GIVEN or ("" if fulfilled else what)
    return pytest.mark.skipif(bool(missing), reason=missing if BOUND else f"needs {missing}")


# Any original; one that must equal this package in every bit; our stubs, which have faults to plant.
NEEDS_OPENFACE = _needs("", True)
NEEDS_EXACT = _needs(
    "an original whose sums are ordered, and OpenCV 3.4 to 4.10",
    ON_PLATFORM and (SUMS == "ordered" or IS_STUB and not IS_SOURCE),
)
NEEDS_STUB = _needs("the stub, whose faults can be planted", IS_STUB)
NEEDS_INSTALLED_STUB = _needs("the installed stub: MTCNN_TEST_OPENFACE=PREFIX", IS_STUB and not IS_SOURCE)
NEEDS_ORDERED_SOURCE = _needs("a build from source with ordered sums", IS_SOURCE and SUMS == "ordered")
