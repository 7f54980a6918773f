"""Words and phrases that do not belong in the project's texts, and the texts in which they are searched.

CONTRIBUTING.md has the table of terms. A text is a Markdown page, the help of a command, a docstring,
a comment or a string literal of several words (errors, warnings, notes, headings of reports).
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from images import ROOT

# A pattern (whole words, any case) and what to write instead.
BANNED = {
    # home-made terms
    r"pictures?": "image",
    r"(red|blue)[- ]first": "RGB, BGR",
    r"best (face |score )?first": "sorted by descending score",
    r"twins?": "reference implementation",
    r"(?<!clean )rooms?": "component, module; for memory: space",
    r"dense layers?": "fully connected layer",
    r"laid flat": "flattened",
    r"guilty": "faulty",
    r"knobs?": "parameter",
    r"theirs": "candidate",
    r"ours": "reference, or the name of the thing",
    r"outlets?": "graph output",
    r"stand-ins?": "stub",
    r"foreign": "third-party, untrusted",
    r"strangers?('s)?": "untrusted, third-party",
    r"crews?": "thread pool",
    r"foreman": "coordinator",
    r"chips?": "aligned face",
    r"figures": "numbers, statistics, metrics, measurements",
    r"(?<!\d-bit )words": "message, text, arguments",
    r"wiretap|taps?": "hook",
    r"drawings?": "annotated image, annotation",
    r"alarms?": "cancellation source, timer",
    r"stopwatch": "benchmark",
    # people, and texts that talk
    r"(is|are|was|were|be|been|as|they) told|told (by|of|in)": "is reported",
    r"tell|tells": "report, show, distinguish",
    r"hears?|heard": "react to, detect",
    r"speaks?": "describe, state",
    r"wants|wanted": "requires, expects, requested",
    r"knows? (of|nothing|no)": "does not depend on",
    r"who computes": "backend that runs the networks",
    r"who(ever|soever)": "the user, the caller, a program that",
    r"nobody|somebody|anybody": "no one; better: name the reader or the program",
    r"of (a|the) (caller|user|owner)'s": "of the caller",
    # phrases that are not idiomatic
    r"(comes?|that came|coming) along": "bundled, included",
    r"so many": "a number; say which one",
    r"(goes|go|going|went) on": "continues",
    r"as (it|they|one) should( be)?": "correct; say what is expected",
    r"by (itself|themselves)": "alone, separately, automatically",
    r"anew": "again; recomputed",
    r"passed over": "skipped, ignored",
    r"((is|are|was|were|been|be) )?looked at|looks? at|looking at": "processed, read",
    r"looked for": "searched, detected",
    r"None where": "or None if",
    r"where not (asked|given|known)": "if not requested, given, known",
    r"asks? for|asked for|asking for": "requests, requested",
    r"that (is|are) there": "existing",
    r"lay(s|ing)? beside|laid beside|lay (them|it|two|another|both)": "compare",
    r"at which they part|they part|where they part": "that differs",
    r"of (ours|theirs|his|hers|yours)": "name the owner",
    r"of (our|your|his|her) own": "separate; name the owner",
    r"(rows?|lines?|pages?|files?|folders?|hooks?|entr(y|ies)|images?|calls?|values?|names?) an? "
    r"(face|module|step|fact|row|image|picture|frame|file|layer|line|source|name|job|unit|tensor)": "one per",
    r"is no reason to": "say what happens",
    r"without end": "forever, unlimited",
    r"in order that": "so that",
    r"thrice|hitherto|thereof|therein|whereof|wherein": "plain English",
    r"at most so|at least so": "a number",
    r"how far (it|what|they|a|the)": "the difference between",
    r"once and for all": "delete",
    r"what comes": "name the thing",
    r"(house|home)-?made": "own",
}  # fmt: skip
_PHRASES = "|".join(rf"(?P<w{i}>(?:{pattern})(?!\w))" for i, pattern in enumerate(BANNED))
_PATTERN = re.compile(rf"(?<![\w-])(?:{_PHRASES})", re.I)
_WHY = list(BANNED.values())


class Text(NamedTuple):
    """A text that a person reads, and its place."""

    file: str
    line: int
    text: str


def findings(text: str) -> list[tuple[str, str, str]]:
    """Each banned phrase in a text: the phrase, its surroundings, and the replacement."""
    plain = " ".join(
        re.sub(r"`[^`]*`|\]\([^)]*\)|https?://\S+|<!--.*?-->|&\w+;", " _ ", text, flags=re.S).split()
    )
    return [
        (
            found[0],
            plain[max(0, found.start() - 50) : found.end() + 50],
            _WHY[int((found.lastgroup or "")[1:])],
        )
        for found in _PATTERN.finditer(plain)
    ]


def report(texts: list[Text], allowed: set[tuple[str, str]] = frozenset()) -> list[str]:  # type: ignore[assignment]
    """One line per finding; `allowed` holds pairs of a file and a phrase."""
    return [
        f"{text.file}:{text.line}: {phrase!r} in …{around}…: write {instead}"
        for text in texts
        for phrase, around, instead in findings(text.text)
        if (text.file, phrase.lower()) not in allowed
    ]


def texts_of(file: Path) -> list[Text]:
    """The texts of a file, by the ending of its name."""
    source = file.read_text(encoding="utf-8")
    name = file.relative_to(ROOT).as_posix() if file.is_relative_to(ROOT) else file.name
    if file.suffix in (".py", ".pyi"):
        found = list(python_texts(source))
    elif file.suffix in (".h", ".cpp", ".js", ".inc"):
        found = list(c_texts(source))
    else:
        found = [(number, line) for number, line in _paragraphs(source)]
    return [Text(name, line, text) for line, text in found]


def _paragraphs(source: str) -> Iterator[tuple[int, str]]:
    """Paragraphs of a Markdown or HTML page with their first line numbers; of code examples, the comments."""
    start, lines, is_code = 1, list[str](), False
    for number, line in enumerate([*source.splitlines(), ""], start=1):
        if line.startswith("```"):
            is_code = not is_code
            line = ""
        elif is_code:
            line = (re.search(r"(?:^|\s)(?:#|//) .*", line) or [""])[0]
        if line.strip():
            if not lines:
                start = number
            lines.append(line)
        elif lines:
            yield start, "\n".join(lines)
            lines = []


def python_texts(source: str) -> Iterator[tuple[int, str]]:
    """Docstrings, comments, and string literals of three words or more."""
    docstrings = set()
    nodes = list(ast.walk(ast.parse(source)))
    for node in nodes:
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            body = node.body
            first = body[0].value if body and isinstance(body[0], ast.Expr) else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                docstrings.add(first)
                yield first.lineno, first.value
    parts = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            text = "".join(
                part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else "_"
                for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            text = "" if node in docstrings else node.value
        else:
            continue
        if len(text.split()) >= 3:
            yield node.lineno, text
    comments: dict[int, str] = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            comments[token.start[0]] = token.string.lstrip("#").strip()
    yield from _joined(comments)


def c_texts(source: str) -> Iterator[tuple[int, str]]:
    """Comments, and string literals of three words or more."""
    comments: dict[int, str] = {}
    token = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`', re.S)
    for found in token.finditer(source):
        line = source.count("\n", 0, found.start()) + 1
        if found[0].startswith("/"):
            comments[line] = found[0].strip("/* \n")
        elif len(found[0].split()) >= 3:
            yield line, found[0][1:-1]
    yield from _joined(comments)


def _joined(comments: dict[int, str]) -> Iterator[tuple[int, str]]:
    """Comments of adjacent lines as one text."""
    start = 0
    for line in sorted(comments):
        if line - 1 not in comments:
            start = line
        if line + 1 not in comments:
            yield start, " ".join(comments[number] for number in range(start, line + 1))


def help_texts() -> Iterator[Text]:
    """The help of every command, and of every argument and option."""
    import typer
    from mtcnn_cpp.cli import app

    def walk(command: Any, name: str) -> Iterator[Text]:
        yield Text(name, 0, command.help or "")
        for parameter in command.params:
            yield Text(f"{name} {parameter.opts[0]}", 0, getattr(parameter, "help", None) or "")
            yield Text(f"{name} {parameter.opts[0]}", 0, str(getattr(parameter, "show_default", "")))
        for below, each in getattr(command, "commands", {}).items():
            yield from walk(each, f"{name} {below}")

    yield from walk(typer.main.get_command(app), "mtcnn-cpp")
