"""A page for each public module, of its docstrings: `docs/generated/reference`.

`__module__` of every public name is set to its public module, so that `mtcnn_cpp.Detector` is not shown, or
linked, as `mtcnn_cpp.detector.detector.Detector`.
"""

from __future__ import annotations

import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mtcnn_cpp

MODULES = {
    "mtcnn_cpp": "Detection: the names that most programs need.",
    "mtcnn_cpp.compat.facenet_pytorch": "The interface of facenet-pytorch.",
    "mtcnn_cpp.compat.mtcnn": "The interface of mtcnn.",
    "mtcnn_cpp.detections.annotations": "Faces for annotation tools: COCO, YOLO, Label Studio.",
    "mtcnn_cpp.model": "The three networks as data.",
    "mtcnn_cpp.types": "Names of types, for annotations.",
    "mtcnn_cpp.media.image": "Images: files of any kind.",
    "mtcnn_cpp.media.video": "Frames of videos, streams, cameras and folders of images.",
    "mtcnn_cpp.jobs.table": "Tables with one row per face: reader.",
    "mtcnn_cpp.jobs.tracking": "Face numbers that stay the same through a video.",
    "mtcnn_cpp.jobs.arrow": "Faces in Arrow tables.",
    "mtcnn_cpp.jobs.ray": "Data sets on Ray.",
    "mtcnn_cpp.trace": "Traces: record, save, compare, explain.",
    "mtcnn_cpp.trace.replay": "Replay of a trace, as a whole or layer by layer.",
    "mtcnn_cpp.backends": "Networks in ONNX Runtime and PyTorch, layer by layer.",
    "mtcnn_cpp.formats": "Network files of other programs: import and export.",
    "mtcnn_cpp.ports.verify": "Is an export right?",
    "mtcnn_cpp.ports.doctor": "What is wrong with a port?",
    "mtcnn_cpp.ports.conformance": "Cases, grades and score cards for any implementation.",
    "mtcnn_cpp.ports.compare_original": "Comparison with OpenFace's own detector, bit by bit.",
}
# Types that public functions return and users do not create: described on the same page.
MET = {
    "mtcnn_cpp": ["detector.batch.DetectedFrame"],
    "mtcnn_cpp.trace": [
        "trace.manifest.Manifest",
        "trace.manifest.TensorInfo",
        "trace.manifest.ImageInfo",
        "trace.manifest.Statistics",
        "trace.comparison.explanation.Explanation",
        "trace.comparison.explanation.Term",
        "trace.comparison.explanation.PartialResult",
        "trace.comparison.explanation.DifferenceExplanation",
        "trace.comparison.statistics.DifferenceStatistics",
        "trace.comparison.statistics.Distribution",
        "trace.comparison.statistics.WorstElement",
    ],
    "mtcnn_cpp.ports.verify": [
        "ports.verify.FaceCheck",
        "ports.verify.LayerCheck",
        "ports.verify.OutputCheck",
    ],
    "mtcnn_cpp.ports.conformance": [
        "ports.conformance.score_card.CaseGrade",
        "ports.conformance.grading.FaceGrade",
        "ports.conformance.grading.LayerGrade",
    ],
    "mtcnn_cpp.ports.compare_original": [
        "ports.compare_original.result.CaseResult",
        "ports.compare_original.result.Count",
        "ports.compare_original.cases.Case",
    ],
}
# Private types in annotations, without a link. Any other name without a page is a warning.
INNER = {
    "backends.engine.Engine",
    "ports.compare_original.result.Spread",
    "media.annotation.HasFaces",
    "media.image.pixels.Pixels",
    "media.video.frame_iterator.T",
    "formats.found.FoundNetwork",
    "detections.notebook.tensors.TensorView",
    "reference.options.Options",
    "trace.trace.Values",
    "trace.recorders._ModuleHooks",
    "trace.report.checks.CheckResult",
}
# Libraries whose own documentation is elsewhere, and whose names are therefore no links.
THIRD_PARTY = (
    *(
        "numpy",
        "np",
        "NDArray",
        "pandas",
        "pyarrow",
        "pa",
        "supervision",
        "torch",
        "onnx",
        "onnxruntime",
        "ray",
    ),
    *(
        "weakref",
        "pathlib",
        "Path",
        "collections",
        "typing",
        "os",
        "PIL",
        "cv2",
        "types",
        "enum",
        "contextlib",
    ),
    *("threading", "dataclasses", "abc", "fsspec", "io", "_thread"),
)
SECTION = re.compile(r"^((?:Args|Attributes|Returns|Yields|Raises|Examples?|Notes?|Warnings?):)$", re.M)


def public(module: str) -> list[str]:
    """The public names of a module: `__all__`, in order."""
    return list(importlib.import_module(module).__all__)


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
    is_prose = " " in target or not target[:1].isalpha()  # the text of `Returns:` before a colon
    return contnode if is_prose or target.startswith(THIRD_PARTY) or "." not in target else None


def prepare_docstring(app: Any, what: str, name: str, obj: object, options: Any, lines: list[str]) -> None:
    """Prepare a docstring for Napoleon; the description of data is a comment in the code."""
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
    """Escape plain text with names in `backticks`; sections in Google style are left to Napoleon."""
    description, *sections = SECTION.split(text.strip("\n"))
    paragraphs = []
    for paragraph in re.split(r"\n\s*\n", description):
        lines = [_inline(line) for line in paragraph.splitlines()]
        if any(line[:1].isspace() for line in lines):
            lines = [f"| {_indent(line)}{line.strip()}" for line in lines]
        paragraphs.append("\n".join(lines))
    for title, body in zip(sections[::2], sections[1::2], strict=True):
        if title.startswith("Example") and ">>>" not in body:  # code
            body = "\n    ::\n\n" + textwrap.indent(body.strip("\n"), "    ")
        elif not title.startswith("Example"):
            body = "\n".join(map(_inline, body.splitlines()))
        paragraphs.append(f"{title}{body}")
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
    app.connect("autodoc-process-docstring", prepare_docstring, priority=400)  # before Napoleon
    app.connect("autodoc-process-signature", with_plain_aliases)
    app.connect("builder-inited", write)
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": False}
