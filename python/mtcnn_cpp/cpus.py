"""How many CPUs this process may use."""

from __future__ import annotations

import os


def usable_cpus() -> int:
    """Return the number of CPUs in this process's affinity mask, or fewer if the quota of a control group
    allows less; at least 1. Without the compiled core: the CPUs of the machine."""
    try:
        from . import _core
    except ImportError:
        return os.cpu_count() or 1
    return _core.usable_cpus()


def usual_threads() -> int:
    """How many threads are used where nobody says how many: MTCNN_CPP_THREADS, or OMP_NUM_THREADS, as
    programs set it that start several processes, but not more than `usable_cpus`; without these,
    `usable_cpus`.

    Raises ValueError for an MTCNN_CPP_THREADS that is no number of threads; such an OMP_NUM_THREADS, which is
    not this package's, counts as not set.
    """
    most = usable_cpus()
    own = os.environ.get("MTCNN_CPP_THREADS", "").strip()
    if own:
        if not (own.isdecimal() and int(own)):
            raise ValueError(f"MTCNN_CPP_THREADS must be 1 or more threads, got {own!r}")
        return min(int(own), most)
    others = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()  # a number for each level
    return min(int(others), most) if others.isdecimal() and int(others) else most
