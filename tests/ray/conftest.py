"""A cluster of two nodes on this machine, which the tests of Ray share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
NODE = {"num_cpus": 2, "object_store_memory": 10**9, "include_dashboard": False}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Ray warns of its own settings, and leaves sockets and processes to the garbage collector."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.filterwarnings("ignore::DeprecationWarning:ray"))
            item.add_marker(pytest.mark.filterwarnings("ignore::ResourceWarning"))


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    pytest.importorskip("ray.data", reason="needs ray[data], the extra 'ray'")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args=NODE)
    cluster.add_node(**{name: value for name, value in NODE.items() if name != "include_dashboard"})
    yield cluster
    cluster.shutdown()
