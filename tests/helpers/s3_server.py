"""Fixtures for a local S3 server."""

from __future__ import annotations

import functools
import logging
import os
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

KEYS = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """Yield the URL of the server."""
    pytest.importorskip("s3fs", reason="needs the extra remote")
    moto = pytest.importorskip("moto.server", reason="needs moto[server]")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.session.create_loader", create_loader)
        yield f"http://{host}:{port}"
    server.stop()


@functools.cache
def create_loader(data_path: str | None = None) -> Any:
    """Create botocore's reader of its descriptions of S3.

    All clients of the tests share one reader, because it reads each description only once (0.15 s).
    """
    from botocore.loaders import create_loader

    return create_loader(data_path)


def set_variables(monkeypatch: pytest.MonkeyPatch, server: str) -> dict[str, str]:
    """Set the environment variables with which this process finds the server, and return them."""
    variables = {
        "AWS_ENDPOINT_URL_S3": server,
        "AWS_ACCESS_KEY_ID": "the-access-key",
        "AWS_SECRET_ACCESS_KEY": "the-secret-key",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for key in KEYS:
        monkeypatch.delenv(key, raising=False)
    for key, value in variables.items():
        monkeypatch.setenv(key, value)
    return variables


@pytest.fixture
def environment(server: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return the environment variables with which this process and its children find the server."""
    return {**os.environ, **set_variables(monkeypatch, server)}


@pytest.fixture
def fresh(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Clear the connections before and after a test that changes these variables. Retries do not wait."""
    import s3fs

    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)
    s3fs.S3FileSystem.clear_instance_cache()
    yield
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture(scope="session")
def s3(server: str) -> Any:
    """Return boto's client, to check the store independently of this package."""
    import boto3

    with pytest.MonkeyPatch.context() as patch:
        set_variables(patch, server)
        return boto3.session.Session().client("s3", endpoint_url=server)


@pytest.fixture
def bucket(s3: Any, environment: dict[str, str]) -> str:
    """Return the name of a new bucket."""
    name = f"bucket-{secrets.token_hex(6)}"
    s3.create_bucket(Bucket=name)
    return name
