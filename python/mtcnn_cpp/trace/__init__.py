"""Traces: what a detection computes inside, layer by layer; captured, kept, compared.

Names are imported when they are first used, so that importing a detector does not import all this.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .comparison import compare
    from .errors import TraceError
    from .explanation import explain
    from .report import Report, Row
    from .rerun import compare_detectors, compare_isolated, validate
    from .tolerances import Tolerance
    from .trace import Trace

__all__ = [
    "Report",
    "Row",
    "Tolerance",
    "Trace",
    "TraceError",
    "compare",
    "compare_detectors",
    "compare_isolated",
    "explain",
    "validate",
]

_HOMES = {
    "Report": "report",
    "Row": "report",
    "Tolerance": "tolerances",
    "Trace": "trace",
    "TraceError": "errors",
    "compare": "comparison",
    "compare_detectors": "rerun",
    "compare_isolated": "rerun",
    "explain": "explanation",
    "validate": "rerun",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
