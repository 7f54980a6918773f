"""The page's files: all are there, none asks for another that is not, all are loaded ahead."""

from __future__ import annotations

import re

from pictures import ROOT

PAGE = ROOT / "python" / "mtcnn_cpp" / "explore" / "page"


def test_every_module_that_is_imported_is_there() -> None:
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


def test_nothing_reads_markup_or_code() -> None:
    """Names come from strangers' files: text only."""
    for file in PAGE.glob("*.js"):
        text = file.read_text("utf-8")
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|Function\(", text
        ), file
        assert not re.search(r"(import|fetch).*https?://", text), file
        assert len(text.splitlines()) <= 300, file
