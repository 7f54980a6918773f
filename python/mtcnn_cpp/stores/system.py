"""The library that speaks with a store: fsspec, and the package that it has for the scheme."""

from __future__ import annotations

import os
from typing import Any

from .address import OBJECTS, S3, Address
from .errors import EXTRA, told

ATTEMPTS = 2  # of a request, by botocore; and of what botocore does not ask again, by s3fs
UPLOADS = 4  # parts of one large file at a time, of 50 MB each in memory


def system(address: Address) -> Any:
    """The `fsspec.AbstractFileSystem` for this address. fsspec keeps one for each thread."""
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
    with told(address):
        kind = fsspec.get_filesystem_class(address.scheme)
        if address.scheme not in S3:
            made = kind(**kind._get_kwargs_from_urls(str(address)))
            made.invalidate_cache()  # others write to the store too
            return made
        made = kind(**_s3_options(fsspec.config.conf))
        made.retries = ATTEMPTS
        return made


def _s3_options(conf: dict[str, dict[str, Any]]) -> dict[str, Any]:
    given = {**conf.get("s3", {}), **conf.get("s3a", {})}
    config: dict[str, Any] = {}
    if not {"AWS_MAX_ATTEMPTS", "AWS_RETRY_MODE"} & set(os.environ):
        config["retries"] = {"mode": "standard", "total_max_attempts": ATTEMPTS}
    return {
        "use_listings_cache": False,  # others write to the store too
        "max_concurrency": given.get("max_concurrency", UPLOADS),
        "config_kwargs": config | given.get("config_kwargs", {}),
    }


def is_whole(address: Address) -> bool:
    """Whether a file in this store is seen only when its upload is complete."""
    return address.scheme in OBJECTS
