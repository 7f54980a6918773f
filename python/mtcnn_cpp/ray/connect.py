"""A connection to a Ray cluster, or Ray on this machine for a while."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import socket
import threading
from collections.abc import Iterator
from typing import Any

from ..cpus import usable_cpus
from .extra import need_ray

REACH = 5.0  # seconds for a first answer
CONNECT = 40.0  # seconds until a cluster must have taken us in
_ADDRESS = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+):(\d{1,5})")


@contextlib.contextmanager
def connected(address: str) -> Iterator[None]:
    """Ray is there while the block runs: `auto` finds the cluster that this machine belongs to, `host:port`
    is the address of one, `local` starts Ray on this machine. Ray's own log is kept quiet.

    If this process is connected already, that connection is used and stays.

    Raises ImportError without ray, ValueError for what is no address, ConnectionError or TimeoutError where
    nothing answers.
    """
    _check(address)
    ray = need_ray()
    if ray.is_initialized():
        yield
        return
    with _quiet():
        _connect(ray, address)
        try:
            yield
        finally:
            ray.shutdown()


def _check(address: str) -> None:
    if address.startswith("ray://"):
        raise ValueError(
            f"{address}: data sets do not run over Ray Client; start the job on a machine of the cluster, "
            "with --ray auto"
        )
    found = _ADDRESS.fullmatch(address)
    if address not in ("auto", "local") and (found is None or not 0 < int(found[2]) < 65536):
        raise ValueError(f"the address of Ray must be auto, local or host:port, got {address!r}")
    given = os.environ.get("RAY_ADDRESS", "") if address == "auto" else address
    if found := _ADDRESS.fullmatch(given):
        try:
            socket.create_connection((found[1].strip("[]"), int(found[2])), timeout=REACH).close()
        except OSError as error:
            raise ConnectionError(
                f"no Ray cluster answers at {given} ({error.strerror or error}); start one by `ray start "
                "--head`, or use --ray local"
            ) from error


def _connect(ray: Any, address: str) -> None:
    """`ray.init`, which would wait for minutes, with a limit of time. If it succeeds after that, or after an
    interrupt, the connection is closed again."""
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    if address == "local":  # on this thread: Linux ends Ray's processes when the thread that began them ends
        ray.init(address, num_cpus=usable_cpus(), include_dashboard=False, **options)
        return
    failed: list[BaseException] = []
    lock = threading.Lock()
    ended, given_up = threading.Event(), threading.Event()

    def close_if_late() -> None:
        with lock:
            if ended.is_set() and given_up.is_set() and not failed:
                ray.shutdown()

    def connect() -> None:
        try:
            ray.init(address, **options)
        except BaseException as error:
            failed.append(error)
        ended.set()
        close_if_late()

    thread = threading.Thread(target=connect, daemon=True, name="mtcnn_cpp ray")
    thread.start()
    try:
        connected_in_time = ended.wait(CONNECT)
    except BaseException:
        given_up.set()
        close_if_late()
        raise
    if not connected_in_time:
        given_up.set()
        close_if_late()
        raise TimeoutError(
            f"what answers at {address} is no Ray cluster, or a dead one: not connected after {CONNECT:g} s"
        )
    if failed:
        reason = " ".join(str(failed[0]).split()) or type(failed[0]).__name__
        if address == "auto":
            reason = f"this machine belongs to no running Ray cluster ({reason})"
        raise ConnectionError(
            f"--ray {address}: {reason}; start one by `ray start --head`, or use --ray local"
        ) from failed[0]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without Ray's own log on the terminal: errors are told by this program."""
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
