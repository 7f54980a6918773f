"""Options and fixtures of all tests."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from mtcnn_cpp.reference import boxes, exp, layers, model, resize

# Implementations of the rooms, all with the names and arguments of the reference.
ROOMS: dict[str, SimpleNamespace] = {
    "reference": SimpleNamespace(
        read_network=model.read_network,
        write_network=model.write_network,
        resize=resize.resize,
        normalise=resize.normalise,
        cut=resize.cut,
        conv2d=layers.conv2d,
        prelu=layers.prelu,
        max_pool=layers.max_pool,
        fully_connected=layers.fully_connected,
        sigmoid=layers.sigmoid,
        exp=exp.exp,
        non_maximum_suppression=boxes.non_maximum_suppression,
        apply_offsets=boxes.apply_offsets,
        make_square=boxes.make_square,
    )
}


@pytest.fixture(params=list(ROOMS))
def rooms(request: pytest.FixtureRequest) -> SimpleNamespace:
    """The functions of every room, in each implementation."""
    return ROOMS[request.param]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the slow tests too (minutes)")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: runs for seconds to minutes; only with --slow")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--slow"):
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason="slow: runs with --slow"))
