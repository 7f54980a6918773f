"""The score card as JUnit XML, which build servers show."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, indent, tostring

from ..formats.errors import shown
from .card import ScoreCard
from .grades import Grade


def to_junit(card: ScoreCard, at_least: Grade) -> bytes:
    """A test case for each case; those with a grade below `at_least` have failed."""
    failed = sum(case.grade > at_least for case in card.cases)
    suite = Element(
        "testsuite",
        name=f"mtcnn_cpp conformance of {shown(card.subject)}",
        tests=str(len(card.cases)),
        failures=str(failed),
        errors="0",
    )
    for case in card.cases:
        item = SubElement(suite, "testcase", classname="mtcnn_cpp.conformance", name=case.case)
        words = shown(f"{case.grade.label}: {case.reason}" if case.reason else case.grade.label)
        if case.grade > at_least:
            SubElement(item, "failure", message=words, type=case.grade.label).text = "\n".join(
                shown(f"{layer.layer}: {layer.grade.label}: {layer.reason}") for layer in case.layers
            )
        else:
            SubElement(item, "system-out").text = words
    indent(suite, " ")
    document: bytes = tostring(suite, encoding="utf-8", xml_declaration=True)
    return document
