"""The original that this build is bound to, for tests that need it: the stubs, or OpenFace.

cmake -S tests/openface_stub -B BUILD -DCMAKE_INSTALL_PREFIX=PREFIX
cmake --build BUILD && cmake --install BUILD
pip install . -C cmake.define.MTCNN_CPP_OPENFACE=PREFIX
MTCNN_TEST_OPENFACE=PREFIX pytest tests/openface

pip install . -C cmake.define.MTCNN_CPP_OPENFACE_SOURCE=$PWD/tests/openface_stub/source
MTCNN_TEST_OPENFACE=$PWD/tests/openface_stub/source pytest tests/openface
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from mtcnn_cpp.backends.openface import describe, import_openface

WHERE = os.environ.get("MTCNN_TEST_OPENFACE", "")
PREFIX = Path(WHERE or "/nowhere")
_DETECTORS = [PREFIX / "lib/local/LandmarkDetector", PREFIX]
IS_SOURCE = any((folder / "src/FaceDetectorMTCNN.cpp").exists() for folder in _DETECTORS)
# Files that only the stubs have.
IS_STUB = any(
    (folder / file).exists() for folder in _DETECTORS for file in ("include/StubFaults.h", "bin/end")
)
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

IS_EXACT = IS_STUB
if IS_SOURCE and openface:  # other versions of OpenCV have another exp (docs/exactness.md)
    version = tuple(map(int, describe()["opencv"].split(".")[:2]))
    IS_EXACT = SUMS == "ordered" and (3, 4) <= version < (4, 11)

_GIVEN = "" if WHERE else "which original this is: MTCNN_TEST_OPENFACE=PREFIX or SOURCE"


def _needs(what: str, fulfilled: bool) -> pytest.MarkDecorator:
    missing = BOUND or _GIVEN or ("" if fulfilled else what)
    return pytest.mark.skipif(bool(missing), reason=missing if BOUND else f"needs {missing}")


# Any original; an original that equals this package in every bit; the stubs, which support planted faults.
NEEDS_OPENFACE = _needs("", True)
NEEDS_EXACT = _needs("an original whose sums are ordered, and OpenCV 3.4 to 4.10", IS_EXACT)
NEEDS_STUB = _needs("the stub, whose faults can be planted", IS_STUB)
NEEDS_INSTALLED_STUB = _needs("the installed stub: MTCNN_TEST_OPENFACE=PREFIX", IS_STUB and not IS_SOURCE)
NEEDS_ORDERED_SOURCE = _needs("a build from source with ordered sums", IS_SOURCE and SUMS == "ordered")
