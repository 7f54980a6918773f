"""The score card as a page that stands alone."""

from __future__ import annotations

from collections.abc import Iterable

from ..escape import markup_text
from .card import CaseGrade, ScoreCard
from .grades import Grade

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 } th, td { padding: .25rem .7rem; text-align: left }
tr { border-bottom: 1px solid #ddd; vertical-align: top } td.n { text-align: right }
.g0 { color: #067a2f } .g1, .g2, .g3 { color: #4f7a06 } .g4 { color: #a66a00 } .g5 { color: #b3001b }
b { font-weight: 600 } code { background: #f3f3f3; padding: .1rem .3rem; overflow-wrap: anywhere }
"""


def to_html(card: ScoreCard) -> bytes:
    """Headline, a row a case, and the layers of each case that is not exact."""
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        f"<title>{markup_text(card.subject)}: {card.grade.label}</title><style>{_STYLE}</style>",
        f"<h1>Conformance of {markup_text(card.subject)}</h1>",
        f"<p class=g{card.grade.value}><b>{markup_text(card.headline)}</b></p>",
        _table(
            ("case", "grade", "faces", "boxes within", "scores within", "tensors", "reason"),
            map(_case, card.cases),
        ),
        *(f"<p>{markup_text(note)}</p>" for note in card.notes),
    ]
    for case in card.cases:
        if case.layers and case.grade is not Grade.EXACT:
            parts.append(f"<h2>{markup_text(case.case)}</h2>" + _layers(case))
    parts.append(f"<p>For a README: <code>{markup_text(card.badge)}</code></p>")
    return "\n".join([*parts, ""]).encode()


def _case(case: CaseGrade) -> list[str]:
    faces = case.faces
    figures = ["–"] * 3
    if faces:
        figures = [f"{faces.found} of {faces.expected}", f"{faces.box:.2g} px", f"{faces.score:.2g}"]
    reason = "; ".join(filter(None, (case.reason, *case.notes)))
    return [
        markup_text(case.case),
        _grade(case.grade),
        *figures,
        f"{case.tensors} of {case.defined}",
        markup_text(reason),
    ]


def _layers(case: CaseGrade) -> str:
    rows = (
        [
            markup_text(layer.layer),
            _grade(layer.grade),
            str(layer.tensors),
            "–" if layer.share is None else f"{layer.share:.2g}",
            markup_text(layer.reason),
        ]
        for layer in case.layers
    )
    return _table(("layer", "grade", "tensors", "largest share", "reason"), rows)


def _table(heads: Iterable[str], rows: Iterable[list[str]]) -> str:
    lines = ["<table><tr>" + "".join(f"<th>{head}</th>" for head in heads) + "</tr>"]
    lines += ["<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows]
    return "\n".join([*lines, "</table>"])


def _grade(grade: Grade) -> str:
    return f"<span class=g{grade.value}>{grade.label}</span>"
