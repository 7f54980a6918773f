"""Checks the number of threads, and counts the CPUs available to the process."""

from __future__ import annotations

import operator
import os
from typing import SupportsIndex

from .core import import_core
from .log import log_info

MAX_THREADS = 1024


def check_threads(threads: SupportsIndex | None, *, default: str) -> int | None:
    """Check a number of threads and return it. None is valid and is returned unchanged.

    `default` is the part of the error message that states the meaning of None.
    """
    if threads is None:
        return None
    try:
        count = operator.index(threads)
    except TypeError:
        raise TypeError(
            f"threads must be an integer or None, got {threads!r} ({type(threads).__name__})"
        ) from None
    if not 1 <= count <= MAX_THREADS:
        raise ValueError(f"threads must be from 1 to {MAX_THREADS}, or None for {default}, got {count}")
    return count


def usable_cpus() -> int:
    """Return the number of CPUs available to this process, at least 1.

    The core takes the affinity mask and the quota of control groups into account. If the core cannot be
    imported, the result is the number of all CPUs of the machine.
    """
    try:
        core = import_core()
    except ImportError:
        return os.cpu_count() or 1
    return int(core.usable_cpus())


def default_threads() -> int:
    """Return the default number of threads, which is at most `usable_cpus()`.

    The environment variable MTCNN_CPP_THREADS sets the number. If this variable is not set, OMP_NUM_THREADS
    sets the number. If neither variable is set, the number is `usable_cpus()`. An invalid MTCNN_CPP_THREADS
    raises ValueError. An invalid OMP_NUM_THREADS is ignored, because it is not specific to this package.
    """
    available = usable_cpus()
    count, reason = available, "all CPUs that are available to this process"
    package_value = os.environ.get("MTCNN_CPP_THREADS", "").strip()
    openmp_value = (
        os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    )  # one number per nesting level
    if package_value:
        if not (package_value.isdecimal() and int(package_value)):
            raise ValueError(f"MTCNN_CPP_THREADS must be 1 or more threads, got {package_value!r}")
        count, reason = min(int(package_value), available), "set by MTCNN_CPP_THREADS"
    elif openmp_value.isdecimal() and int(openmp_value):
        count, reason = min(int(openmp_value), available), "set by OMP_NUM_THREADS"
    log_info(
        "default number of threads: %d (%s); available: %d of %d CPUs",
        count, reason, available, os.cpu_count() or 1,
    )  # fmt: skip
    return count
