"""Options that need more memory than the limit of a detection: MemoryError before any allocation."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from core_strategies import detector_arguments
from gold_results import same_bits
from mtcnn_cpp import Model, sample_image
from mtcnn_cpp.reference.options import Options

_core = pytest.importorskip("mtcnn_cpp._core")

MODEL = Model.default()
LARGE = np.zeros((3000, 4000, 3), np.uint8)
GIGABYTE = 10**9


@pytest.fixture(scope="module")
def detector() -> Any:
    return _core.Detector(MODEL.pnet, MODEL.rnet, MODEL.onet)


def test_every_value_is_a_box(detector: Any) -> None:
    """12 megapixels with thresholds of 0: without the limit the system kills the process."""
    everything = Options(min_face=1, thresholds=(0, 0, 0))
    message = (
        r"^these options need \d+\.\d GB of memory or more, the limit is 8\.0 GB: "
        r"choose a larger min_face or larger thresholds, or raise memory_limit$"
    )
    for threads in (1, 3):
        arguments = detector_arguments(LARGE, everything, threads=threads, memory_limit=8 * GIGABYTE)
        with pytest.raises(MemoryError, match=message):
            detector.detect(**arguments)
        with pytest.raises(MemoryError, match=message):
            detector.detect(**arguments | {"hook": lambda name, array: None})


def test_limit_during_a_detection(detector: Any) -> None:
    """The number of boxes is unknown in advance: the detection ends when there are too many."""
    image = np.random.default_rng(1).integers(0, 256, (300, 400, 3), np.uint8)
    options = Options(min_face=12, thresholds=(0.01, 0.99, 0.99))
    for threads in (1, 3):
        arguments = detector_arguments(image, options, threads=threads)
        found = detector.detect(**arguments, memory_limit=GIGABYTE)
        with pytest.raises(MemoryError, match=r"need 2\.0 MB of memory or more, the limit is 2\.0 MB: "):
            detector.detect(**arguments, memory_limit=GIGABYTE // 500)
        again = detector.detect(**arguments)
        assert all(same_bits(a, b) for a, b in zip(found, again, strict=True))


def test_all_layers_of_a_large_level(detector: Any) -> None:
    with pytest.raises(MemoryError, match=r"the limit is 1\.0 GB"):
        detector.detect(**detector_arguments(LARGE, Options(min_face=1), hook=list, memory_limit=GIGABYTE))


def test_usual_options_have_no_limit(detector: Any) -> None:
    expected = detector.detect(**detector_arguments(sample_image()))
    found = detector.detect(**detector_arguments(sample_image(), memory_limit=10**7))
    assert len(found[0]) == 1
    assert all(same_bits(a, b) for a, b in zip(found, expected, strict=True))


def test_invalid_limits(detector: Any) -> None:
    with pytest.raises(ValueError, match=r"^memory_limit must be a number of bytes, or 0 .*, got -1$"):
        detector.detect(**detector_arguments(sample_image(), memory_limit=-1))
    for limit in (1.5, "1 GB", None):
        with pytest.raises(TypeError, match="incompatible function arguments"):
            detector.detect(**detector_arguments(sample_image(), memory_limit=limit))


EXHAUSTED = """
import resource, sys
import numpy as np
from mtcnn_cpp import Model, _core

extra, threads = map(int, sys.argv[1:])
model = Model.default()
detector = _core.Detector(model.pnet, model.rnet, model.onet)
options = dict(is_rgb=False, min_face=20, thresholds=(0.01, 0.7, 0.7), scale_factor=0.709)
random = np.random.default_rng(0)
small, large = (random.integers(0, 256, (side, side, 3), dtype=np.uint8) for side in (150, 700))
detector.detect(image=small, threads=threads, **options)
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + extra, -1))
for more in range(3):  # the second and third detection need new threads
    try:
        detector.detect(image=large, threads=threads + more, **options)
    except MemoryError:
        print("MemoryError")
    else:
        print("faces")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is set in the way of Linux")
@pytest.mark.parametrize("threads", [2, 4, 8])
@pytest.mark.parametrize("extra", [0, 100_000, 1_000_000])
def test_memory_that_is_exhausted(extra: int, threads: int) -> None:
    """With waiting threads of an earlier call: MemoryError, and the C library does not end the process."""
    command = [sys.executable, "-c", EXHAUSTED, str(extra), str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.split()
    assert len(lines) == 3
    assert set(lines) <= {"MemoryError", "faces"}
    assert extra or lines == ["MemoryError"] * 3
