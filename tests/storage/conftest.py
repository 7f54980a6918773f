"""Fixtures: each kind of folder, and an S3 server."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest
from mtcnn_cpp.storage.folder import Folder, open_folder
from s3_server import bucket, environment, fresh, s3, server

__all__ = ["bucket", "environment", "fresh", "s3", "server"]


@pytest.fixture(params=["local", "memory", "s3"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the path or address of a folder that does not exist yet."""
    if request.param == "local":
        return str(tmp_path / "new" / "folder")
    if request.param == "memory":
        pytest.importorskip("fsspec", reason="needs the extra remote")
        return f"memory://{secrets.token_hex(6)}/folder"
    return f"s3://{request.getfixturevalue('bucket')}/new/folder"


@pytest.fixture
def folder(where: str) -> Folder:
    return open_folder(where)
