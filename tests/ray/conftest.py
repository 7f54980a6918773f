"""A cluster of two nodes on this machine, which the tests of Ray share."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest

NODE = {"num_cpus": 2, "object_store_memory": 10**9, "include_dashboard": False}


@pytest.fixture(autouse=True)
def _warnings() -> Iterator[None]:
    """Ray leaves sockets and processes to the garbage collector."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    pytest.importorskip("ray.data", reason="needs ray[data], the extra 'ray'")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args=NODE)
    cluster.add_node(**{name: value for name, value in NODE.items() if name != "include_dashboard"})
    yield cluster
    cluster.shutdown()
