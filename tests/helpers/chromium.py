"""Finds Chromium, and gives the options with which the tests start it."""

from __future__ import annotations

import os
import shutil

CHROMIUM = os.environ.get("MTCNN_TEST_CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


def chromium_options() -> list[str]:
    """Return options for root (no sandbox) and for containers with little shared memory."""
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    return ["--disable-dev-shm-usage", *["--no-sandbox"] * root]
