"""Records, saves, compares and explains traces. A trace contains the tensors that a detection computes.

Each name is imported on first use, so that `import mtcnn_cpp` stays fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._util.lazy import lazy_names

if TYPE_CHECKING:
    from .comparison.comparison import ComparisonOptions, compare
    from .comparison.explanation import explain, explain_difference
    from .comparison.report import Report, TensorComparison
    from .comparison.tolerances import Tolerance
    from .errors import TraceError
    from .recorders import OnnxRecorder, TorchRecorder
    from .report.html import save_html
    from .trace import Trace

__all__ = [
    "ComparisonOptions",
    "OnnxRecorder",
    "Report",
    "TensorComparison",
    "Tolerance",
    "TorchRecorder",
    "Trace",
    "TraceError",
    "compare",
    "explain",
    "explain_difference",
    "save_html",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "ComparisonOptions": "comparison.comparison",
        "OnnxRecorder": "recorders",
        "Report": "comparison.report",
        "TensorComparison": "comparison.report",
        "Tolerance": "comparison.tolerances",
        "TorchRecorder": "recorders",
        "Trace": "trace",
        "TraceError": "errors",
        "compare": "comparison.comparison",
        "explain": "comparison.explanation",
        "explain_difference": "comparison.explanation",
        "save_html": "report.html",
    },
)
