"""A connection that succeeds after the time limit is closed."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from mtcnn_cpp.jobs.ray import connection


class SlowRay:
    """`init` returns, or fails, when it is let go."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.begun, self.go, self.changed = threading.Event(), threading.Event(), threading.Event()
        self.is_connected = False
        self.shutdowns = 0

    def init(self, *_: object, **__: object) -> None:
        self.begun.set()
        assert self.go.wait(30)
        if self.error:
            raise self.error
        self.is_connected = True

    def shutdown(self) -> None:
        self.is_connected = False
        self.shutdowns += 1
        self.changed.set()


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "CONNECT_SECONDS", 0.05)


def workers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "mtcnn_cpp ray"]


@pytest.mark.usefixtures("at_once")
def test_too_late() -> None:
    ray = SlowRay()
    with pytest.raises(TimeoutError, match="not connected after"):
        connection._connect_to_cluster(ray, "auto")
    assert ray.shutdowns == 0  # while it connects, nothing is closed
    ray.go.set()
    assert ray.changed.wait(30)
    assert (ray.is_connected, ray.shutdowns) == (False, 1)


@pytest.mark.usefixtures("at_once")
def test_too_late_and_failed() -> None:
    ray = SlowRay(ConnectionError("no"))
    with pytest.raises(TimeoutError):
        connection._connect_to_cluster(ray, "auto")
    ray.go.set()
    for thread in workers():
        thread.join(30)
    assert ray.shutdowns == 0


def test_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    ray = SlowRay()
    wait = threading.Event.wait

    def interrupted(self: threading.Event, timeout: float | None = None) -> bool:
        if timeout == connection.CONNECT_SECONDS:
            raise KeyboardInterrupt
        return wait(self, timeout)

    monkeypatch.setattr(threading.Event, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        connection._connect_to_cluster(ray, "auto")
    ray.go.set()
    assert wait(ray.changed, 30)
    assert (ray.is_connected, ray.shutdowns) == (False, 1)


@pytest.mark.parametrize("error", [None, ConnectionError("no such cluster")])
def test_in_time(error: Exception | None) -> None:
    ray: Any = SlowRay(error)
    ray.go.set()
    if error:
        with pytest.raises(ConnectionError, match="no such cluster"):
            connection._connect_to_cluster(ray, "auto")
    else:
        connection._connect_to_cluster(ray, "auto")
    assert (ray.is_connected, ray.shutdowns) == (error is None, 0)
