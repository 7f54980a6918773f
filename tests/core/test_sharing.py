"""One detector of the core for many threads, and after a fork."""

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
from gold_figures import same_bits
from mtcnn_cpp import Model
from mtcnn_cpp.reference.options import Options
from pictures import portrait

_core = pytest.importorskip("mtcnn_cpp._core")

OPTIONS = Options(min_face=30)
PICTURES = [np.ascontiguousarray(part) for part in (portrait(), portrait()[::-1], portrait()[:, ::-1])]


@pytest.fixture
def detector() -> Any:
    model = Model.default()
    return _core.Detector(model.pnet, model.rnet, model.onet)


def equal(found: tuple[np.ndarray, ...], expected: tuple[np.ndarray, ...]) -> bool:
    return all(same_bits(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("threads", [1, 2])
def test_eight_threads_share_a_detector(detector: Any, threads: int) -> None:
    expected = [detector.detect(**detector_arguments(image, OPTIONS)) for image in PICTURES]
    assert any(len(faces[0]) for faces in expected)
    start = threading.Barrier(8)
    results: list[bool] = []

    def work(number: int) -> None:
        start.wait()
        for turn in range(6):
            which = (number + turn) % len(PICTURES)
            tap = (lambda name, array: None) if number % 4 == 3 else None
            arguments = detector_arguments(PICTURES[which], OPTIONS, threads=threads, tap=tap)
            results.append(equal(detector.detect(**arguments), expected[which]))

    workers = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert results == [True] * 48


def test_others_run_during_a_detection(detector: Any) -> None:
    """The lock of Python is released: this thread gets its turn while another one only detects."""
    large = np.tile(portrait(), (4, 4, 1))
    most, detections = 200, 0
    stop = threading.Event()

    def work() -> None:
        nonlocal detections
        while not stop.is_set() and detections < most:
            detector.detect(**detector_arguments(large, OPTIONS))
            detections += 1

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)  # whoever has the lock keeps it until he gives it
    try:
        worker = threading.Thread(target=work)
        worker.start()
        stop.set()
        worker.join()
    finally:
        sys.setswitchinterval(interval)
    assert detections < most


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.parametrize("threads", [1, 3])
def test_a_detection_after_a_fork(detector: Any, threads: int) -> None:
    arguments = detector_arguments(PICTURES[0], OPTIONS, threads=threads)
    expected = detector.detect(**arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer Pythons warn of other threads, such as a test runner's
        child = os.fork()
    if child == 0:
        signal.alarm(60)  # a child that hangs ends all the same
        code = 3
        try:
            code = 0 if equal(detector.detect(**arguments), expected) else 1
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.WIFEXITED(status), f"ended by signal {os.WTERMSIG(status)}"
    assert os.WEXITSTATUS(status) == 0
    assert equal(detector.detect(**arguments), expected)
