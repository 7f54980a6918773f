"""Cancellation of detections in the core: by Ctrl-C, and by another thread.

Every detection here would take minutes without cancellation.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from core_strategies import detector_arguments
from gold_results import same_bits
from mtcnn_cpp import Model, sample_image
from mtcnn_cpp.reference.options import Options

_core = pytest.importorskip("mtcnn_cpp._core")

MODEL = Model.default()
LARGE = np.ascontiguousarray(np.tile(sample_image(), (6, 8, 1))[:3000, :4000])
ENDLESS = Options(min_face=1)
SECONDS = 30  # far longer than a cancellation takes, far shorter than the detection


@pytest.fixture
def detector() -> Any:
    return _core.Detector(MODEL.pnet, MODEL.rnet, MODEL.onet)


@pytest.fixture
def interrupt() -> Iterator[Callable[[float], None]]:
    """Send SIGINT to this process after some seconds, from another thread."""
    timers = []
    before = signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a process in the background ignores SIGINT

    def interrupt(seconds: float) -> None:
        timers.append(threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT)))
        timers[-1].start()

    yield interrupt
    for timer in timers:
        timer.cancel()
        timer.join()
    signal.signal(signal.SIGINT, before)


def assert_usable(detector: Any) -> None:
    boxes, scores, landmarks = detector.detect(**detector_arguments(sample_image(), Options(), threads=2))
    expected = _core.Detector(MODEL.pnet, MODEL.rnet, MODEL.onet).detect(
        **detector_arguments(sample_image(), Options())
    )
    assert len(boxes) == 1
    assert all(same_bits(a, b) for a, b in zip((boxes, scores, landmarks), expected, strict=True))


@pytest.mark.skipif(os.name == "nt", reason="os.kill ends the process on Windows")
@pytest.mark.parametrize("isa", [v["name"] for v in _core.isa_variants() if v["supported"]])
@pytest.mark.parametrize("threads", [1, 3])
def test_ctrl_c_ends_a_detection(interrupt: Callable[[float], None], threads: int, isa: str) -> None:
    detector = _core.Detector(MODEL.pnet, MODEL.rnet, MODEL.onet, isa)
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012
        interrupt(0.3)
        detector.detect(**detector_arguments(LARGE, ENDLESS, threads=threads))
    assert time.monotonic() - begin < SECONDS
    if isa != "generic":
        assert_usable(detector)


@pytest.mark.skipif(os.name == "nt", reason="os.kill ends the process on Windows")
def test_ctrl_c_ends_a_network_and_a_component(interrupt: Callable[[float], None]) -> None:
    detector = _core.Detector(MODEL.pnet, MODEL.rnet, MODEL.onet, "generic")
    maps = np.zeros((1, 3, 1500, 4000), np.float32)
    without_area = np.zeros((200_000, 4), np.float32)  # every box is compared with every other
    for call in (
        lambda: detector.forward("pnet", maps),
        lambda: _core._testing.non_maximum_suppression(without_area, without_area[:, 0].copy(), 0.5, "union"),
    ):
        begin = time.monotonic()
        with pytest.raises(KeyboardInterrupt):  # noqa: PT012
            interrupt(0.3)
            call()
        assert time.monotonic() - begin < SECONDS


@pytest.mark.skipif(os.name == "nt", reason="os.kill ends the process on Windows")
def test_a_signal_handler_of_the_user(detector: Any, interrupt: Callable[[float], None]) -> None:
    """An exception of the handler ends the detection. If the handler raises none, the detection continues."""
    seen = []
    cancellation = _core.CancellationSource()

    def handler(number: int, frame: object) -> None:
        seen.append(number)
        if len(seen) == 2:
            raise ZeroDivisionError("from the handler")

    before = signal.signal(signal.SIGINT, handler)
    try:
        interrupt(0.2)
        interrupt(0.5)
        with pytest.raises(ZeroDivisionError, match="from the handler"):
            detector.detect(**detector_arguments(LARGE, ENDLESS, threads=2, cancellation=cancellation))
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [signal.SIGINT] * 2


@pytest.mark.parametrize("threads", [1, 2])
def test_cancellation_of_detections_on_other_threads(detector: Any, threads: int) -> None:
    cancellation = _core.CancellationSource()
    ended: list[str] = []

    def work() -> None:
        try:
            detector.detect(**detector_arguments(LARGE, ENDLESS, threads=threads, cancellation=cancellation))
        except _core.Cancelled as error:
            ended.append(str(error))

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    time.sleep(0.2)
    assert ended == []
    assert not cancellation.is_set()
    cancellation.set()
    for worker in workers:
        worker.join(SECONDS)
        assert not worker.is_alive()
    assert cancellation.is_set()
    assert ended == ["the detection was cancelled"] * 2
    assert_usable(detector)


def test_cancellation_that_is_set_before_the_detection(detector: Any) -> None:
    cancellation = _core.CancellationSource()
    arguments = detector_arguments(sample_image(), Options(), cancellation=cancellation)
    assert len(detector.detect(**arguments)[0]) == 1
    cancellation.set()
    hooks: list[str] = []
    with pytest.raises(_core.Cancelled):
        detector.detect(**arguments | {"hook": lambda name, array: hooks.append(name)})
    assert hooks == []
    assert issubclass(_core.Cancelled, RuntimeError)


def test_a_hook_may_cancel_the_detection(detector: Any) -> None:
    cancellation = _core.CancellationSource()
    hooks: list[str] = []

    def hook(name: str, array: np.ndarray) -> None:
        hooks.append(name)
        if name == "pnet/level01/conv1":
            cancellation.set()

    with pytest.raises(_core.Cancelled):
        detector.detect(**detector_arguments(sample_image(), Options(), hook=hook, cancellation=cancellation))
    assert hooks[-1] == "pnet/level01/conv1"


def test_cancellation_of_another_type(detector: Any) -> None:
    for value in (3, threading.Event(), "cancellation"):
        with pytest.raises(TypeError, match="incompatible function arguments"):
            detector.detect(**detector_arguments(sample_image(), cancellation=value))
