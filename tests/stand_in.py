"""The stand-in for an installed OpenFace, for the tests that need one.

cmake -S tests/openface_stand_in -B BUILD -DCMAKE_INSTALL_PREFIX=PREFIX
cmake --build BUILD && cmake --install BUILD
pip install . -C cmake.define.MTCNN_CPP_OPENFACE=PREFIX
MTCNN_TEST_STAND_IN=PREFIX pytest tests/openface
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from mtcnn_cpp.backends.openface import import_openface

PREFIX = Path(os.environ.get("MTCNN_TEST_STAND_IN", "/nowhere"))
INDEX = PREFIX / "etc/OpenFace/model/mtcnn_detector/MTCNN_detector.txt"

try:
    openface = import_openface()
except ImportError as error:
    openface, BOUND = None, str(error)
else:
    BOUND = ""

NEEDS_OPENFACE = pytest.mark.skipif(bool(BOUND), reason=BOUND)
NEEDS_STAND_IN = pytest.mark.skipif(
    bool(BOUND) or not INDEX.exists(), reason=BOUND or "needs the stand-in: MTCNN_TEST_STAND_IN=PREFIX"
)
