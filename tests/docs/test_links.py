"""Links of README.md and of the pages: each leads to a file that is there, and to a heading in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from doc_examples import PAGES
from images import ROOT

OTHERS = ("HACKING.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")
OTHERS += ("benchmarks/README.md", "docs/gallery/README.md")
DOCUMENTS = [*PAGES.values(), *(ROOT / name for name in OTHERS)]
LINK = re.compile(r"(?<!!)\[[^]\n]*\]\(([^)\s]+)\)|!\[[^]]*\]\(([^)\s]+)\)")
# Places outside of this repository. No test goes there; whoever adds one has looked at it.
OUTSIDE = {"https://img.shields.io/badge/OpenFace%20MTCNN%20v1-close%20in%2012%20cases-yellowgreen"}


def prose(page: Path) -> str:
    text = page.read_text(encoding="utf-8")
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))


def targets(page: Path) -> list[str]:
    return [one or other for one, other in LINK.findall(prose(page))]


def anchors(page: Path) -> set[str]:
    """As code hosts and this site make them of headings."""
    headings = re.findall(
        r"^#+ (.+)$", re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.M | re.S), re.M
    )
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def check(page: Path) -> int:
    count = 0
    for target in targets(page):
        if target.startswith(("http:", "https:")):
            assert target in OUTSIDE, f"{page}: {target}"
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.is_file(), f"{page}: {target}"
        assert ROOT in file.parents, f"{page}: {target} lies outside of the repository"
        assert "generated" not in file.relative_to(ROOT).parts, f"{page}: {target} is not kept: {file}"
        assert not anchor or anchor in anchors(file), f"{page}: {target}"
        count += 1
    return count


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links(page: Path) -> None:
    check(page)


def test_there_are_links() -> None:
    assert check(ROOT / "README.md") > 20
    assert sum(map(check, DOCUMENTS)) >= 80


def test_the_readme_leads_to_every_page() -> None:
    """Directly or by way of the front page; but for those that only show another file."""
    reached = {ROOT / "README.md"}
    todo = list(reached)
    while todo:
        page = todo.pop()
        for target in targets(page):
            file = (page.parent / target.partition("#")[0]).resolve()
            if file.suffix == ".md" and file.is_file() and file not in reached:
                reached.add(file)
                todo.append(file)
    shown = {"changelog.md", "security.md", "benchmarks.md", "glossary.md"}
    assert {page for page in PAGES.values() if page.name not in shown} <= reached


@pytest.mark.parametrize(
    "link", ["[x](gone.md)", "[x](jobs.md#no-such-heading)", "[x](https://a.b)", "![](no.png)"]
)
def test_a_planted_link_is_found(link: str, tmp_path: Path) -> None:
    page = ROOT / "docs" / "planted.md"
    text = f"# Planted\n\n{link}\n"
    stand_in = type("Page", (), {"read_text": lambda self, *a, **k: text, "parent": page.parent})()
    with pytest.raises(AssertionError):
        check(stand_in)
