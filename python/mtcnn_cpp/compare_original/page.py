"""The comparison as one HTML page that needs no other file: a supplement of a paper."""

from __future__ import annotations

import os
from pathlib import Path

from ..files import write_whole
from .result import Comparison

TEMPLATE = Path(__file__).parent / "page.html.j2"


def save_page(comparison: Comparison, path: str | os.PathLike[str]) -> None:
    """Write the page. An existing file is replaced.

    Raises:
        ImportError: Jinja2 is missing (extra `report`).
        OSError: The file cannot be written.
    """
    write_whole(path, render(comparison).encode())


def render(comparison: Comparison) -> str:
    """Return the text of the page."""
    try:
        import jinja2
    except ImportError as error:
        raise ImportError(
            f"the report needs {error.name}; install it with: pip install 'mtcnn-cpp[report]'"
        ) from error
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    template = environment.from_string(TEMPLATE.read_text("utf-8"))
    return template.render(comparison=comparison, total=comparison.count)
