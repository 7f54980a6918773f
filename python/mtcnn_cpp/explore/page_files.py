"""Serves the files of a page."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

MEDIA_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}


def page_routes(files: Iterable[Path]) -> list[Route]:
    """Return one route for each file of the page. Thus the path of a request is never used as a file name."""
    return [_route(file) for file in sorted(files) if file.suffix in MEDIA_TYPES]


def _route(file: Path) -> Route:
    def respond(request: Request) -> Response:
        return Response(file.read_bytes(), media_type=MEDIA_TYPES[file.suffix])

    return Route("/" if file.name == "index.html" else f"/{file.name}", respond)
