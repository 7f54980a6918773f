"""An S3 server for jobs."""

from __future__ import annotations

from s3_server import bucket, environment, fresh, s3, server

__all__ = ["bucket", "environment", "fresh", "s3", "server"]
