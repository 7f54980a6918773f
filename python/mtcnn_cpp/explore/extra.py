"""Starlette and uvicorn, which are imported when they are used."""

from __future__ import annotations

from importlib import import_module


def need_server() -> None:
    """ImportError, which says how to get them, where one of the two is not installed."""
    try:
        for name in ("starlette", "uvicorn"):
            import_module(name)
    except ImportError as error:
        raise ImportError(
            "the explorer needs starlette and uvicorn, which are not installed (or do not import: "
            f"{error}); pip install 'mtcnn-cpp[explore]'",
            name=error.name,
        ) from error
