"""Texts use the terms of CONTRIBUTING.md: a list of words and phrases that must not come back."""

from __future__ import annotations

from pathlib import Path

import language
import pytest
from images import ROOT

SUFFIXES = (".py", ".pyi", ".h", ".cpp", ".inc", ".js", ".html", ".j2", ".md")
PATTERNS = (
    "*.md",
    "docs/*.md",
    "docs/gallery/*",
    "docs/images/*.py",
    "docs/site_parts/*.py",
    "benchmarks/**/*",
)
PATTERNS += ("fuzz/*", "third_party/**/*.md", "third_party/**/*.py", "python/mtcnn_cpp/**/*", "cpp/**/*")
# A file and a phrase that it needs: quoted titles, terms of other projects, keys of file formats.
ALLOWED = {
    ("CONTRIBUTING.md", "words"),  # of the list of words
    ("HACKING.md", "figures"),  # of matplotlib
    ("cpp/trace/mtcnn_trace_writer.h", "picture"),  # a key of traces
    ("docs/porting.md", "dense layer"),  # a quoted question
}


def area(file: Path) -> str:
    """The part of the tree that a file belongs to: a page, or two levels of folders."""
    parts = file.relative_to(ROOT).parts
    depth = {"python": 3, "cpp": 2, "docs": 1, "benchmarks": 1, "third_party": 1}.get(parts[0], 1)
    return "/".join(parts[:depth])


def files() -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for pattern in PATTERNS:
        for file in sorted(ROOT.glob(pattern)):
            if file.suffix in SUFFIXES and file.is_file():
                found.setdefault(area(file), []).append(file)
    return found


FILES = files()


@pytest.mark.parametrize("name", sorted(FILES))
def test_texts(name: str) -> None:
    found = language.report([text for file in FILES[name] for text in language.texts_of(file)], ALLOWED)
    assert not found, "\n".join(["", *found])


def test_help() -> None:
    texts = list(language.help_texts())
    assert len(texts) > 100
    assert not language.report(texts), "\n".join(["", *language.report(texts)])


@pytest.mark.parametrize(
    "sentence",
    [
        "Use the picture that comes along.",
        "At most so many; 0 for all CPUs.",
        "Who computes: core, generic.",
        "The job goes on.",
        "One row a face, best face first.",
        "An array that is red first.",
        "The caller is told that the file is not as it should be.",
        "None where not asked for.",
        "The guilty knob is named by itself.",
        "A stranger's file is passed over.",
        "The twin of the core, in a room of ours.",
        "The crew begins anew; the foreman hears of it.",
        "An outlet of the stand-in for a dense layer of theirs.",
        "Frames that are looked at.",
    ],
)  # fmt: skip
def test_a_planted_sentence_is_found(sentence: str, tmp_path: Path) -> None:
    """In a page, a docstring, a comment, an error, and a comment in C++."""
    for name, text in {
        "page.md": f"# Title\n\n{sentence}\n",
        "docstring.py": f'def f():\n    """{sentence}"""\n',
        "comment.py": f"x = 1  # {sentence}\n",
        "error.py": f'raise ValueError(f"{{file}}: {sentence}")\n',
        "comment.cpp": f"int x;  // {sentence}\n",
        "error.cpp": f'throw std::runtime_error("{sentence}");\n',
    }.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        assert language.report(language.texts_of(tmp_path / name)), name
    split = sentence.replace(" ", "\n# ")
    (tmp_path / "lines.py").write_text(f"# {split}\n", encoding="utf-8")
    assert language.report(language.texts_of(tmp_path / "lines.py"))


def test_plain_english_and_code_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text(
        '"""Register a hook for the duration of the `with` block. The key `picture` stays."""\n'
        'KIND = "picture"\n# Maximum number of threads.\n'
    )
    assert not language.report(language.texts_of(tmp_path / "good.py"))
