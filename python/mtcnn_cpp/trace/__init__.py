"""Traces: what a detection computes inside, layer by layer; captured, kept, compared."""

from .compare import compare
from .errors import TraceError
from .report import Report, Row
from .tolerances import Tolerance
from .trace import Trace

__all__ = ["Report", "Row", "Tolerance", "Trace", "TraceError", "compare"]
