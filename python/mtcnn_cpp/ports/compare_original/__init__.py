"""Compares every detection and every tensor of the original detector with this package, bit by bit."""

from __future__ import annotations

from ..._util.lazy import lazy_names

__all__ = ["Comparison", "compare_original", "save_page"]

__getattr__, __dir__ = lazy_names(
    __name__, {"Comparison": "result", "compare_original": "run", "save_page": "page"}
)
