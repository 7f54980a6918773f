"""docs/jobs.md names every column of a table. Its examples are run by tests/docs."""

from __future__ import annotations

import re

from images import ROOT
from mtcnn_cpp.jobs.table.rows import COLUMN_TYPES


def test_every_column_is_described() -> None:
    text = (ROOT / "docs" / "jobs.md").read_text("utf-8")
    for name in COLUMN_TYPES:
        assert f"`{name}`" in text or re.search(r"_(eye|corner)_|nose_", name), name
