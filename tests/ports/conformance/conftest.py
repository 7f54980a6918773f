"""The cases, made once."""

from __future__ import annotations

from pathlib import Path

import pytest
from mtcnn_cpp.ports.conformance import write_cases
from mtcnn_cpp.ports.conformance.cases import CASES, Case, built_in_cases


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All cases, written."""
    path = tmp_path_factory.mktemp("conformance") / "cases"
    assert write_cases(path) == list(CASES)
    return path


@pytest.fixture(scope="module")
def cases() -> dict[str, Case]:
    return {case.name: case for case in built_in_cases()}


@pytest.fixture(scope="module")
def portrait(cases: dict[str, Case]) -> Case:
    return cases["portrait"]
