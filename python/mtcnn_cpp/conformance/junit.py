"""The score card as JUnit XML, which build servers show."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, indent, tostring

from ..escape import printable
from .card import ScoreCard
from .grades import Grade


def to_junit(card: ScoreCard, at_least: Grade) -> bytes:
    """A test case for each case; those with a grade below `at_least` have failed."""
    failed = sum(case.grade > at_least for case in card.cases)
    skipped = str(len(card.missing))
    suite = Element(
        "testsuite",
        name=f"mtcnn_cpp conformance of {printable(card.subject)}",
        tests=str(len(card.cases) + len(card.missing)),
        failures=str(failed),
        errors="0",
        skipped=skipped,
    )
    for case in card.cases:
        item = SubElement(suite, "testcase", classname="mtcnn_cpp.conformance", name=case.case)
        words = printable(f"{case.grade.label}: {case.reason}" if case.reason else case.grade.label)
        if case.grade > at_least:
            SubElement(item, "failure", message=words, type=case.grade.label).text = "\n".join(
                printable(f"{layer.layer}: {layer.grade.label}: {layer.reason}") for layer in case.layers
            )
        else:
            SubElement(item, "system-out").text = words
    for name in card.missing:
        item = SubElement(suite, "testcase", classname="mtcnn_cpp.conformance", name=name)
        SubElement(item, "skipped", message="not graded: the folder of cases lacks it")
    indent(suite, " ")
    document: bytes = tostring(suite, encoding="utf-8", xml_declaration=True)
    return document
