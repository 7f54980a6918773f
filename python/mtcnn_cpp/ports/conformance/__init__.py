"""Conformance test for any implementation of OpenFace's MTCNN: cases, grades, a score card.

Example:
    write_cases("cases")                    # images, options, expected results, for any language
    grade(load_cases("cases"), "results")   # results of another program
    grade(built_in_cases(), Detector(backend="onnx").engine)

docs/conformance.md describes the files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..._util.lazy import lazy_names

if TYPE_CHECKING:
    from .cases import Case, built_in_cases, load_cases, write_cases
    from .grading import Grade
    from .score_card import ScoreCard, grade

__all__ = [
    "Case",
    "Grade",
    "ScoreCard",
    "built_in_cases",
    "grade",
    "load_cases",
    "write_cases",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Case": "cases",
        "Grade": "grading",
        "ScoreCard": "score_card",
        "built_in_cases": "cases",
        "grade": "score_card",
        "load_cases": "cases",
        "write_cases": "cases",
    },
)
