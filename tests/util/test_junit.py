"""JUnit files: every kind of case, and their counts."""

from __future__ import annotations

from mtcnn_cpp._util.junit import JUnitCase, junit_xml

CASES = [
    JUnitCase("group", "right"),
    JUnitCase("group", "noted", output="two <lines>\nand \x1b"),
    JUnitCase("group", "skipped", skipped="no torch"),
    JUnitCase("other", "wrong", failure="differs", failure_type="tolerance", details="a\n\x1b"),
    JUnitCase("other", "wrong too", failure=""),
]
SUITE = """\
<testsuite name="suite" tests="5" failures="2" errors="0" skipped="1">
 <testcase classname="group" name="right" />
 <testcase classname="group" name="noted">
  <system-out>two &lt;lines&gt;\\nand \\x1b</system-out>
 </testcase>
 <testcase classname="group" name="skipped">
  <skipped message="no torch" />
 </testcase>
 <testcase classname="other" name="wrong">
  <failure message="differs" type="tolerance">a
\\x1b</failure>
 </testcase>
 <testcase classname="other" name="wrong too">
  <failure message="" />
 </testcase>
</testsuite>"""
COUNTS = 'tests="5" failures="2" errors="0" skipped="1"'
HEAD = "<?xml version='1.0' encoding='utf-8'?>\n"


def test_every_kind_of_case() -> None:
    assert junit_xml("suite", CASES).decode() == HEAD + SUITE
    inner = "\n".join(f" {line}" if line.lstrip().startswith("<") else line for line in SUITE.splitlines())
    expected = f"{HEAD}<testsuites {COUNTS}>\n{inner}\n</testsuites>"
    assert junit_xml("suite", CASES, root="testsuites").decode() == expected


def test_no_cases() -> None:
    text = junit_xml("suite", []).decode()
    assert text == f'{HEAD}<testsuite name="suite" tests="0" failures="0" errors="0" skipped="0" />'
