#!/usr/bin/env python3
"""Choose the parts of .ci/run that check the files changed since a commit.

    .ci/parts.py COMMIT     prints parts=["tests", …] for a workflow

All parts are chosen if the commit is unknown, for example at the first push of a branch.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

RUN = Path(__file__).with_name("run")
PYTHON = {"tests", "extras", "docs", "lint", "web", "fuzz", "openface", "dist"}
# The first pattern that matches a path decides. A path that no pattern matches needs all parts.
PARTS: dict[str, set[str]] = {
    r"(\w+\.md|docs/.*|CITATION\.cff|benchmarks/README\.md)$": {"tests", "docs", "lint"},
    r"\.github/": {"tests", "lint"},  # some tests read the workflows, as others read the pages
    r"(python/|tests/|fuzz/)": PYTHON,
}


def all_parts() -> list[str]:
    """Return the parts that .ci/run knows, in its order."""
    found = re.search(r'^parts="([a-z ]+)"$', RUN.read_text("utf-8"), flags=re.M)
    assert found
    return found[1].split()


def choose_parts(paths: Iterable[str]) -> list[str]:
    """Return the parts that check these files, in the order of .ci/run."""
    chosen: set[str] = set()
    for path in paths:
        chosen |= next((parts for pattern, parts in PARTS.items() if re.match(pattern, path)), {*all_parts()})
    return [part for part in all_parts() if part in chosen]


def changed_paths(commit: str) -> list[str] | None:
    """Return the files that differ from a commit. None: the commit is unknown."""
    done = subprocess.run(
        ["git", "diff", "--name-only", "--no-renames", f"{commit}...HEAD", "--"],
        capture_output=True,
        text=True,
    )
    return None if done.returncode else done.stdout.splitlines()


if __name__ == "__main__":
    paths = changed_paths(sys.argv[1]) if sys.argv[1:2] not in ([], [""]) else None
    print(f"parts={json.dumps(all_parts() if paths is None else choose_parts(paths))}")
