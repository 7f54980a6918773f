"""Folders with a subset of the cases of the conformance test."""

from __future__ import annotations

import json
import shutil
from pathlib import Path


def copy_cases(folder: Path, few: Path, *names: str) -> Path:
    """Copy the named cases to the folder `few`."""
    few.mkdir()
    index = json.loads((folder / "conformance.json").read_text())
    (few / "conformance.json").write_text(json.dumps(index | {"cases": names}))
    shutil.copy(folder / "cases.txt", few)
    for name in names:
        shutil.copytree(folder / name, few / name)
    return few
