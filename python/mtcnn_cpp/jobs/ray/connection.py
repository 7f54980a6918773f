"""Connection to a Ray cluster."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import socket
import threading
from collections.abc import Iterator
from typing import Any

from ..._util.cpus import usable_cpus
from ..._util.errors import import_extra

ANSWER_SECONDS = 5.0  # time limit for opening a socket
CONNECT_SECONDS = 40.0  # time limit for joining the cluster
_ADDRESS = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+):(\d{1,5})")


def need_ray() -> Any:
    """Import Ray. Raises MissingExtra if Ray is not installed."""
    return import_extra("ray", "mtcnn-cpp[ray]", "a Ray cluster")


@contextlib.contextmanager
def connect(address: str) -> Iterator[None]:
    """Connect to a Ray cluster for the duration of a `with` block. In the block, Ray prints no log.

    If the process is already connected, the block uses the existing connection. In this case, the connection
    stays open after the block, and Ray prints its log.

    Args:
        address: `auto` means the cluster to which this machine belongs. `host:port` is the address of a
            cluster. `local` starts Ray on this machine.

    Raises:
        MissingExtra: Ray is not installed.
        ValueError: The address is invalid.
        ConnectionError: No cluster answers at the address.
        TimeoutError: The cluster does not accept the connection in time.
    """
    _check_address(address)
    ray = need_ray()
    if ray.is_initialized():
        yield
        return
    with _silent_log():
        _connect_to_cluster(ray, address)
        try:
            yield
        finally:
            ray.shutdown()


def _check_address(address: str) -> None:
    if address.startswith("ray://"):
        raise ValueError(
            f"{address}: Ray Client is not supported; start the job on a machine of the cluster, with "
            "--ray auto"
        )
    match = _ADDRESS.fullmatch(address)
    if address not in ("auto", "local") and (match is None or not 0 < int(match[2]) < 65536):
        raise ValueError(f"the address of Ray must be auto, local or host:port, got {address!r}")
    given = os.environ.get("RAY_ADDRESS", "") if address == "auto" else address
    if match := _ADDRESS.fullmatch(given):
        try:
            socket.create_connection((match[1].strip("[]"), int(match[2])), timeout=ANSWER_SECONDS).close()
        except OSError as error:
            raise ConnectionError(
                f"no Ray cluster answers at {given} ({error.strerror or error}); start a cluster with "
                "`ray start --head`, or use --ray local"
            ) from error


def _connect_to_cluster(ray: Any, address: str) -> None:
    """Call `ray.init` with a time limit.

    If the call succeeds only after the time limit or after an interrupt, the connection is closed. The
    address `local` has no time limit.
    """
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    # If the address is `local`, this thread must start Ray, because Linux ends the processes of Ray when the
    # thread that has started them ends.
    if address == "local":
        ray.init(address, num_cpus=usable_cpus(), include_dashboard=False, **options)
        return
    errors: list[BaseException] = []
    lock = threading.Lock()
    finished, given_up = threading.Event(), threading.Event()

    def close_if_late() -> None:
        with lock:
            if finished.is_set() and given_up.is_set() and not errors:
                ray.shutdown()

    def connect() -> None:
        try:
            ray.init(address, **options)
        except BaseException as error:
            errors.append(error)
        finished.set()
        close_if_late()

    thread = threading.Thread(target=connect, daemon=True, name="mtcnn_cpp ray")
    thread.start()
    try:
        connected_in_time = finished.wait(CONNECT_SECONDS)
    except BaseException:
        given_up.set()
        close_if_late()
        raise
    if not connected_in_time:
        given_up.set()
        close_if_late()
        raise TimeoutError(
            f"no Ray cluster accepts connections at {address}: not connected after {CONNECT_SECONDS:g} s"
        )
    if errors:
        reason = " ".join(str(errors[0]).split()) or type(errors[0]).__name__
        if address == "auto":
            reason = f"this machine does not belong to a running Ray cluster ({reason})"
        raise ConnectionError(
            f"--ray {address}: {reason}; start a cluster with `ray start --head`, or use --ray local"
        ) from errors[0]


@contextlib.contextmanager
def _silent_log() -> Iterator[None]:
    """Suppress Ray's log on the terminal, because this program reports the errors itself."""
    handlers = [handler for name in ("ray", "ray.data") for handler in logging.getLogger(name).handlers]
    levels = [handler.level for handler in handlers]
    for handler in handlers:
        if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
            handler.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for handler, level in zip(handlers, levels, strict=True):
            handler.setLevel(level)
