"""Untrusted text on a terminal: no command prints control sequences, whatever their origin."""

from __future__ import annotations

import io
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from images import ROOT
from mtcnn_cpp import Detector, sample_image
from mtcnn_cpp._util.escape import github_message, github_property, markup_text, printable
from mtcnn_cpp.media.image.read import SAMPLE
from mtcnn_cpp.trace import Trace, compare, save_html
from mtcnn_cpp.trace.report.checks import github, junit, report_checks

pty = pytest.importorskip("pty", reason="needs pseudo-terminals, which this system lacks")
termios = pytest.importorskip("termios", reason="needs pseudo-terminals, which this system lacks")

CLIPBOARD = "\x1b]52;c;ZXZpbA==\x07"
CORPUS = [
    CLIPBOARD,
    "\x1b]0;owned\x07",
    "\x1b]8;;x\x1b\\",  # a link
    "\x1b[38;5;199m",
    "\x1b[2J",
    "\x9b31m",  # C1
    "\x85",
    "\x7f",
    "\x08",
    "q\rq",
    "\n::error::forged",
    "\u202a",
    "\u202e",
    "\u2066",
    "\u2069",
    "\u200b",
    "\u200d",
    "\ufeff",
    "\u2028",
    "\u2029",
    "\u00ad",
    "\U000e0041",  # a tag
    "[red]R[/red][link=x]L[/link]:smile:",
]
TEXT = "z".join(CORPUS)
TEXT_NAME = "n" + TEXT.replace("[/red]", "").replace("[/link]", "")
NAME = TEXT_NAME + "\udcff"  # a file name with a byte that is not UTF-8
ESCAPED = r"\x1b]52;c;ZXZpbA"
TENSOR_FIELDS = ("name", "shape", "dtype", "layout", "sha256", "statistics")
STYLES = re.compile(r"\x1b\[(\d{0,2}(;\d{1,3})*m|\?25[lh]|2K|1A)")  # what Rich writes


def check(output: bytes, *, shows: bool, data: bool = False) -> None:
    """Assert that only text and Rich's styles are printed. shows: the escaped text must occur. data: allow
    line breaks."""
    for sequence in CORPUS[:4]:
        assert sequence.encode() not in output
    text = STYLES.sub("", output.decode("utf-8", "surrogateescape"))
    wrong = {char for char in text if not (char.isprintable() or char in "\r\n")}
    assert not wrong, f"{wrong!r} in {text!r}"
    assert "q\rq" not in text
    lines = "".join(text.replace("│", "").split())
    assert not shows or ESCAPED in lines, text
    assert ":smile:" not in lines or "[red]R" in lines, text
    assert "\U0001f604" not in lines
    assert "Traceback" not in text
    if not data:
        assert "\n::error::forged" not in text


def on_terminal(
    *arguments: object, cwd: Path, until: str = "", program: tuple[str, ...] = ("-m", "mtcnn_cpp")
) -> bytes:
    """Return the terminal output of a command. until: interrupt the command after this text."""
    master, slave = pty.openpty()
    attributes = termios.tcgetattr(slave)
    attributes[1] &= ~termios.ONLCR  # line feeds are not converted
    termios.tcsetattr(slave, termios.TCSANOW, attributes)
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "100", "PYTHONIOENCODING": "utf-8"}
    environment.pop("NO_COLOR", None)
    process = subprocess.Popen(
        [sys.executable, *program, *map(os.fspath, map(_word, arguments))],
        stdin=subprocess.DEVNULL, stdout=slave, stderr=slave, cwd=cwd, env=environment,
    )  # fmt: skip
    os.close(slave)
    output, end = b"", time.monotonic() + 120
    while time.monotonic() < end:
        if select.select([master], [], [], 0.2)[0]:
            try:
                piece = os.read(master, 1 << 16)
            except OSError:  # closed at the other end
                break
            if not piece:
                break
            output += piece
        if until and until.encode() in output:
            process.send_signal(signal.SIGINT)
            until = ""
    process.kill()
    process.wait()
    os.close(master)
    return output


def _word(word: object) -> Any:
    return word if isinstance(word, (str, Path)) else str(word)


def with_manifest(path: Path, new: Path, **changes: Any) -> None:
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(new, "w") as archive:
        for name in old.namelist():
            data = old.read(name)
            if name == "manifest.npy":
                fields = json.loads(np.load(io.BytesIO(data)).tobytes())
                fields["tensors"][0] |= changes.pop("tensor", {})
                file = io.BytesIO()
                np.save(file, np.frombuffer(json.dumps(fields | changes).encode(), np.uint8))
                data = file.getvalue()
            archive.writestr(name, data)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of files with the text in names or content."""
    path = tmp_path_factory.mktemp("carriers")
    shutil.copy(SAMPLE, path / f"{NAME}.png")
    for ending in ("jpg", "npz", "npy", "onnx", "dat", "pt", "toml", "txt", "json", "mp4"):
        (path / f"{NAME}.{ending}").write_text("x")
    (path / f"{TEXT_NAME}.mp4").write_text("x")
    (path / NAME).mkdir()
    (path / "list.txt").write_text("m" + CLIPBOARD + "[red]R.png\n", errors="surrogateescape")
    trace = Detector(min_face=200).trace(sample_image())
    trace.save(path / "gold.npz")
    shutil.copy(path / "gold.npz", path / f"{NAME}.trace.npz")
    text = {"min_face": TEXT, TEXT: TEXT}
    about = {"options": text, "model": {"pnet": TEXT, TEXT: TEXT}, "made_by": {"openface": TEXT, TEXT: TEXT}}
    with_manifest(path / "gold.npz", path / "fields.npz", **about)
    other = trace.replace({"pnet/scores": trace["pnet/scores"] + np.float32(1)})
    other.save(path / "other.npz")
    with_manifest(path / "other.npz", path / "other_fields.npz", **about | {"only": [TEXT]})
    for key, value in (
        ("capture", TEXT),
        ("format", TEXT),
        ("version", TEXT),
        ("only", TEXT),
        ("picture", TEXT),
    ):
        with_manifest(path / "gold.npz", path / f"bad_{key}.npz", **{key: value})
    for key in TENSOR_FIELDS:
        with_manifest(path / "gold.npz", path / f"bad_tensor_{key}.npz", tensor={key: TEXT})
    values = trace["pnet/level00/conv1"]
    np.savez(path / "names.npz", **{TEXT: values})  # type: ignore[arg-type]
    np.savez(path / "more_names.npz", **{TEXT: values, "pnet/level00/conv1": values + 1})  # type: ignore[arg-type]
    np.savez(path / "model.npz", **{f"pnet/{TEXT}/kernel": values})  # type: ignore[arg-type]
    np.savez(path / "layers.npz", **{f"pnet/x{TEXT}/kernel": np.zeros((10, 3, 3, 3), "f4")})  # type: ignore[arg-type]
    np.save(path / "table.npy", np.array({TEXT: {"weights": 1}}, object), allow_pickle=True)
    (path / "map.json").write_text(json.dumps({TEXT: "pnet/level00/conv1"}))
    (path / "map_to.json").write_text(json.dumps({TEXT: TEXT}))
    (path / "tolerances.toml").write_text('"m\\u001b]52;c;ZXZpbA==\\u0007[red]R" = 1e-5')
    (path / "bad.toml").write_text(CLIPBOARD)
    (path / "detector").mkdir()
    (path / "detector" / "MTCNN_detector.txt").write_text(f"PNet: {TEXT}\n{TEXT}\n", errors="surrogateescape")
    (path / "results").mkdir()
    for name, found in {
        "portrait": {"error": TEXT},
        "whole": {"boxes": [], "scores": [], "layers": {TEXT: "0" * 64}},
        "strict": {TEXT: TEXT},
        "x" + CLIPBOARD + "[red]R": {},
    }.items():
        (path / "results" / f"{name}.json").write_text(json.dumps(found))
    (path / "cases").mkdir()
    index = {"format": "mtcnn_cpp conformance", "version": TEXT, "cases": [TEXT]}
    (path / "cases" / "conformance.json").write_text(json.dumps(index))
    return path


COMMANDS: list[tuple[tuple[str, ...], bool]] = [
    (("detect", f"{NAME}.png"), True),
    (("detect", f"{NAME}.png", "--format", "csv"), True),
    (("detect", f"{NAME}.png", "--format", "json"), False),  # JSON writes some of it in its own way
    (("detect", f"{NAME}.png", "--format", "jsonl"), False),
    (("detect", f"{NAME}.jpg"), True),
    (("detect", f"{TEXT_NAME}.mp4"), True),
    (("detect", f"no{NAME}.png"), True),
    (("detect", f"no{NAME}.png", f"{NAME}.png", "-o", "faces.csv"), True),
    (("detect", f"{NAME}.png", "-o", f"{NAME}.table.csv"), True),
    (("detect", f"{NAME}.png", "-o", f"{NAME}.wrong"), True),
    (("detect", f"{NAME}.png", "-o", "drawn.csv", "--save-dir", f"{NAME}.drawn"), True),
    (("detect", "@list.txt"), True),
    (("detect", f"@{NAME}.none"), True),
    (("detect", f"http://127.0.0.1:9/{TEXT_NAME}.png"), True),
    (("detect", f"s3://bucket/{NAME}"), True),
    (("detect", f"--{NAME}"), True),
    (("detect", "--threads", TEXT), False),
    ((NAME,), True),
    (("dump", f"{NAME}.png", "-o", f"{NAME}.dump.npz", "--min-face", "200"), True),
    (("dump", "--sample", "-o", f"none{NAME}/x.npz"), True),
    (("dump", "--sample", "--only", TEXT), True),
    (("diff", f"{NAME}.trace.npz", "other.npz"), True),
    (("diff", "gold.npz", "fields.npz"), True),
    (("diff", "fields.npz", "other_fields.npz", "--github"), True),
    (("diff", "gold.npz", "more_names.npz"), False),
    (("diff", "gold.npz", f"{NAME}.npz"), True),
    (("diff", "gold.npz", "other.npz", "--tolerance", "tolerances.toml"), True),
    (("diff", "gold.npz", "other.npz", "--tolerance", "bad.toml"), False),
    (("diff", "gold.npz", "other.npz", "--tolerance", f"{NAME}.toml"), True),
    (("diff", "gold.npz", "other.npz", "--tolerance", TEXT), True),
    (("diff", "gold.npz", "other.npz", "--only", TEXT), True),
    (("validate", "fields.npz"), True),
    (("validate", f"{NAME}.trace.npz", "--image", f"{NAME}.jpg"), True),
    (("inspect", "fields.npz"), True),
    (("inspect", "fields.npz", "--format", "json"), False),
    (("inspect", "gold.npz", TEXT), True),
    (("inspect", f"{NAME}.trace.npz"), True),
    *(((("inspect", f"bad_{key}.npz")), True) for key in ("capture", "version", "only", "picture")),
    (("inspect", "bad_format.npz"), False),
    *(((("inspect", f"bad_tensor_{key}.npz")), True) for key in TENSOR_FIELDS),
    (("explain", "fields.npz", TEXT, "--at", "0,0,0"), True),
    (("explain", "fields.npz", "pnet/level00/conv1", "--at", "0,0,0"), False),
    (("explain", "gold.npz", "fields.npz", "pnet/level00/conv1", "--at", TEXT), True),
    (("explain", f"no{NAME}", "x", "--at", "0"), True),
    (("doctor", "names.npz", "--against", "gold.npz"), True),
    (("doctor", "more_names.npz", "--against", "gold.npz"), True),
    (("doctor", "fields.npz", "--against", "gold.npz"), True),
    (("doctor", "more_names.npz", "--against", "gold.npz", "--names", "map.json"), False),
    (("doctor", "names.npz", "--against", "gold.npz", "--names", "map_to.json"), True),
    (("doctor", f"{NAME}.npz"), True),
    (("doctor", "model.npz"), True),
    (("doctor", "layers.npz"), True),
    (("doctor", "table.npy"), True),
    (("doctor", f"{NAME}.onnx"), True),
    (("doctor", NAME), True),
    (("export", "dat", "out", "--model", "layers.npz"), True),
    (("export", "npz", f"{NAME}.export"), True),
    (("export", TEXT, "out"), True),
    (("compare", f"{NAME}.png", "--a", "core", "--b", "core", "--min-face", "200"), True),
    (("verify", NAME), True),
    (("verify", "detector", f"{NAME}.jpg"), True),
    (("info", "--model", "detector"), True),
    (("info", "--model", NAME), True),
    (("conformance", "--results", "results"), True),
    (("conformance", "--results", NAME), True),
    (("conformance", "--backend", TEXT), True),
    (("conformance", "--results", "results", "--cases", "cases"), True),
    (("sample", f"{NAME}.png"), True),
    (("sample", f"{NAME}.sample.png"), True),
    (("bench", f"{NAME}.jpg"), True),
    (("explore", f"{NAME}.jpg", "--no-browser"), True),
    (("explore", f"no{NAME}.npz", "--no-browser"), True),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("arguments", "shows"), COMMANDS, ids=range(len(COMMANDS)))
def test_commands(folder: Path, arguments: tuple[str, ...], shows: bool) -> None:
    if arguments[0] == "explore":
        pytest.importorskip("uvicorn", reason="needs mtcnn-cpp[explore]")
    if arguments[-1].endswith(".onnx"):
        pytest.importorskip("onnx", reason="needs mtcnn-cpp[onnx]")
    check(on_terminal(*arguments, cwd=folder), shows=shows, data="csv" in arguments)


PLANTED = """
import sys, warnings
from mtcnn_cpp.cli.progress import ProgressBar
from mtcnn_cpp.cli.errors import SafeTyper
from mtcnn_cpp.jobs.run import JobCounters
from rich.console import Console

app = SafeTyper()


@app.command()
def planted(text: str) -> None:
    warnings.warn(text)
    with ProgressBar(2, shown=True) as progress:
        progress(JobCounters(errors=[text]))
        print(text)
        print(text, file=sys.stderr)
        warnings.warn(text + "2")
        Console(file=sys.stdout).print(text, markup=False, emoji=False)
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
    raise KeyError(text)


app()
"""


def test_other_output_functions_are_escaped(tmp_path: Path) -> None:
    """Tracebacks, warnings, print, bytes, and all of them beside a progress bar."""
    (tmp_path / "planted.py").write_text(PLANTED)
    text = NAME.replace("\n", "")  # unescaped text would break lines
    output = on_terminal(text, cwd=tmp_path, program=("planted.py",))
    assert output.count(ESCAPED.encode()) >= 7
    assert b"Traceback" in output
    assert b"this is a fault of mtcnn_cpp" in output
    check(output.replace(b"Traceback", b""), shows=True)
    done = subprocess.run([sys.executable, "planted.py", "x"], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 2  # 1 means a difference


def test_explorer_address_is_escaped(folder: Path) -> None:
    pytest.importorskip("uvicorn", reason="needs mtcnn-cpp[explore]")
    output = on_terminal(
        "explore", f"{NAME}.trace.npz", "fields.npz", "--no-browser", cwd=folder, until="http://"
    )
    assert b"http://127.0.0.1:" in output
    check(output, shows=False)


def test_own_styles_are_preserved(folder: Path) -> None:
    output = on_terminal("diff", "gold.npz", "gold.npz", cwd=folder)
    assert b"\x1b[1;32mno divergence" in output
    output = on_terminal("detect", f"{NAME}.png", cwd=folder)
    assert b"\x1b[1m" in output
    assert "┃".encode() in output


def test_data_in_files_and_pipes_is_unchanged(folder: Path) -> None:
    command = [sys.executable, "-m", "mtcnn_cpp", "detect", f"{NAME}.png", "--format", "csv"]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=True)
    assert CLIPBOARD.encode() in done.stdout
    done = subprocess.run([*command[:-2], "-o", "raw.csv"], cwd=folder, capture_output=True, check=True)
    assert CLIPBOARD.encode() in (folder / "raw.csv").read_bytes()
    assert CLIPBOARD.encode() not in done.stderr


def test_annotations_reports_and_pages(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs mtcnn-cpp[report]")
    about = {"options": {TEXT: TEXT}, "made_by": {"openface": TEXT}}
    values = np.ones((3, 4, 4), np.float32)
    first, second = (
        Trace.from_arrays({TEXT: array, "same": values}, source=NAME, **about)
        for array in (values, values + 1)
    )
    report = compare(first, second)
    found = report_checks(report)
    lines = list(github(found, report.headline))
    assert len(lines) == 2
    assert all(line.startswith("::error title=") and len(line.splitlines()) == 1 for line in lines)
    assert "\x1b" not in "".join(lines)
    xml = junit(found, report.b.source)
    ElementTree.fromstring(xml)
    save_html(report, tmp_path / "out.html")
    for text in (xml.decode(), (tmp_path / "out.html").read_text("utf-8")):
        bad = {char for char in text if not (char.isprintable() or char in "\n\t")}
        assert not bad
        assert ESCAPED in text
    for view in (first._repr_html_(), first.show(TEXT)._repr_html_()):
        assert ESCAPED in view
        assert "\x1b" not in view


@pytest.mark.parametrize("text", [TEXT, NAME, "".join(map(chr, range(0x300)))])
def test_escaping_functions(text: str) -> None:
    assert printable(text).isprintable()
    assert printable(printable(text)) == printable(text)
    found = ElementTree.fromstring(f'<x y="{markup_text(text)}">{markup_text(text)}</x>')
    assert found.text == found.get("y") == printable(text)
    for one in (github_message(text), github_property(text)):
        assert one.isprintable()
        assert "%" not in re.sub("%(25|0A|0D|3A|2C)", "", one)
    assert ":" not in github_property(text)
    assert printable("é 漢字 Ω ümlaut") == "é 漢字 Ω ümlaut"


def test_all_output_passes_the_escaping_functions() -> None:
    """Rich's console and Typer's echo would print text from files without escaping."""
    for path in (ROOT / "python" / "mtcnn_cpp").rglob("*.py"):
        for line in path.read_text("utf-8").splitlines():
            assert not re.search(r"(?<!Safe)(?<!class )\bConsole\(", line), f"{path}: {line}"
            if "echo(" in line:
                assert path.name in ("errors.py", "__init__.py") or re.search("json|junit", line), path
