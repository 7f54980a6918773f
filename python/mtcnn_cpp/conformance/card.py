"""The score card: every case graded, and all in one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ..trace.judge.faces import faces_of
from ..trace.judge.plain import plain
from .cases import VERSION, Case, ConformanceError
from .faces import FaceGrade, grade_faces
from .grades import Grade
from .layers import LayerGrade, grade_layers
from .results import Result, Results

COLOURS = {
    Grade.EXACT: "brightgreen",
    Grade.ULP_CLOSE: "green",
    Grade.CLOSE: "yellowgreen",
    Grade.SAME_FACES: "yellow",
    Grade.DIFFERENT: "red",
}


@dataclass(frozen=True)
class CaseGrade:
    """A case graded. `faces` is None, and `reason` the error, where there was no result. `layers`: those that
    were given, in execution order."""

    case: str
    grade: Grade
    reason: str
    faces: FaceGrade | None
    layers: tuple[LayerGrade, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def tensors(self) -> int:
        """How many tensors were compared."""
        return sum(layer.tensors for layer in self.layers)


@dataclass(frozen=True)
class ScoreCard:
    """What an implementation got. `subject`: what it is called."""

    subject: str
    cases: tuple[CaseGrade, ...]

    @property
    def grade(self) -> Grade:
        """That of the worst case."""
        return max(case.grade for case in self.cases)

    @property
    def headline(self) -> str:
        """The result in one sentence, with what was compared."""
        faces = sum(case.faces.expected for case in self.cases if case.faces)
        tensors = sum(case.tensors for case in self.cases)
        return (
            f"{self.subject}: {self.grade.label} ({self.grade.meaning}); {len(self.cases)} cases, "
            f"{faces} faces, {tensors} tensors of layers compared"
        )

    @property
    def badge(self) -> str:
        """A line of Markdown for a README."""
        label, colour, count = self.grade.label, COLOURS[self.grade], len(self.cases)
        wrong = sum(case.grade is Grade.DIFFERENT for case in self.cases)
        words = f"{label} in {wrong} of {count} cases" if wrong else f"{label} in {count} cases"
        parts = [quote(text.replace("-", "--"), safe="") for text in (f"OpenFace MTCNN v{VERSION}", words)]
        return f"![OpenFace MTCNN: {words}](https://img.shields.io/badge/{parts[0]}-{parts[1]}-{colour})"

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values for JSON, see `plain`; grades by their labels."""
        return {
            "subject": self.subject,
            "cases_version": VERSION,
            "grade": self.grade.label,
            "headline": self.headline,
            "badge": self.badge,
            "cases": [_labelled(plain(case)) for case in self.cases],
        }


def grade(cases: Iterable[Case], results: Results, subject: str = "results") -> ScoreCard:
    """Grade the results of all cases. ConformanceError where there is no case."""
    graded = tuple(grade_case(case, results(case)) for case in cases)
    if not graded:
        raise ConformanceError("there is nothing to grade: no case was given")
    return ScoreCard(subject, graded)


def grade_case(case: Case, result: Result | str) -> CaseGrade:
    """The grade of its faces, and no better than its layers allow: a layer that is different allows "same
    faces" at best."""
    if isinstance(result, str):
        return CaseGrade(case.name, Grade.DIFFERENT, f"no result: {result}", None)
    expected = faces_of(case.expected)
    assert expected is not None  # a case is a complete trace
    faces = grade_faces(expected, result)
    layers, notes = grade_layers(case.expected, result)
    worst = max((layer.grade for layer in layers), default=Grade.EXACT)
    overall = max(faces.grade, min(worst, Grade.SAME_FACES))
    reasons = [faces.reason] if faces.reason else []
    first = next((layer for layer in layers if layer.grade is worst and worst > Grade.EXACT), None)
    if first is not None:
        reasons.append(f"layers: {first.grade.label}, {first.reason}")
    return CaseGrade(case.name, overall, "; ".join(reasons), faces, tuple(layers), tuple(notes))


def _labelled(value: Any) -> Any:
    """Grades by their labels."""
    if isinstance(value, dict):
        return {key: Grade(item).label if key == "grade" else _labelled(item) for key, item in value.items()}
    return [_labelled(item) for item in value] if isinstance(value, list) else value
