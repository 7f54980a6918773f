"""The test that any implementation of OpenFace's MTCNN can take: cases, a grader, a score card.

    write_cases("cases")                               # pictures, options, expected results, for any language
    grade(load_cases("cases"), results_in("results"))  # what another program made of them
    grade(built_in_cases(), results_of(Detector(backend="onnx").engine))

docs/conformance.md describes the files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .card import ScoreCard, grade
    from .cases import Case, built_in_cases, load_cases, write_cases
    from .grades import Grade
    from .results import results_in, results_of

__all__ = [
    "Case",
    "Grade",
    "ScoreCard",
    "built_in_cases",
    "grade",
    "load_cases",
    "results_in",
    "results_of",
    "write_cases",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Case": "cases",
        "Grade": "grades",
        "ScoreCard": "card",
        "built_in_cases": "cases",
        "grade": "card",
        "load_cases": "cases",
        "results_in": "results",
        "results_of": "results",
        "write_cases": "cases",
    },
)
