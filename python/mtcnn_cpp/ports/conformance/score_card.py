"""The score card: the grades of all cases, as text, JSON, HTML and JUnit XML."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ..._util.escape import markup_text
from ..._util.json_values import to_json_value
from ..._util.junit import JUnitCase, junit_xml
from ...backends.engine import Engine
from ...formats.errors import safe_text
from ...trace.comparison.boxes import final_detections
from .cases import CASES, VERSION, Case, ConformanceError
from .grading import FaceGrade, Grade, LayerGrade, grade_faces, grade_layers
from .results import FolderResults, Result, results_in, results_of

BADGE_COLOURS = {
    Grade.EXACT: "brightgreen",
    Grade.EXACT_IN_PART: "green",
    Grade.ULP_CLOSE: "green",
    Grade.CLOSE: "yellowgreen",
    Grade.SAME_FACES: "yellow",
    Grade.DIFFERENT: "red",
}


@dataclass(frozen=True)
class CaseGrade:
    """The grade of one case.

    Attributes:
        case: Name of the case.
        grade: The grade.
        reason: Why the grade is not better, or the error if there is no result; empty if it is exact.
        faces: The grade of the faces; None if there is no result.
        layers: The grades of the layers that the result contains, in execution order.
        defined: Number of tensors that the result should contain.
        notes: Remarks, for example on tensors that were not compared.
    """

    case: str
    grade: Grade
    reason: str
    faces: FaceGrade | None
    layers: tuple[LayerGrade, ...] = ()
    defined: int = 0
    notes: tuple[str, ...] = ()

    @property
    def tensors(self) -> int:
        """Number of compared tensors."""
        return sum(layer.tensors for layer in self.layers)


@dataclass(frozen=True)
class ScoreCard:
    """The grades of an implementation.

    Attributes:
        subject: Name of the implementation.
        cases: The grades of the cases.
        missing: Names of built-in cases that were not graded.
        notes: Remarks.
    """

    subject: str
    cases: tuple[CaseGrade, ...]
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def grade(self) -> Grade:
        """The grade of the worst case. It is `EXACT` only if all built-in cases were graded."""
        worst = max(case.grade for case in self.cases)
        return Grade.EXACT_IN_PART if worst is Grade.EXACT and self.missing else worst

    @property
    def headline(self) -> str:
        """The result in one sentence, with the number of compared cases, faces and tensors."""
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
        """A badge for a README, as Markdown."""
        label, colour = self.grade.label, BADGE_COLOURS[self.grade]
        total = len(self.cases) + len(self.missing)
        different = sum(case.grade is Grade.DIFFERENT for case in self.cases)
        part = different or (len(self.cases) if self.missing else 0)
        text = f"{label} in {part} of {total} cases" if part else f"{label} in {total} cases"
        parts = [quote(item.replace("-", "--"), safe="") for item in (f"OpenFace MTCNN v{VERSION}", text)]
        return f"![OpenFace MTCNN: {text}](https://img.shields.io/badge/{parts[0]}-{parts[1]}-{colour})"

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values for JSON. A grade becomes its label."""
        return {
            "subject": self.subject,
            "cases_version": VERSION,
            "grade": self.grade.label,
            "headline": self.headline,
            "missing_cases": list(self.missing),
            "notes": list(self.notes),
            "badge": self.badge,
            "cases": [_replace_grades(to_json_value(case)) for case in self.cases],
        }

    def to_html(self) -> bytes:
        """Return a self-contained HTML page: headline, cases, and layers of cases that are not exact."""
        parts = [
            "<!doctype html><html lang=en><meta charset=utf-8>",
            f"<title>{markup_text(self.subject)}: {self.grade.label}</title><style>{_STYLE}</style>",
            f"<h1>Conformance of {markup_text(self.subject)}</h1>",
            f"<p class=g{self.grade.value}><b>{markup_text(self.headline)}</b></p>",
            _html_table(_CASE_COLUMNS, map(_case_row, self.cases)),
            *(f"<p>{markup_text(note)}</p>" for note in self.notes),
        ]
        for case in self.cases:
            if case.layers and case.grade is not Grade.EXACT:
                table = _html_table(_LAYER_COLUMNS, map(_layer_row, case.layers))
                parts.append(f"<h2>{markup_text(case.case)}</h2>{table}")
        parts.append(f"<p>Badge for a README: <code>{markup_text(self.badge)}</code></p>")
        return "\n".join([*parts, ""]).encode()

    def to_junit(self, at_least: Grade) -> bytes:
        """Return JUnit XML with one test case per case.

        A grade that is worse than `at_least` is a failure.
        """
        group = "mtcnn_cpp.conformance"
        cases = []
        for case in self.cases:
            text = f"{case.grade.label}: {case.reason}" if case.reason else case.grade.label
            if case.grade > at_least:
                layers = "\n".join(
                    f"{layer.layer}: {layer.grade.label}: {layer.reason}" for layer in case.layers
                )
                cases.append(JUnitCase(group, case.case, text, case.grade.label, layers))
            else:
                cases.append(JUnitCase(group, case.case, output=text))
        skipped = "not graded: the folder of cases does not contain it"
        cases += [JUnitCase(group, name, skipped=skipped) for name in self.missing]
        return junit_xml(f"mtcnn_cpp conformance of {self.subject}", cases)


def grade(
    cases: Iterable[Case], results: str | os.PathLike[str] | Engine, subject: str = "results"
) -> ScoreCard:
    """Grade the results of all cases.

    Args:
        cases: The cases, for example of `load_cases` or `built_in_cases`.
        results: Folder with the results of a program: `NAME.json` for each case, and `NAME.npz` with its
            layers if it exists. If a file is unreadable, its case gets the grade "different", and the reason
            states the error. Alternatively, `results` is `detector.engine`, which runs on each case with the
            options of this case.
        subject: Name of the implementation.

    Raises:
        ConformanceError: There is no case, or a case is given twice.
        FileNotFoundError: The folder does not exist.
    """
    source = results_of(results) if isinstance(results, Engine) else results_in(results)
    graded: dict[str, CaseGrade] = {}
    for case in cases:
        if case.name in graded:
            raise ConformanceError(f"case {case.name} was given twice; give each case once")
        result = source(case)
        graded[case.name] = grade_case(case, result)
        if isinstance(result, Result):
            result.close()
    if not graded:
        raise ConformanceError("there is nothing to grade: no case was given")
    missing = tuple(name for name in CASES if name not in graded)
    notes = [f"built-in cases that were not graded: {', '.join(missing)}"] if missing else []
    unused = source.find_unused([*graded, *missing]) if isinstance(source, FolderResults) else []
    if unused:
        notes.append(f"result files that belong to no case: {', '.join(map(safe_text, unused))}")
    return ScoreCard(subject, tuple(graded.values()), missing, tuple(notes))


def grade_case(case: Case, result: Result | str) -> CaseGrade:
    """Grade one case.

    The result is the worse of two grades: the grade of the faces, and the worst grade of a tensor. For this
    comparison, the grade "different" of a tensor counts as "same faces". If a tensor or the landmarks were
    not compared, the best possible grade is "exact in part".
    """
    if isinstance(result, str):
        return CaseGrade(case.name, Grade.DIFFERENT, f"no result: {result}", None)
    expected = final_detections(case.expected)
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
            f"the result states version {result.version} of the cases, but these cases have version "
            f"{VERSION}: write the cases again (--write) and run the program on them"
        )
    reasons = [faces.reason] if faces.reason else []
    first = next((layer for layer in layers if layer.grade is worst and worst > Grade.EXACT), None)
    if first is not None:
        reasons.append(f"layers: {first.grade.label}, {first.reason}")
    return CaseGrade(case.name, overall, "; ".join(reasons), faces, tuple(layers), defined, tuple(notes))


def _replace_grades(value: Any) -> Any:
    """Return JSON values in which each grade is its label."""
    if isinstance(value, dict):
        return {
            key: Grade(item).label if key == "grade" else _replace_grades(item) for key, item in value.items()
        }
    return [_replace_grades(item) for item in value] if isinstance(value, list) else value


_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 } th, td { padding: .25rem .7rem; text-align: left }
tr { border-bottom: 1px solid #ddd; vertical-align: top } td.n { text-align: right }
.g0 { color: #067a2f } .g1, .g2, .g3 { color: #4f7a06 } .g4 { color: #a66a00 } .g5 { color: #b3001b }
b { font-weight: 600 } code { background: #f3f3f3; padding: .1rem .3rem; overflow-wrap: anywhere }
"""

_CASE_COLUMNS = (
    "case",
    "grade",
    "faces found",
    "largest box difference",
    "largest score difference",
    "tensors",
    "reason",
)
_LAYER_COLUMNS = ("layer", "grade", "tensors", "largest difference (share)", "reason")


def _case_row(case: CaseGrade) -> list[str]:
    faces = case.faces
    numbers = ["–"] * 3
    if faces:
        numbers = [f"{faces.found} of {faces.expected}", f"{faces.box:.2g} px", f"{faces.score:.2g}"]
    reason = "; ".join(filter(None, (case.reason, *case.notes)))
    return [
        markup_text(case.case),
        _html_grade(case.grade),
        *numbers,
        f"{case.tensors} of {case.defined}",
        markup_text(reason),
    ]


def _layer_row(layer: LayerGrade) -> list[str]:
    return [
        markup_text(layer.layer),
        _html_grade(layer.grade),
        str(layer.tensors),
        "–" if layer.share is None else f"{layer.share:.2g}",
        markup_text(layer.reason),
    ]


def _html_table(header: Iterable[str], rows: Iterable[list[str]]) -> str:
    lines = ["<table><tr>" + "".join(f"<th>{title}</th>" for title in header) + "</tr>"]
    lines += ["<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows]
    return "\n".join([*lines, "</table>"])


def _html_grade(grade: Grade) -> str:
    return f"<span class=g{grade.value}>{grade.label}</span>"
