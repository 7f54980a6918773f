"""Every example of README.md and docs is run, or says why not; and each kind is counted."""

from __future__ import annotations

from pathlib import Path

import pytest
from doc_examples import PAGES, READ, RUN, Runner, examples

pytest.importorskip("cv2")

# Examples that no test of this file runs, for want of what they name. One more is a decision.
NOT_RUN = {
    "docs/cluster.md": 4,  # tests/jobs/ray runs the command and `DetectFaces`
    "docs/command-line.md": 1,
    "README.md": 1,  # tests/openface runs it on a stub
    "docs/conformance.md": 2,  # tests/ports/conformance runs both programs
    "docs/embedding.md": 2,  # tests/web runs the module
    "docs/finding-a-fault.md": 3,
    "docs/jobs.md": 4,  # tests/jobs and tests/cli run such commands
    "docs/exactness.md": 1,  # tests/openface runs it on a stub
    "docs/openface.md": 6,  # tests/openface runs them on a stub
    "docs/performance.md": 1,
    "docs/stores.md": 2,  # tests/storage and tests/jobs/test_s3.py have an object store
}


def test_every_block_has_a_language_that_is_known() -> None:
    for page in PAGES:
        for example in examples(page):
            assert example.language in RUN + READ, f"{page}:{example.line}: ```{example.language}"
        fences = PAGES[page].read_text(encoding="utf-8").count("\n```")
        assert fences + PAGES[page].read_text(encoding="utf-8").startswith("```") == 2 * len(
            examples(page)
        ), page


def test_what_is_not_run_is_counted() -> None:
    found = {page: sum(bool(example.not_run) for example in examples(page)) for page in PAGES}
    assert {page: count for page, count in found.items() if count} == NOT_RUN
    run = [one for page in PAGES for one in examples(page) if one.language in RUN and not one.not_run]
    assert len(run) >= 60


def page_cases() -> list[object]:
    """The pages with examples. Without --slow, only those that new users read first."""
    pages = [page for page in PAGES if any(one.language in RUN for one in examples(page))]
    first = ("README.md", "docs/tutorial.md")
    return [page if page in first else pytest.param(page, marks=pytest.mark.slow) for page in pages]


@pytest.mark.parametrize("page", page_cases())
def test_the_page(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    # plots take most of the time of a report; tests/trace/test_report.py has all
    monkeypatch.setattr("mtcnn_cpp.trace.report.sections.MAX_PLOTS", 1)
    runner = Runner(page)
    missing: dict[str, None] = {}
    for example in examples(page):
        if example.language not in RUN or example.not_run:
            continue
        if example.missing:
            missing.update(dict.fromkeys(example.missing))
            continue
        runner.run(example)
    if missing:
        pytest.skip(f"all ran but those that need {', '.join(missing)}")


@pytest.mark.parametrize(
    ("page", "old", "new"),
    [
        ("README.md", "faces.aligned(", "faces.align("),
        ("README.md", "--format json ", "--fromat json "),
        ("docs/finding-a-fault.md", "450 tensors", "451 tensors"),
        ("docs/coming-from.md", "[181, 60, 89, 114]", "[181, 60, 89, 115]"),
        ("docs/index.md", "Detector()", "Detektor()"),
        ("docs/explorer.md", "explore --sample", "explore --simple"),
    ],
)
def test_a_planted_mistake_is_found(
    page: str, old: str, new: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = PAGES[page].read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "page.md").write_text(text.replace(old, new), encoding="utf-8")
    monkeypatch.setitem(PAGES, page, tmp_path / "page.md")
    with pytest.raises((AssertionError, NameError, AttributeError)):
        test_the_page(page, tmp_path, monkeypatch)
