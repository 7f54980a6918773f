"""CPUs that this process may use, and the usual number of threads."""

from __future__ import annotations

import os

import pytest
from mtcnn_cpp import Detector
from mtcnn_cpp._util.cpus import default_threads, usable_cpus


def test_usable_cpus() -> None:
    """The core has the limits of the system (cpp/tests/test_system_limits.cpp)."""
    assert usable_cpus() >= 1
    if hasattr(os, "sched_getaffinity"):
        assert usable_cpus() <= len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("own", "openmp", "expected"),
    [
        (None, None, 4),
        (None, "1", 1),
        (None, "2,4", 2),
        (None, "64", 4),
        (None, "many", 4),
        (None, "0", 4),
        ("3", "1", 3),
        (" 2 ", None, 2),
        ("100", None, 4),
    ],
)
def test_usual_threads(
    own: str | None, openmp: str | None, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mtcnn_cpp._util.cpus.usable_cpus", lambda: 4)
    for name, value in (("MTCNN_CPP_THREADS", own), ("OMP_NUM_THREADS", openmp)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    assert default_threads() == expected
    assert Detector().engine.threads == expected
    assert Detector(threads=7).engine.threads == 7


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5"])
def test_a_number_of_threads_that_is_none(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MTCNN_CPP_THREADS", value)
    with pytest.raises(ValueError, match=f"MTCNN_CPP_THREADS must be 1 or more threads, got '{value}'"):
        Detector()
