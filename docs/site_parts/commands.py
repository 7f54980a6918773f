"""A page for each command, of the tree of commands itself: `docs/generated/commands`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from mtcnn_cpp.cli import app

PROGRAM = "mtcnn-cpp"


def pages() -> dict[str, str]:
    """The Markdown of each page by its name, `index` first."""
    group: Any = typer.main.get_command(app)
    found = dict(_commands(group))
    lines = [
        "# Commands",
        "",
        "Made of the program's own help. `mtcnn-cpp COMMAND --help` says the same.",
        "",
    ]
    lines += ["| command | what it does |", "|---|---|"]
    for name, command in found.items():
        lines.append(
            f"| [`{PROGRAM} {name}`]({_file(name)}.md) | {_cell(_help(command).partition(chr(10))[0])} |"
        )
    lines += ["", "```{toctree}", ":hidden:", "", *map(_file, found), "```", ""]
    return {"index": "\n".join(lines)} | {
        _file(name): _page(name, command) for name, command in found.items()
    }


def _commands(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if command.hidden:
            continue
        if hasattr(command, "commands"):
            yield from _commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


def _file(name: str) -> str:
    return name.replace(" ", "-")


def _help(command: Any) -> str:
    return inspect.cleandoc(command.help or "").replace("\b\n", "").split("\f")[0].strip()


def _page(name: str, command: Any) -> str:
    context = command.context_class(command, info_name=name)
    usage = re.sub(r"\{(\w+)\}", r"\1", " ".join(command.collect_usage_pieces(context))).upper()
    lines = [f"# {name}", "", "```text", f"{PROGRAM} {name} {usage}", "```", ""]
    lines += [_escaped(_help(command)), ""]
    panels: dict[str, list[str]] = {}
    for one in command.params:
        record = one.get_help_record(context)
        if record is None or getattr(one, "hidden", False):
            continue
        panel = "Arguments" if one.param_type_name == "argument" else one.rich_help_panel or "Options"
        panels.setdefault(panel, []).append(_row(*record))
    for panel, rows in panels.items():
        lines += [f"## {panel}", "", "| | meaning | default |", "|---|---|---|", *rows, ""]
    return "\n".join(lines)


def _row(names: str, text: str) -> str:
    """`names` as "-o, --output <str>"; the text ends in "[default: …]", "[required]" or neither."""
    text = text.replace("\\[", "[")
    found = re.fullmatch(r"(.*?)(?:\s*\[(default: [^][]*|required)\])?", text, flags=re.S)
    assert found
    names = re.sub(r"<list\[(.+?)\]>", r"<\1>", names)
    default = (found[2] or "").removeprefix("default: ").replace("|", "\\|")
    shown = (
        "" if not default else default if default == "required" or default.startswith("(") else f"`{default}`"
    )
    return f"| `{names.replace('|', chr(92) + '|')}` | {_cell(found[1])} | {shown} |"


def _cell(text: str | None) -> str:
    """A line for a table."""
    return _escaped(" ".join((text or "").split())).replace("|", "\\|").strip()


def _escaped(text: str) -> str:
    """Signs that Markdown would take for its own; what stands in backticks is left alone."""
    parts = re.split(r"(``[^`]+``|`[^`]+`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([*_<>\[\]])", r"\\\1", part) for part in parts)


def write(app: Any) -> None:
    folder = Path(app.srcdir) / "generated" / "commands"
    folder.mkdir(parents=True, exist_ok=True)
    made = pages()
    for old in folder.glob("*.md"):
        if old.stem not in made:
            old.unlink()
    for name, text in made.items():
        (folder / f"{name}.md").write_text(text, encoding="utf-8")


def setup(app: Any) -> dict[str, bool]:
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True}
