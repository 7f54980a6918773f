"""One detector of the core shared by many threads, and used after fork()."""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings
from typing import Any

import numpy as np
import pytest
from core_strategies import detector_arguments
from gold_results import same_bits
from images import portrait
from mtcnn_cpp import Model
from mtcnn_cpp.reference.options import Options

_core = pytest.importorskip("mtcnn_cpp._core")

OPTIONS = Options(min_face=30)
IMAGES = [np.ascontiguousarray(part) for part in (portrait(), portrait()[::-1], portrait()[:, ::-1])]


@pytest.fixture
def detector() -> Any:
    model = Model.default()
    return _core.Detector(model.pnet, model.rnet, model.onet)


def equal(found: tuple[np.ndarray, ...], expected: tuple[np.ndarray, ...]) -> bool:
    return all(same_bits(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("threads", [1, 2])
def test_eight_threads_share_a_detector(detector: Any, threads: int) -> None:
    expected = [detector.detect(**detector_arguments(image, OPTIONS)) for image in IMAGES]
    assert any(len(faces[0]) for faces in expected)
    start = threading.Barrier(8)
    results: list[bool] = []

    def work(number: int) -> None:
        start.wait()
        for turn in range(6):
            which = (number + turn) % len(IMAGES)
            hook = (lambda name, array: None) if number % 4 == 3 else None
            arguments = detector_arguments(IMAGES[which], OPTIONS, threads=threads, hook=hook)
            results.append(equal(detector.detect(**arguments), expected[which]))

    workers = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert results == [True] * 48


def test_others_run_during_a_detection(detector: Any) -> None:
    """The GIL is released: this thread runs while another one detects all the time."""
    large = np.tile(portrait(), (4, 4, 1))
    most, detections = 200, 0
    stop = threading.Event()

    def work() -> None:
        nonlocal detections
        while not stop.is_set() and detections < most:
            detector.detect(**detector_arguments(large, OPTIONS))
            detections += 1

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)  # a thread keeps the GIL until it releases it
    try:
        worker = threading.Thread(target=work)
        worker.start()
        stop.set()
        worker.join()
    finally:
        sys.setswitchinterval(interval)
    assert detections < most


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork()")
@pytest.mark.parametrize("threads", [1, 3])
def test_a_detection_after_a_fork(detector: Any, threads: int) -> None:
    arguments = detector_arguments(IMAGES[0], OPTIONS, threads=threads)
    expected = detector.detect(**arguments)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # newer versions of Python warn about other threads, such as those of a test runner
        child = os.fork()
    if child == 0:
        signal.alarm(60)  # ends a child that hangs
        code = 3
        try:
            code = 0 if equal(detector.detect(**arguments), expected) else 1
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.WIFEXITED(status), f"ended by signal {os.WTERMSIG(status)}"
    assert os.WEXITSTATUS(status) == 0
    assert equal(detector.detect(**arguments), expected)
