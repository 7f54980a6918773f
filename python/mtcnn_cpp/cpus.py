"""How many CPUs this process may use."""

from __future__ import annotations

import os
from pathlib import Path


def usable_cpus() -> int:
    """The CPUs in this process's affinity mask, or fewer where the quota of a control group allows less; at
    least 1."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(min(count, _quota())))


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
