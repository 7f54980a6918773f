"""The comparison as a self-contained HTML page, for the supplement of a paper."""

from __future__ import annotations

import os
from pathlib import Path

from ..._util.errors import import_extra
from ..._util.files import write_file
from .result import Comparison

TEMPLATE = Path(__file__).parent / "page.html.j2"


def save_page(comparison: Comparison, path: str | os.PathLike[str]) -> None:
    """Write a comparison as one self-contained HTML page. An existing file is replaced.

    Raises:
        MissingExtra: Jinja2 is not installed.
        OSError: The file cannot be written.
    """
    write_file(path, render(comparison).encode())


def render(comparison: Comparison) -> str:
    """Return the HTML text of the page."""
    jinja2 = import_extra("jinja2", "mtcnn-cpp[report]", "the report")
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    template = environment.from_string(TEMPLATE.read_text("utf-8"))
    page: str = template.render(comparison=comparison, total=comparison.count)
    return page
