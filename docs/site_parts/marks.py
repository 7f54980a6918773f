"""What pages of this repository say in comments, for a code host's sake, and this site shows.

`<!-- not run: what it needs -->` before an example: the tests do not run it, and a line above it says so.
"""

from __future__ import annotations

import re
from typing import Any

NOT_RUN = re.compile(r"^<!-- not run: (.+?) -->$", re.M)


def show(app: Any, name: str, source: list[str]) -> None:
    source[0] = NOT_RUN.sub(r"{.not-run}\nNot run by the tests: needs \1.\n", source[0])


def setup(app: Any) -> dict[str, bool]:
    app.connect("source-read", show)
    return {"parallel_read_safe": True}
