"""The examples of the pages on the original, run on the original that this build is bound to."""

from __future__ import annotations

from pathlib import Path

import pytest
from doc_examples import RUN, Runner, examples
from openface_stub import NEEDS_EXACT

PAGES = ("docs/openface.md", "docs/exactness.md", "README.md")
MARK = "tests/openface/test_docs.py runs it"


def test_every_page_has_such_examples() -> None:
    counts = [sum(MARK in example.not_run for example in examples(page)) for page in PAGES]
    assert counts == [5, 1, 1]


@NEEDS_EXACT
@pytest.mark.parametrize("page", PAGES)
def test_the_examples(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("jinja2", reason="needs mtcnn-cpp[report]")
    pytest.importorskip("matplotlib", reason="needs mtcnn-cpp[report]")
    monkeypatch.chdir(tmp_path)
    runner = Runner(page)
    for example in examples(page):
        if MARK in example.not_run and example.language in RUN:
            runner.run(example)
