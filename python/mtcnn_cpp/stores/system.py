"""The library that speaks with a store: fsspec, and the package that it has for the scheme."""

from __future__ import annotations

import os
from typing import Any

from .address import OBJECTS, S3, Address
from .errors import EXTRA, told

ATTEMPTS = 2  # of a request, by botocore; and of what botocore does not ask again, by s3fs
SMALL = 2**20  # bytes; what is larger may take its time to upload
UPLOAD_TIMEOUT = 120  # seconds for a part: the answer comes when all of it has arrived


def system(address: Address, *, upload: int = 0) -> Any:
    """The `fsspec.AbstractFileSystem` for this address, to upload so many bytes. fsspec keeps one for each
    thread."""
    try:
        import fsspec
    except ImportError as error:
        raise ImportError(
            f"{address} needs fsspec, which is not installed (or does not import: {error}); {EXTRA}",
            name="fsspec",
        ) from error
    if address.scheme not in fsspec.available_protocols():
        raise ValueError(
            f"{address}: fsspec knows no {address.scheme}://; it knows s3://, gs://, memory://, …"
        )
    try:
        kind = fsspec.get_filesystem_class(address.scheme)
    except ImportError as error:  # whose words say which package to install
        extra = f"; {EXTRA}" if address.scheme in S3 else ""
        raise ImportError(f"{address}: {error}{extra}", name=error.name) from error
    with told(address):
        if address.scheme not in S3:
            made = kind(**kind._get_kwargs_from_urls(str(address)))
            made.invalidate_cache()  # others write to the store too
            return made
        made = kind(**_s3_options(fsspec.config.conf, upload > SMALL))
        made.retries = ATTEMPTS
        return made


def _s3_options(conf: dict[str, dict[str, Any]], slow: bool) -> dict[str, Any]:
    given = {**conf.get("s3", {}), **conf.get("s3a", {})}
    config: dict[str, Any] = {}
    if not {"AWS_MAX_ATTEMPTS", "AWS_RETRY_MODE"} & set(os.environ):
        config["retries"] = {"mode": "standard", "total_max_attempts": ATTEMPTS}
    if slow:
        config["read_timeout"] = UPLOAD_TIMEOUT
    return {
        "use_listings_cache": False,  # others write to the store too
        "config_kwargs": config | given.get("config_kwargs", {}),
    }


def is_whole(address: Address) -> bool:
    """Whether a file in this store is seen only when its upload is complete."""
    return address.scheme in OBJECTS
