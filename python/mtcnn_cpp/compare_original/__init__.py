"""The original and this package side by side: every detection and every tensor, compared in bits."""

from __future__ import annotations

from ..lazy import lazy_names

__all__ = ["Comparison", "compare_original", "save_page"]

__getattr__, __dir__ = lazy_names(
    __name__, {"Comparison": "result", "compare_original": "run", "save_page": "page"}
)
