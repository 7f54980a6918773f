#!/usr/bin/env python3
"""Is the tree ready to be released under a tag? Says what is not, and ends with 1.

.ci/release.py v1.2.3
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def found(file: Path, pattern: str) -> str:
    match = re.search(pattern, file.read_text(encoding="utf-8"), re.MULTILINE)
    return match[1] if match else "nothing"


def problems(root: Path, tag: str | None) -> list[str]:
    """What is said twice and differs; with a tag, also what keeps the tree from being released under it."""
    project = root / "pyproject.toml"
    version = found(project, r'^version = "([^"]+)"$')
    least = found(project, r'^requires-python = ">=(3\.\d+)"$')
    classified = re.findall(
        r'"Programming Language :: Python :: (3\.\d+)"', project.read_text(encoding="utf-8")
    )
    heading = found(root / "CHANGELOG.md", r"^## (.+)$")
    cited = found(root / "CITATION.cff", r"^version: (.+)$")
    complaints = []
    if cited != version:
        complaints.append(
            f"CITATION.cff: expected version {version}, as pyproject.toml has it, found {cited}"
        )
    if not classified or classified[0] != least:
        first = classified[0] if classified else "none"
        complaints.append(
            f"pyproject.toml: expected the first classifier of a Python version to be {least}, found {first}"
        )
    in_order = [f"3.{int(least.partition('.')[2] or 0) + i}" for i in range(len(classified))]
    if classified != in_order:
        complaints.append(
            f"pyproject.toml: expected classifiers {', '.join(in_order)}, found {', '.join(classified)}"
        )
    if tag is None:
        return complaints
    if tag != f"v{version}":
        complaints.append(f"tag: expected v{version}, as pyproject.toml has it, found {tag}")
    if heading.split(" ")[0] != version:
        complaints.append(f"CHANGELOG.md: expected the first heading to be {version}, found {heading}")
    return complaints


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("expected one tag, such as v1.2.3")
    complaints = problems(ROOT, sys.argv[1])
    for complaint in complaints:
        print(complaint)
    if complaints:
        sys.exit(1)
    print(f"ready to be released as {sys.argv[1]}")


if __name__ == "__main__":
    main()
