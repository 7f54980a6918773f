"""A cluster of two nodes on this machine, which the tests of Ray share."""

from __future__ import annotations

import gc
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
NODE = {"num_cpus": 2, "object_store_memory": 10**9}
SETTINGS = {
    # A node that was killed is missed after seconds, not after a minute.
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 1000,
    "health_check_failure_threshold": 5,
    # On a loaded machine, a living process may answer late.
    "health_check_timeout_ms": 60_000,
    "worker_register_timeout_seconds": 300,
    "agent_register_timeout_ms": 300_000,
}
STARTS = 3  # Ray ends a node whose agent is not ready after 15 s, a limit that no setting changes


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Ray warns of its own settings, and leaves sockets and processes to the garbage collector."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore::DeprecationWarning:ray"))
            item.add_marker(pytest.mark.filterwarnings("ignore::ResourceWarning"))


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    pytest.importorskip("ray.data", reason="needs ray[data], the extra 'ray'")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    head = {**NODE, "include_dashboard": False, "_system_config": SETTINGS}
    for start in range(1, STARTS + 1):
        cluster = Cluster()
        try:
            cluster.add_node(**head)
            cluster.add_node(**NODE)
            break
        except Exception:
            stop(cluster)
            if start == STARTS:
                raise
    yield cluster
    stop(cluster)


def stop(cluster: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cluster.shutdown()
        gc.collect()
