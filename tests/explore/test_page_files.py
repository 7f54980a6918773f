"""The files of the page: all imported modules exist and are preloaded, and none parses markup."""

from __future__ import annotations

import json
import re

import pytest
from images import ROOT

PAGE = ROOT / "python" / "mtcnn_cpp" / "explore" / "page"


def test_imported_modules_exist_and_are_preloaded() -> None:
    named = {
        name
        for file in PAGE.glob("*.js")
        for name in re.findall(r'from "\./([\w.]+)"', file.read_text("utf-8"))
    }
    modules = {file.name for file in PAGE.glob("*.js")}
    assert named | {"main.js"} == modules
    page = (PAGE / "index.html").read_text("utf-8")
    assert set(re.findall(r'rel="modulepreload" href="([\w.]+)"', page)) | {"main.js"} == modules
    assert len(modules) > 10


def test_the_policy_in_the_page_is_that_of_the_server() -> None:
    """A copy of the page on another server has the same policy, except what only a header can have."""
    pytest.importorskip("uvicorn", reason="needs the extra: pip install 'mtcnn-cpp[explore]'")
    from mtcnn_cpp.explore.server import HEADERS

    found = re.search(
        r'http-equiv="Content-Security-Policy" content="([^"]+)"', (PAGE / "index.html").read_text()
    )
    assert found
    assert found[1] == HEADERS["Content-Security-Policy"].replace("frame-ancestors 'none'; ", "")


def test_no_module_parses_markup_or_code() -> None:
    """Names come from untrusted files, so they are shown as text only."""
    for file in PAGE.glob("*.js"):
        text = file.read_text("utf-8")
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|Function\(", text
        ), file
        assert not re.search(r"(import|fetch).*https?://", text), file
        assert len(text.splitlines()) <= 300, file


def test_definitions_are_those_of_the_glossary() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text("utf-8").split("```{glossary}\n")[1].split("```")[0]
    items = re.findall(r"(?m)^(\S.*)\n((?:  .*\n)+)", text)
    expected = {term: " ".join(definition.split()).replace("`", "") for term, definition in items}
    assert len(expected) > 30
    found = json.loads((PAGE / "glossary.json").read_text("utf-8"))
    assert found == expected, f"write to glossary.json: {json.dumps(expected, indent=1)}"
