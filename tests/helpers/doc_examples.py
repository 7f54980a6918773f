"""The examples of README.md and of the pages in docs, and how they are run.

An example is a fenced block. The line before it can contain a comment: `<!-- not run: REASON -->` or
`<!-- needs: MODULE, MODULE -->`. The examples of a page run in order in one folder, and the Python code in
one scope. `props` prepares the files and variables that the pages use.
"""

from __future__ import annotations

import atexit
import functools
import importlib.util
import re
import shlex
import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from images import ROOT
from mtcnn_cpp import Detector, Model, sample_image
from mtcnn_cpp.cli import app
from mtcnn_cpp.media.sample_video import write_sample_video
from typer.main import get_command
from typer.testing import CliRunner

PAGES = {
    page.relative_to(ROOT).as_posix(): page
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
}
RUN = ("python", "sh", "console")  # other languages are not checked here
READ = ("text", "json", "toml", "cmake", "cpp", "js", "{include}", "{toctree}", "{glossary}")
BLOCK = re.compile(r"(?:^<!-- (not run|needs): (.+?) -->\n)?^```(\S*)[^\n]*\n(.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Example:
    page: str
    line: int
    language: str
    text: str
    not_run: str
    needs: tuple[str, ...]

    @property
    def missing(self) -> list[str]:
        return [name for name in self.needs if importlib.util.find_spec(name) is None]


def examples(page: str) -> list[Example]:
    text = PAGES[page].read_text(encoding="utf-8")
    found = []
    for match in BLOCK.finditer(text):
        mark, arguments, language, body = match.groups(default="")
        needs = tuple(arguments.split(", ")) if mark == "needs" else ()
        line = text.count("\n", 0, match.start(4)) + 1
        found.append(Example(page, line, language, body, arguments if mark == "not run" else "", needs))
    return found


class Runner:
    """Runs a page's examples in the current folder."""

    def __init__(self, page: str) -> None:
        self.scope: dict[str, Any] = {"__name__": "example"} | props(Path())
        if "sample clip.mp4" in PAGES[page].read_text(encoding="utf-8"):
            Path("clip.mp4").unlink()

    def run(self, example: Example) -> None:
        where = f"{example.page}:{example.line}"
        if example.language == "python":
            code = compile("\n" * (example.line - 1) + example.text, example.page, "exec")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                exec(code, self.scope)
        elif example.language == "console":
            for command, expected in re.findall(r"^\$ (.*)\n((?:[^$].*\n)*)", example.text, flags=re.M):
                self._command(command, where, codes=(0, 1), begins=expected)
        else:
            for line in example.text.replace("\\\n", " ").splitlines():
                for command in line.partition(" # ")[0].split("&&"):
                    self._command(command.strip(), where, codes=(0,))

    def _command(self, command: str, where: str, codes: tuple[int, ...], begins: str = "") -> None:
        arguments = shlex.split(command)
        if not arguments or arguments[0] in (".", "pytest", "python3", "sphinx-build", "cmake"):
            return  # tools, not this program; .ci/run has them
        if arguments[0] == "pip":
            for extra in re.findall(r"\[([\w,]+)\]", command):
                assert set(extra.split(",")) <= extras(), f"{where}: no such extra: {command}"
            return
        assert arguments[0] == "mtcnn-cpp", f"{where}: what program is this? {command}"
        if arguments[1] == "explore":  # it runs until Ctrl-C; tests/explore runs it
            try:
                _parse(arguments[1:])
            except Exception as error:
                raise AssertionError(f"{where}: {command}: {error}") from error
            return
        result = CliRunner().invoke(app, arguments[1:])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code in codes, f"{where}: {command}\n{result.output}"
        assert result.stdout.startswith(begins), f"{where}: {command}\n{result.stdout}"


def _parse(arguments: list[str]) -> None:
    """Parse a command without running it. Raises click's UsageError for unknown commands and options."""
    group: Any = get_command(app)
    context = group.make_context("mtcnn-cpp", list(arguments))
    name, command, rest = group.resolve_command(context, list(arguments))
    command.make_context(name, rest, parent=context)


def extras() -> set[str]:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    section = text.partition("[project.optional-dependencies]\n")[2].partition("\n\n")[0]
    return set(re.findall(r"^(\w+) = ", section, flags=re.M))


@functools.cache
def _props() -> TemporaryDirectory[str]:
    """Create the files that the pages use, once."""
    import cv2

    temporary = TemporaryDirectory()
    atexit.register(temporary.cleanup)
    folder = Path(temporary.name)
    image = sample_image()
    for name in (
        "photo.jpg",
        "photo.png",
        "a.jpg",
        "b.jpg",
        "study/one.png",
        "study/deep/two.jpg",
        "more/3.jpg",
        *(f"frames/img_{number:04}.png" for number in range(1, 6)),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(folder / name), image)
    write_sample_video(folder / "clip.mp4")
    (folder / "list.txt").write_text("photo.png\n", encoding="utf-8")
    Model.default().save(folder / "folder" / "with")
    Model.default().save(folder / "theirs")
    Detector().trace(image).save(folder / "gold.npz")
    Detector(backend="generic").trace(image).save(folder / "mine.npz")
    theirs = Detector(min_face=40).trace(image, only=["pnet/level00/*"])  # 40 is the default of the doctor
    np.savez(folder / "theirs.npz", **{name: theirs[f"pnet/level00/{name}"] for name in ("conv1", "fc1")})
    if all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime")):
        from mtcnn_cpp.formats import export_onnx

        export_onnx(Model.default(), folder / "exported")
        (folder / "their_rnet.onnx").write_bytes((folder / "exported" / "rnet.onnx").read_bytes())
    return temporary


def props(folder: Path) -> dict[str, Any]:
    """Copy the files of the pages into a folder; return the variables that the pages do not define."""
    shutil.copytree(_props().name, folder, dirs_exist_ok=True)
    image = sample_image()
    return {
        "image_bgr": image,
        "image_rgb": np.ascontiguousarray(image[..., ::-1]),
        "image": image,
        "images": [image, image[:200, :300]],
        "paths": ["photo.png", "photo.jpg"],
        "batch": np.zeros((2, 3, 24, 24), np.float32),
        "maps": np.zeros((2, 28, 11, 11), np.float32),
    }
