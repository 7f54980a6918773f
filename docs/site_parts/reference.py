"""A page for each public module, of its docstrings: `docs/generated/reference`.

Every public name is said to live in its public module, so that `mtcnn_cpp.Detector` is not shown, or linked,
as `mtcnn_cpp.detector.Detector`.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mtcnn_cpp

MODULES = {
    "mtcnn_cpp": "Detecting: what most programs need.",
    "mtcnn_cpp.model": "The three networks as data.",
    "mtcnn_cpp.types": "Names of types, for annotations.",
    "mtcnn_cpp.image": "Pictures of any kind in, checked pixels out.",
    "mtcnn_cpp.video": "Frames of videos, streams and cameras.",
    "mtcnn_cpp.table": "One row a face, written and read back.",
    "mtcnn_cpp.tracking": "Numbers that follow faces through a video.",
    "mtcnn_cpp.jobs": "Names, a plan, units, a table or a folder of parts.",
    "mtcnn_cpp.stores": "Folders and files here or in an object store.",
    "mtcnn_cpp.arrow": "Faces added to Arrow tables.",
    "mtcnn_cpp.ray": "Jobs and data sets on Ray.",
    "mtcnn_cpp.trace": "Traces: recorded, kept, compared, explained.",
    "mtcnn_cpp.rerun": "A trace run again, whole or layer by layer.",
    "mtcnn_cpp.backends": "Who computes: the core, the reference, ONNX Runtime, PyTorch, OpenFace.",
    "mtcnn_cpp.formats": "Networks of other programs, in and out.",
    "mtcnn_cpp.verify": "Is an export right?",
    "mtcnn_cpp.doctor": "What is wrong with a port?",
    "mtcnn_cpp.conformance": "Cases, grades and score cards for any implementation.",
    "mtcnn_cpp.compare_original": "OpenFace's own detector and this package side by side, compared in bits.",
    "mtcnn_cpp.reference": "The specification that runs, in NumPy.",
    "mtcnn_cpp.notebook": "What a notebook shows.",
}
# What public functions give, and nobody makes: described beside them, under the names they have.
MET = {
    "mtcnn_cpp": ["detected_frame.DetectedFrame"],
    "mtcnn_cpp.types": ["types.PilImage"],
    "mtcnn_cpp.trace": [
        "trace.file.manifest.Manifest",
        "trace.file.manifest.Entry",
        "trace.file.statistics.Statistics",
        "trace.judge.explanation.Explanation",
        "trace.judge.explanation.Term",
        "trace.judge.explanation.Running",
        "trace.judge.side_by_side.SideBySide",
        "trace.judge.figures.Figures",
        "trace.judge.figures.Spread",
        "trace.judge.figures.Worst",
    ],
    "mtcnn_cpp.backends": ["backends.engine.Engine"],
    "mtcnn_cpp.conformance": [
        "conformance.card.CaseGrade",
        "conformance.faces.FaceGrade",
        "conformance.layers.LayerGrade",
    ],
    "mtcnn_cpp.compare_original": [
        "compare_original.result.CaseResult",
        "compare_original.result.Count",
        "compare_original.cases.Case",
    ],
}
# What stands in annotations and is nobody's business: no links. Any other name without a page is a warning.
INNER = {
    "backends.runner.Runner",
    "compare_original.result.Spread",
    "conformance.results.FolderResults",
    "conformance.results.Result",
    "drawing.Drawable",
    "drawn_video.DrawnVideo",
    "formats.found.FoundNetwork",
    "jobs.parts.Found",
    "jobs.run.Output",
    "jobs.unit.Unit",
    "notebook.faces.Found",
    "notebook.trace_table.Described",
    "reference.cascade.ForwardPasses",
    "reference.options.Options",
    "trace.file.trace.Values",
    "trace.record.torch_hooks.Watch",
    "trace.show.cases.Case",
}
# Libraries whose own documentation is elsewhere, and whose names are therefore no links.
FOREIGN = ("numpy", "np", "NDArray", "pandas", "pyarrow", "pa", "supervision", "torch", "onnx", "onnxruntime",
           "ray", "weakref", "pathlib", "Path", "collections", "typing", "os", "PIL", "cv2", "types", "enum",
           "contextlib", "threading", "dataclasses", "abc", "fsspec", "io", "_thread")  # fmt: skip


def public(module: str) -> list[str]:
    """The public names of a module: `__all__`, or what it defines itself, in order."""
    found = importlib.import_module(module)
    if hasattr(found, "__all__"):
        return list(found.__all__)
    return [
        name
        for name, value in vars(found).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module
    ]


def names() -> Iterator[tuple[str, str, Any]]:
    """Every public name: its module, the name, what it is."""
    for module in MODULES:
        for name in public(module):
            yield module, name, getattr(importlib.import_module(module), name)


def _homes() -> dict[str, str]:
    """The public place of every class and function, by the place where it is defined and by its bare name."""
    homes: dict[str, str] = {}
    for module, name, value in names():
        home = f"{module}.{name}"
        homes.setdefault(name, home)
        if inspect.isclass(value) or inspect.isfunction(value):
            homes.setdefault(f"{value.__module__}.{value.__qualname__}", home)
    return homes


def write(app: Any) -> None:
    app.env.mtcnn_cpp_homes = _homes()
    folder = Path(app.srcdir) / "generated" / "reference"
    folder.mkdir(parents=True, exist_ok=True)
    done: set[tuple[str, int]] = set()
    lines = [
        "# Reference",
        "",
        "Every public name, of its docstring.",
        "",
        "| module | what is in it |",
        "|---|---|",
    ]
    for module, words in MODULES.items():
        lines.append(f"| [`{module}`]({module}.md) | {words} |")
        (folder / f"{module}.md").write_text(_page(module, words, done), encoding="utf-8")
    lines += ["", "```{toctree}", ":hidden:", "", *MODULES, "```", ""]
    (folder / "index.md").write_text("\n".join(lines), encoding="utf-8")


def _page(module: str, words: str, done: set[tuple[str, int]]) -> str:
    """A class that an earlier page has is a link to it."""
    found = importlib.import_module(module)
    lines = [f"# {module}", "", words, "", "```{eval-rst}", f".. py:module:: {module}", ""]
    for name in public(module):
        value = getattr(found, name)
        if (name, id(value)) in done:
            lines += [f"``{name}``: :py:obj:`{_homes()[name]}`", ""]
            continue
        done.add((name, id(value)))
        if inspect.isclass(value) or inspect.isfunction(value):
            value.__module__ = module
        kind = (
            "autoclass"
            if inspect.isclass(value)
            else "autofunction"
            if inspect.isroutine(value)
            else "autodata"
        )
        lines.append(f".. {kind}:: {module}.{name}")
        if kind == "autodata" and _is_long(value):
            lines.append("   :no-value:")
        lines.append("")
    lines += [f".. autoclass:: mtcnn_cpp.{name}\n" for name in MET.get(module, [])]
    return "\n".join([*lines, "```", ""])


def _is_long(value: object) -> bool:
    return len(repr(value)) > 60


def resolve(app: Any, env: Any, node: Any, contnode: Any) -> Any:
    """Links of annotations: a private place is its public one; names of other libraries are plain text."""
    target = node.get("reftarget", "")
    if node.get("refdomain") != "py":
        return None
    home = env.mtcnn_cpp_homes.get(target)
    if home and home != target:
        domain = env.get_domain("py")
        found = domain.resolve_xref(env, node["refdoc"], app.builder, "obj", home, node, contnode)
        if found is not None:
            return found
    if target.startswith("mtcnn_cpp"):
        return contnode if target.removeprefix("mtcnn_cpp.") in INNER else None
    return contnode if target.startswith(FOREIGN) or "." not in target else None


def to_rst(app: Any, what: str, name: str, obj: object, options: Any, lines: list[str]) -> None:
    """Docstrings here are plain text with names in `backticks`; data has a comment in the code instead."""
    if what == "data":
        lines[:] = comment_of(name).splitlines()
    lines[:] = as_rst("\n".join(lines)).splitlines()


def with_plain_aliases(
    app: Any, what: str, name: str, obj: object, options: Any, signature: str | None, result: str | None
) -> tuple[str | None, str | None]:
    """Sphinx writes an alias in a union as TypeAliasForwardRef('its name')."""
    pattern = re.compile(r"TypeAliasForwardRef\('([\w.]+)'\)")
    plain = [pattern.sub(r"\1", text) if text else text for text in (signature, result)]
    return plain[0], plain[1]


def as_rst(text: str) -> str:
    """Plain text as reStructuredText: paragraphs, and lines as they stand where some are indented."""
    paragraphs = []
    for paragraph in re.split(r"\n\s*\n", text.strip("\n")):
        lines = [_inline(line) for line in paragraph.splitlines()]
        if any(line[:1].isspace() for line in lines):
            lines = [f"| {_indent(line)}{line.strip()}" for line in lines]
        paragraphs.append("\n".join(lines))
    return "\n\n".join(paragraphs) + "\n"


def _indent(line: str) -> str:
    return "\u2003" * ((len(line) - len(line.lstrip())) // 2)


def _inline(line: str) -> str:
    """Signs of reStructuredText are escaped, and what stands in backticks is literal."""
    text = ""
    for part in re.split(r"(`+[^`]+`+)", line):
        if part.startswith("`"):
            text += f"``{part.strip('`')}``"
        elif part:
            escaped = re.sub(r"([*_|\\<>])", r"\\\1", part)
            text += f"\\ {escaped}" if text and part[0].isalnum() else escaped
    return text


def comment_of(name: str) -> str:
    """The comment beside or above a constant of the package."""
    bare = name.rpartition(".")[2]
    root = Path(mtcnn_cpp.__file__).parent
    place = root.joinpath(*name.split(".")[1:-1])
    for file in sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]:
        found = re.search(
            rf"((?:^#.*\n)*)^{bare}\b(?:: [^=\n]+)? = (.*)", file.read_text("utf-8"), flags=re.M
        )
        if found:
            beside = re.search(r"  # (.*)", found[2])
            return "\n".join(line[2:] for line in found[1].splitlines()) or (beside[1] if beside else "")
    return ""


def setup(app: Any) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", to_rst)
    app.connect("autodoc-process-signature", with_plain_aliases)
    app.connect("builder-inited", write)
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": False}
