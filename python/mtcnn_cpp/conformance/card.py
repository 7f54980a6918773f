"""The score card: every case graded, and all in one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ..formats.errors import shown
from ..trace.judge.faces import faces_of
from ..trace.judge.plain import plain
from .cases import VERSION, Case, ConformanceError
from .faces import FaceGrade, grade_faces
from .grades import Grade
from .layers import LayerGrade, grade_layers
from .pictures import CASES
from .results import FolderResults, Result, Results

COLOURS = {
    Grade.EXACT: "brightgreen",
    Grade.EXACT_IN_PART: "green",
    Grade.ULP_CLOSE: "green",
    Grade.CLOSE: "yellowgreen",
    Grade.SAME_FACES: "yellow",
    Grade.DIFFERENT: "red",
}


@dataclass(frozen=True)
class CaseGrade:
    """A case graded. `faces` is None, and `reason` the error, where there was no result. `layers`: those that
    were given, in execution order. `defined`: how many tensors the case has. `notes`: among others, what
    was not compared."""

    case: str
    grade: Grade
    reason: str
    faces: FaceGrade | None
    layers: tuple[LayerGrade, ...] = ()
    defined: int = 0
    notes: tuple[str, ...] = ()

    @property
    def tensors(self) -> int:
        """How many tensors were compared."""
        return sum(layer.tensors for layer in self.layers)


@dataclass(frozen=True)
class ScoreCard:
    """What an implementation got. `subject`: what it is called. `missing`: cases of the package that were
    not graded."""

    subject: str
    cases: tuple[CaseGrade, ...]
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def grade(self) -> Grade:
        """That of the worst case; `EXACT` only if all cases of the package were graded."""
        worst = max(case.grade for case in self.cases)
        return Grade.EXACT_IN_PART if worst is Grade.EXACT and self.missing else worst

    @property
    def headline(self) -> str:
        """The result in one sentence, with what was compared."""
        faces = sum(case.faces.expected for case in self.cases if case.faces)
        tensors = sum(case.tensors for case in self.cases)
        defined = sum(case.defined for case in self.cases)
        total = len(self.cases) + len(self.missing)
        return (
            f"{self.subject}: {self.grade.label} ({self.grade.meaning}); compared: {len(self.cases)} of "
            f"{total} cases, {faces} faces, {tensors} of {defined} tensors"
        )

    @property
    def badge(self) -> str:
        """A line of Markdown for a README."""
        label, colour, count = self.grade.label, COLOURS[self.grade], len(self.cases)
        count += len(self.missing)
        wrong = sum(case.grade is Grade.DIFFERENT for case in self.cases)
        part = wrong or (len(self.cases) if self.missing else 0)
        words = f"{label} in {part} of {count} cases" if part else f"{label} in {count} cases"
        parts = [quote(text.replace("-", "--"), safe="") for text in (f"OpenFace MTCNN v{VERSION}", words)]
        return f"![OpenFace MTCNN: {words}](https://img.shields.io/badge/{parts[0]}-{parts[1]}-{colour})"

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values for JSON, see `plain`; grades by their labels."""
        return {
            "subject": self.subject,
            "cases_version": VERSION,
            "grade": self.grade.label,
            "headline": self.headline,
            "missing_cases": list(self.missing),
            "notes": list(self.notes),
            "badge": self.badge,
            "cases": [_labelled(plain(case)) for case in self.cases],
        }


def grade(cases: Iterable[Case], results: Results, subject: str = "results") -> ScoreCard:
    """Grade the results of all cases. ConformanceError if there is no case, or one twice."""
    graded: dict[str, CaseGrade] = {}
    for case in cases:
        if case.name in graded:
            raise ConformanceError(f"case {case.name} was given twice; each case is graded once")
        result = results(case)
        graded[case.name] = grade_case(case, result)
        if isinstance(result, Result):
            result.close()
    if not graded:
        raise ConformanceError("there is nothing to grade: no case was given")
    missing = tuple(name for name in CASES if name not in graded)
    notes = [f"cases of the package that were not graded: {', '.join(missing)}"] if missing else []
    others = results.others([*graded, *missing]) if isinstance(results, FolderResults) else []
    if others:
        notes.append(f"files of results that belong to no case: {', '.join(map(shown, others))}")
    return ScoreCard(subject, tuple(graded.values()), missing, tuple(notes))


def grade_case(case: Case, result: Result | str) -> CaseGrade:
    """The grade of its faces, and no better than its tensors allow: one that is different allows "same faces"
    at best, one that was not given "exact in part"."""
    if isinstance(result, str):
        return CaseGrade(case.name, Grade.DIFFERENT, f"no result: {result}", None)
    expected = faces_of(case.expected)
    assert expected is not None  # a case is a complete trace
    faces = grade_faces(expected, result)
    layers, defined, notes = grade_layers(case.expected, result)
    if result.landmarks is None and not result.has("final/landmarks"):
        notes.insert(0, "not given: landmarks")
    worst = max((layer.grade for layer in layers), default=Grade.EXACT)
    overall = max(faces.grade, min(worst, Grade.SAME_FACES))
    if overall is Grade.EXACT and notes:
        overall = Grade.EXACT_IN_PART
    if result.version not in (None, VERSION):
        notes.append(
            f"the result states version {result.version} of the cases, these are of version {VERSION}: write "
            "the cases again (--write) and run the program on them"
        )
    reasons = [faces.reason] if faces.reason else []
    first = next((layer for layer in layers if layer.grade is worst and worst > Grade.EXACT), None)
    if first is not None:
        reasons.append(f"layers: {first.grade.label}, {first.reason}")
    return CaseGrade(case.name, overall, "; ".join(reasons), faces, tuple(layers), defined, tuple(notes))


def _labelled(value: Any) -> Any:
    """Grades by their labels."""
    if isinstance(value, dict):
        return {key: Grade(item).label if key == "grade" else _labelled(item) for key, item in value.items()}
    return [_labelled(item) for item in value] if isinstance(value, list) else value
