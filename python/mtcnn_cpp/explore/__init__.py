"""The explorer: a local web page that shows a detection, from the image to the sum that gives one value.

It shows one trace, or compares two traces. It needs the extra `explore`. `traces` opens the files, `api`
answers the requests of the page, `server` makes the page available only on this machine, and `page` contains
the files for the browser. `live` is a second page, which shows a live source; its files are in `live_page`.
"""

from __future__ import annotations

from .._util.errors import import_extra


def require_server_packages(purpose: str) -> None:
    """Raise MissingExtra if starlette or uvicorn is not installed."""
    for name in ("starlette", "uvicorn"):
        import_extra(name, "mtcnn-cpp[explore]", purpose)
