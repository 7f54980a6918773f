"""The thread pool of a detector: fork(), many callers, end of the interpreter."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from core_strategies import detector_arguments
from mtcnn_cpp import Detector, Model, sample_image

_core = pytest.importorskip("mtcnn_cpp._core")

MODEL = Model.default()


def bits(faces: tuple[np.ndarray, ...]) -> bytes:
    return b"".join(array.tobytes() for array in faces)


@pytest.fixture
def detector() -> object:
    """A detector whose threads have worked before."""
    detector = _core.Detector(MODEL.pnet, MODEL.rnet, MODEL.onet)
    detect(detector, 3)
    return detector


def detect(detector: object, threads: int) -> bytes:
    return bits(detector.detect(**detector_arguments(sample_image(), threads=threads)))


def threads_of_process() -> set[str]:
    return set(os.listdir("/proc/self/task"))


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_every_number_of_threads_gives_the_same(detector: object, threads: int) -> None:
    expected = detect(detector, 1)
    for _ in range(5):
        assert detect(detector, threads) == expected


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork()")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("threads", [1, 2, 7])
def test_a_forked_child_uses_new_threads(detector: object, threads: int) -> None:
    expected = detect(detector, 1)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            same = all(detect(detector, threads) == expected for _ in range(3))
            del detector
            code = 0 if same else 2
        finally:
            os._exit(code)
    for _ in range(3):
        assert detect(detector, threads) == expected
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


FORKED_WHILE_DETECTING = """
import os, threading
from mtcnn_cpp import Detector, sample_image
detector = Detector(threads=2)
image = sample_image()
expected = detector.detect(image).boxes.tobytes()
stop = threading.Event()
def work():
    while not stop.is_set():
        detector.detect(image)
workers = [threading.Thread(target=work) for _ in range(4)]
for worker in workers:
    worker.start()
failed = 0
for _ in range(20):
    child = os.fork()
    if child == 0:
        os._exit(0 if detector.detect(image).boxes.tobytes() == expected else 3)
    failed += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0
stop.set()
for worker in workers:
    worker.join()
print("failed", failed)
"""

EXIT_WHILE_DETECTING = """
import threading
from mtcnn_cpp import Detector, sample_image
detector = Detector(threads=3)
image = sample_image()
detector.detect(image)
begun = threading.Barrier(4)
def work():
    begun.wait()
    while True:
        detector.detect(image)
for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
begun.wait()
detector.detect(image)
print("end")
"""

IN_A_SPAWNED_CHILD = """
import multiprocessing
from mtcnn_cpp import Detector, sample_image
def work(detector):
    return detector.detect(sample_image()).boxes.tobytes()
if __name__ == "__main__":
    detector = Detector(threads=2)
    expected = work(detector)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        print(set(pool.map(work, [detector] * 4)) == {expected})
"""


def run(program: str, tmp_path: os.PathLike[str]) -> str:
    file = os.path.join(tmp_path, "program.py")
    with open(file, "w", encoding="utf-8") as out:
        out.write(program)
    command = [sys.executable, "-W", "ignore::DeprecationWarning", file]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork()")
def test_a_child_that_is_forked_while_others_detect(tmp_path: os.PathLike[str]) -> None:
    assert run(FORKED_WHILE_DETECTING, tmp_path) == "failed 0\n"


def test_a_spawned_child(tmp_path: os.PathLike[str]) -> None:
    assert run(IN_A_SPAWNED_CHILD, tmp_path) == "True\n"


def test_the_interpreter_ends_while_threads_detect(tmp_path: os.PathLike[str]) -> None:
    assert run(EXIT_WHILE_DETECTING, tmp_path) == "end\n"


def test_sixteen_callers_of_one_detector(detector: object) -> None:
    expected = detect(detector, 1)
    found: list[bytes] = []

    def work(threads: int) -> None:
        found.extend(detect(detector, threads) for _ in range(3))

    callers = [threading.Thread(target=work, args=(1 + i % 4,)) for i in range(16)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(found) == 48
    assert set(found) == {expected}


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="needs Linux")
def test_threads_are_shared_kept_and_ended_with_the_detector() -> None:
    before = threads_of_process()  # with those of other tests that are ending
    detector = _core.Detector(MODEL.pnet, MODEL.rnet, MODEL.onet)
    assert threads_of_process() <= before
    detect(detector, 3)
    new = threads_of_process() - before
    assert len(new) == 2
    for threads in (3, 3, 2):
        detect(detector, threads)
        assert threads_of_process() - before == new
    del detector
    for _ in range(1000):  # the system removes a thread shortly after it was joined
        if not new & threads_of_process():
            break
        time.sleep(0.01)
    assert threads_of_process() <= before


def test_a_small_image_uses_one_thread() -> None:
    if not os.path.isdir("/proc/self/task"):
        pytest.skip("needs Linux")
    before = threads_of_process()
    detector = Detector(threads=8)
    detector.detect(np.zeros((64, 64, 3), np.uint8))
    assert threads_of_process() <= before
