"""What pages say for a code host's sake, and this site shows otherwise.

`<!-- not run: what it needs -->` before an example: the tests do not run it, and a line above it says so.
Links to files that are on this site, or have a page on it, lead to these pages.
"""

from __future__ import annotations

import re
from typing import Any

NOT_RUN = re.compile(r"^<!-- not run: (.+?) -->$", re.M)
PAGES = {
    r"\.\./SECURITY\.md": "security.md",
    r"\.\./CHANGELOG\.md": "changelog.md",
    r"\.\./benchmarks/README\.md": "benchmarks.md",
    r"gallery/README\.md": "generated/gallery/index.md",
    r"gallery/(\w+)\.py": r"generated/gallery/\1.md",
    r"\.\./python/mtcnn_cpp/__init__\.py": "generated/reference/index.md",
    r"\.\./python/mtcnn_cpp/cli/__init__\.py": "generated/commands/index.md",
    r"\.\./python/mtcnn_cpp/(\w+)/__init__\.py": r"generated/reference/mtcnn_cpp.\1.md",
}


def show(app: Any, name: str, source: list[str]) -> None:
    text = NOT_RUN.sub(r"{.not-run}\nNot run by the tests: needs \1.\n", source[0])
    for file, page in PAGES.items():
        text = re.sub(
            rf"\]\({file}(#[^)]*)?\)", lambda found, page=page: f"]({found.expand(page)}{_end(found)})", text
        )
    source[0] = text


def _end(found: re.Match[str]) -> str:
    """The anchor, which is the last group."""
    return found[found.re.groups] or ""


def setup(app: Any) -> dict[str, bool]:
    app.connect("source-read", show)
    return {"parallel_read_safe": True}
