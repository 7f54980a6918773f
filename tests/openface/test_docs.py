"""The examples of the pages on the original, run on the original that this build is bound to."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
from doc_examples import RUN, Runner, examples
from openface_stub import NEEDS_EXACT

PAGES = ("docs/openface.md", "docs/exactness.md", "README.md")
MARK = "tests/openface/test_docs.py runs it"


def test_every_page_has_such_examples() -> None:
    counts = [sum(MARK in example.not_run for example in examples(page)) for page in PAGES]
    assert counts == [5, 1, 1]


def reduce_cases(text: str) -> str:
    """Set the number of random cases to 2, except in the example that compares the sample image."""
    return re.sub(r"(compare-original photo\.png)( --random 100)?", r"\1 --random 2", text)


@NEEDS_EXACT
@pytest.mark.parametrize("page", PAGES)
def test_the_examples(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("jinja2", reason="needs mtcnn-cpp[report]")
    pytest.importorskip("matplotlib", reason="needs mtcnn-cpp[report]")
    monkeypatch.chdir(tmp_path)
    runner = Runner(page)
    for example in examples(page):
        if MARK in example.not_run and example.language in RUN:
            runner.run(dataclasses.replace(example, text=reduce_cases(example.text)))
