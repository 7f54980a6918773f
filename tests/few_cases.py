"""Folders with some of the cases of the conformance test."""

from __future__ import annotations

import json
import shutil
from pathlib import Path


def some_of(folder: Path, few: Path, *names: str) -> Path:
    """Another folder with some of the cases."""
    few.mkdir()
    index = json.loads((folder / "conformance.json").read_text())
    (few / "conformance.json").write_text(json.dumps(index | {"cases": names}))
    shutil.copy(folder / "cases.txt", few)
    for name in names:
        shutil.copytree(folder / name, few / name)
    return few
