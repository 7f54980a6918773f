"""How many CPUs this process may use."""

from __future__ import annotations

import os
from pathlib import Path


def usable_cpus() -> int:
    """The CPUs in this process's affinity mask, or fewer where the quota of a control group allows less; at
    least 1."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(min(count, _quota())))


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


def _quota(membership: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")) -> float:
    """CPUs that the Linux control groups of this process (version 1 or 2) leave it; infinite where nothing
    limits."""
    quota = float("inf")
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return quota
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        top = root / controllers  # version 2 has no controllers here, and its one tree at the root
        group_folder = top / group.strip("/")
        for level in (group_folder, *group_folder.parents):
            quota = min(quota, _limit(level))
            if level == top:
                break
    return quota


def _limit(level: Path) -> float:
    try:
        if (level / "cpu.max").exists():
            limit, period = (level / "cpu.max").read_text().split()
        else:
            limit = (level / "cpu.cfs_quota_us").read_text()
            period = (level / "cpu.cfs_period_us").read_text()
        return int(limit) / int(period) if int(limit) > 0 else float("inf")
    except (OSError, ValueError):  # no such file, or the word "max"
        return float("inf")
