"""Traces: what a detection computes inside, layer by layer; recorded, kept, compared.

Names are imported when they are first used, so that importing a detector does not import all this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .errors import TraceError
    from .file.trace import Trace
    from .judge.comparison import Judge, compare
    from .judge.explanation import explain
    from .judge.report import Report, Row
    from .judge.side_by_side import explain_both
    from .judge.tolerances import Tolerance
    from .record.onnx_outputs import OnnxRecorder
    from .record.torch_hooks import TorchRecorder
    from .show.html import save_html

__all__ = [
    "Judge",
    "OnnxRecorder",
    "Report",
    "Row",
    "Tolerance",
    "TorchRecorder",
    "Trace",
    "TraceError",
    "compare",
    "explain",
    "explain_both",
    "save_html",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Judge": "judge.comparison",
        "OnnxRecorder": "record.onnx_outputs",
        "Report": "judge.report",
        "Row": "judge.report",
        "Tolerance": "judge.tolerances",
        "TorchRecorder": "record.torch_hooks",
        "Trace": "file.trace",
        "TraceError": "errors",
        "compare": "judge.comparison",
        "explain": "judge.explanation",
        "explain_both": "judge.side_by_side",
        "save_html": "show.html",
    },
)
