"""Fixture that runs a test with each reader of videos as the default one."""

from __future__ import annotations

import pytest


@pytest.fixture(params=["opencv", "pyav"])
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the reader that `Video` chooses if none is requested."""
    av = pytest.importorskip("av", reason="needs PyAV, the extra 'video'")
    if request.param == "opencv":
        monkeypatch.setattr(av, "__version__", "0.0.0")  # too old
    return str(request.param)
