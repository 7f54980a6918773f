"""One set of figures: what README.md and docs/performance.md say is in benchmarks/README.md."""

from __future__ import annotations

import re

import pytest
from images import ROOT

BENCHMARKS = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")


def figures(text: str) -> list[str]:
    """Milliseconds on one thread and on two beside the other ports; share of the peak; the fastest port."""
    ours = re.findall(r"^  mtcnn_cpp +\d +([\d.]+)", text, flags=re.M)
    (share,) = re.findall(r"^  avx512 +1 .* ([\d.]+) % ", text, flags=re.M)
    theirs = re.findall(r"^  pymtcnn +\d .* ([\d.]+)x ", text, flags=re.M)
    assert (len(ours), len(theirs)) == (2, 2)
    one, two = map(float, ours)
    return [
        f"{one:.1f} ms on one core",
        f"{two:.1f} ms on two",
        f"{float(share):.0f} % of all the multiply-adds",
        f"{float(theirs[0]):.1f} times as long on one thread and {float(theirs[1]):.0f} times on two",
    ]


@pytest.mark.parametrize("page", ["README.md", "docs/performance.md"])
def test_the_figures(page: str) -> None:
    text = " ".join((ROOT / page).read_text(encoding="utf-8").split())
    for words in figures(BENCHMARKS):
        assert words in text, words
    assert re.findall(r"([\d.]+) ms on", text) == [words.split()[0] for words in figures(BENCHMARKS)[:2]]
