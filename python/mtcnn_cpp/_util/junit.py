"""JUnit XML reports for CI servers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from .escape import printable


@dataclass(frozen=True)
class JUnitCase:
    """A test case. It passed if both `failure` and `skipped` are None.

    `failure` and `skipped` are messages. `failure_type` and `details` are used only for failed cases, and
    `output` only for passed cases.
    """

    group: str
    name: str
    failure: str | None = None
    failure_type: str = ""
    details: str = ""
    skipped: str | None = None
    output: str = ""


def junit_xml(suite: str, cases: Sequence[JUnitCase], *, root: str = "testsuite") -> bytes:
    """Return a JUnit file with one suite.

    `root` is the name of the root element, `testsuite` or `testsuites`.
    """
    counts = {
        "tests": str(len(cases)),
        "failures": str(sum(case.failure is not None for case in cases)),
        "errors": "0",
        "skipped": str(sum(case.skipped is not None for case in cases)),
    }
    element = document = Element("testsuite", {"name": printable(suite), **counts})
    if root != "testsuite":
        document = Element(root, counts)
        document.append(element)
    for case in cases:
        item = SubElement(element, "testcase", classname=printable(case.group), name=printable(case.name))
        if case.failure is not None:
            message = printable(case.failure)
            kind = {"type": case.failure_type} if case.failure_type else {}
            SubElement(item, "failure", {"message": message, **kind}).text = printable(case.details, "\n")
        elif case.skipped is not None:
            SubElement(item, "skipped", message=printable(case.skipped))
        elif case.output:
            SubElement(item, "system-out").text = printable(case.output)
    indent(document, " ")
    result: bytes = tostring(document, encoding="utf-8", xml_declaration=True)
    return result
