"""A folder for the builds of a test file."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Equal paths in all tests of a file, so that ccache knows the files that a test does not change."""
    return tmp_path_factory.mktemp("openface")
