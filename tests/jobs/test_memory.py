"""The memory of one image is reused for the next one."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys, threading
import numpy as np
from mtcnn_cpp.jobs.run import keep_freed_memory

if sys.argv[1] == "keep":
    keep_freed_memory()

def images(count):
    for _ in range(count):
        arrays = [np.full(6_000_000, 7, np.uint8) for _ in range(3)]  # more than glibc keeps by default
        del arrays

def faults(count):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    thread = threading.Thread(target=images, args=(count,))
    thread.start()
    thread.join()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults(3)
print(faults(40))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library than glibc")
def test_freed_pages_are_reused() -> None:
    def faults(how: str) -> int:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, check=True
        )
        return int(done.stdout)

    pages = 18_000_000 // 4096  # of three images
    assert faults("keep") < pages  # of 40 times three
    assert faults("leave") > 4 * pages


def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No mallopt there, or no C library to be opened."""
    from mtcnn_cpp.jobs import run

    def none(name: None) -> object:
        raise OSError("there is no C library")

    for library in (lambda name: object(), none):
        monkeypatch.setattr(run.ctypes, "CDLL", library)
        run.keep_freed_memory()
