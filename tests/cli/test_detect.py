"""The command `detect`: output in each format, written files, exit codes."""

from __future__ import annotations

import csv
import functools
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import png
import pytest
import typer.testing
from images import BACKENDS, FAST, portrait
from mtcnn_cpp import Detector, Model, annotate, read_image, sample_image
from mtcnn_cpp.backends.core import CoreBackend
from mtcnn_cpp.backends.engine import Request
from mtcnn_cpp.cli import app
from mtcnn_cpp.jobs.table.rows import FrameResult, TableRow, make_rows, unescape_text
from mtcnn_cpp.media.markers import add_marker
from typer.testing import CliRunner


def run(*arguments: object, backend: str | None = FAST) -> typer.testing.Result:
    chosen = ["--backend", backend] if backend and arguments[0] == "detect" else []
    return CliRunner().invoke(app, [*map(str, arguments), *chosen], env={"COLUMNS": "200"})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with two images, one of them with a face, and another file."""
    images = tmp_path / "images"
    images.mkdir()
    (images / "a.png").write_bytes(png.encode(portrait()))
    (images / "b.PNG").write_bytes(png.encode(portrait()[:70, :80]))
    (images / "notes.txt").write_text("not an image")
    (images / "folder.png").mkdir()
    return images


def expected(name: object, image: np.ndarray) -> list[TableRow]:
    """Return the rows of an image."""
    return make_rows(FrameResult(str(name), faces=Detector(backend=FAST).detect(image)))


def lines(text: str) -> list[TableRow]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("backend", BACKENDS)
def test_sample(backend: str, tmp_path: Path) -> None:
    result = run("detect", "--sample", "--save-dir", tmp_path / "new" / "out", backend=backend)
    assert result.exit_code == 0
    row = next(line for line in result.stdout.splitlines() if "astronaut.png" in line)
    assert [cell.strip() for cell in row.split("│")[1:-1]] == (
        ["astronaut.png", "0", "179.32", "87.28", "91.71", "91.47", "0.99992"]
    )
    drawn = png.decode((tmp_path / "new" / "out" / "astronaut_faces.png").read_bytes())
    assert np.array_equal(drawn, annotated_sample())


@functools.cache
def annotated_sample() -> np.ndarray:
    return annotate(sample_image(), Detector(backend="reference").detect(sample_image()))


def test_json(folder: Path) -> None:
    result = run("detect", folder / "a.png", folder / "b.PNG", "--format", "json")
    assert result.exit_code == 0
    assert result.stderr == ""
    assert json.loads(result.stdout) == both(folder)


def both(folder: Path) -> list[TableRow]:
    return [*expected(folder / "a.png", portrait()), *expected(folder / "b.PNG", portrait()[:70, :80])]


def test_json_of_one_image_is_a_list(folder: Path) -> None:
    assert len(json.loads(run("detect", folder / "a.png", "--format", "json").stdout)) == 1


def test_jsonl_of_a_folder_is_sorted_by_name(folder: Path) -> None:
    result = run("detect", folder, "--format", "jsonl")
    assert result.exit_code == 0
    assert lines(result.stdout) == both(folder)


def test_csv_roundtrip_is_exact(folder: Path) -> None:
    result = run("detect", folder, "--format", "csv")
    row, empty = csv.DictReader(io.StringIO(result.stdout))
    face = Detector(backend=FAST).detect(portrait())[0]
    assert (row["source"], row["frame"], row["face_id"], row["success"]) == (
        (str(folder / "a.png"), "1", "0", "1")
    )
    names = ["x", "y", "width", "height", "confidence"]
    names += [name for name in row if name.endswith(("_x", "_y"))]
    assert [np.float32(row[name]) for name in names] == [*face.box, face.score, *face.landmarks.ravel()]
    assert (empty["source"], empty["success"], empty["error"]) == (str(folder / "b.PNG"), "0", "")


def test_table_of_several_images(folder: Path) -> None:
    result = run("detect", folder)
    assert result.exit_code == 0
    assert [line.split("│")[2].strip() for line in result.stdout.splitlines() if "images" in line] == (
        ["0", "none"]
    )


@pytest.mark.parametrize("format", ["table", "json", "jsonl", "csv"])
def test_unreadable_files_are_reported_and_others_processed(folder: Path, format: str) -> None:
    bad = [folder / "missing.png", folder / "notes.txt", folder / "folder.png", folder / "cut.png"]
    bad[3].write_bytes((folder / "a.png").read_bytes()[:999])
    (folder / "folder.png" / "inside.txt").touch()
    result = run("detect", *bad, folder / "a.png", "--format", format, "--save-dir", folder / "out")
    assert result.exit_code == 1
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 4
    for path, error in zip(bad, errors, strict=True):
        assert str(path) in error
    assert str(folder / "a.png") in result.stdout
    assert [file.name for file in (folder / "out").iterdir()] == ["a_faces.png"]
    if format.startswith("json"):
        found = json.loads(result.stdout) if format == "json" else lines(result.stdout)
        *failed, done = found
        assert [f"error: {row['error']}" for row in failed] == errors
        assert [row["source"] for row in failed] == [str(path) for path in bad]
        assert {row["success"] for row in failed} == {0}
        assert [done] == expected(folder / "a.png", portrait())


def test_empty_folder(tmp_path: Path) -> None:
    result = run("detect", tmp_path)
    assert result.exit_code == 2
    assert f"error: {tmp_path} is a folder without images and videos" in result.stderr


def test_options_reach_the_detector(folder: Path) -> None:
    def boxes(*options: object) -> list[list[float]]:
        result = run("detect", folder / "a.png", "--format", "json", *options)
        found = [row for row in json.loads(result.stdout) if row["success"]]
        return [[row[name] for name in ("x", "y", "width", "height")] for row in found]

    def boxes_of(**options: Any) -> list[list[float]]:
        faces = Detector(backend=FAST, **options).detect(portrait())
        return [face["box"] for face in faces.to_dict()["faces"]]

    for arguments, options in (
        (("--min-face", 30), {"min_face": 30}),
        (("--thresholds", 0.6, 0.7, 1), {"thresholds": (0.6, 0.7, 1)}),
        (("--scale-factor", 0.8), {"scale_factor": 0.8}),
    ):
        assert boxes(*arguments) == boxes_of(**options) != boxes()
    assert boxes("--threads", 1) == boxes("--threads", 0) == boxes()


def test_own_model(folder: Path, tmp_path: Path) -> None:
    arrays = dict(Model.default().arrays())
    arrays["pnet/fc1/bias"] = np.float32([9, -9, 0, 0, 0, 0])  # finds no face
    Model.from_arrays(arrays).save(tmp_path / "model")
    result = run("detect", folder / "a.png", "--format", "json", "--model", tmp_path / "model")
    assert [row["success"] for row in json.loads(result.stdout)] == [0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["detect"], "no source given"),
        (["detect", "--sample", "--min-face", 0], "error: min_face must be"),
        (["detect", "--sample", "--thresholds", 0.6, 0.7, 7], "error: thresholds must be three numbers"),
        (["detect", "--sample", "--scale-factor", 1], "error: scale_factor must be"),
        (["detect", "--sample", "--threads", -1], "Invalid value for"),
        (["detect", "--sample", "--model", "nowhere"], "nowhere"),
        (["detect", "--sample", "--format", "xml"], "xml"),
        (["detect", "--sample", "--every", 0], "error: 'every' must be 1 (each frame) or more, got 0"),
        (["detect", "--sample", "--start", 5, "--end", 4], "error: 'end' must not lie before 'start'"),
        (
            ["detect", "--sample", "--frames", "5:3"],
            "error: frames must begin with frame 1 or later, and must",
        ),
        (["detect", "--sample", "--frames", "0:4"], "got 0:4"),
        (["detect", "--sample", "--frames", "a:b"], "100:200, 100: or :200, got 'a:b'"),
        (["detect", "--sample", "--fps", 0], "error: fps must be more than 0 and at most 100000 frames per"),
        (["detect", "--sample", "--fps", "nan"], "per second, got nan"),
        (["detect", "--sample", "--fps", 5, "--every", 2], "error: 'every' and 'fps' exclude each other"),
        (["detect", "--sample", "--start", "1:99:00"], "2:30 or 1:02:03.5, got '1:99:00'"),
        (["detect", "--sample", "--end", "-1"], "error: end must be 0 or more seconds, got -1"),
        (["detect", "--sample", "--resume"], "error: --resume continues a job in a folder"),
        (["detect", "--sample", "-o", "-"], "error: --output must be a file or a folder, got -"),
        (["detect", "--sample", "-o", "x.txt"], "x.txt: the extension of --output must be one of .csv,"),
        (
            ["detect", "--sample", "-o", "x.csv", "--format", "table"],
            "error: --format table is only for standard output",
        ),
        (["detect", "--sample", "-o", "nowhere/x.csv"], "nowhere does not exist"),
        (["detect", "--sample", "--save-dir", "memory://x"], "are written to local folders"),
        (["detect", "--sample", "--save-dir", __file__], "error: "),
        (["nonsense"], "nonsense"),
    ],
)
def test_wrong_usage(arguments: list[object], message: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""


def test_unknown_backend() -> None:
    result = run("detect", "--sample", backend="gpu")
    assert result.exit_code == 2
    assert "error: backend must be one of core" in result.stderr


def test_saving_never_replaces(tmp_path: Path) -> None:
    """Images with the same name in two folders, saved to one of these folders: no original changes."""
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "p.png").write_bytes(png.encode(portrait()[:70, :80]))
    before = (tmp_path / "x" / "p.png").read_bytes()
    paths = tmp_path / "x" / "p.png", tmp_path / "y" / "p.png"
    assert run("detect", *paths, "--save-dir", tmp_path / "x").exit_code == 0
    found = sorted(str(file.relative_to(tmp_path / "x")) for file in (tmp_path / "x").rglob("*.png"))
    assert found == ["p.png", os.path.join("x", "p_faces.png"), os.path.join("y", "p_faces.png")]
    assert (tmp_path / "x" / "p.png").read_bytes() == before


def test_names_with_markup_or_invalid_utf8(folder: Path) -> None:
    """Brackets are not markup, and bytes that are not UTF-8 do not break tables or JSON."""
    names = ["[bold]x[bold].png"]
    if sys.platform == "linux":
        names.append(os.fsdecode(b"\xff\xfe.png"))
    paths = [str(folder / name) for name in names]
    for path in paths:
        shutil.copy(folder / "b.PNG", path)
    for format in ("table", "json", "jsonl", "csv"):
        done = run_process("detect", *paths, "--format", format, "--backend", FAST)
        assert done.returncode == 0, done.stderr
        if format.startswith("json"):
            found = json.loads(done.stdout) if format == "json" else lines(done.stdout)
            assert [unescape_text(str(row["source"])) for row in found] == paths
    assert "[bold]x[bold].png" in run("detect", folder / "[bold]x[bold].png").stdout


def run_process(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mtcnn_cpp", *arguments]
    return subprocess.run(
        command, capture_output=True, check=False, encoding="utf-8", errors="surrogateescape"
    )


def test_command_in_a_process() -> None:
    done = run_process("detect", "--sample", "--format", "jsonl", "--backend", FAST)
    assert (done.returncode, done.stderr) == (0, "")
    assert lines(done.stdout) == expected("astronaut.png", sample_image())


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="no pseudo-terminals here")
def test_progress_bar_is_written_to_stderr_of_terminals_only(folder: Path) -> None:
    import pty

    command = [
        sys.executable,
        "-m",
        "mtcnn_cpp",
        "detect",
        str(folder),
        "--format",
        "json",
        "--backend",
        FAST,
    ]
    terminal, end = pty.openpty()
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=end, check=False, env={**os.environ, "TERM": "xterm"}
    )
    os.close(end)
    seen = b""
    try:
        while chunk := os.read(terminal, 65536):
            seen += chunk
    except OSError:  # Linux: the other end is closed
        pass
    os.close(terminal)
    assert done.returncode == 0
    assert json.loads(done.stdout) == both(folder)
    assert b"detecting" in seen


@pytest.mark.parametrize("backend", [backend for backend in BACKENDS if backend != "reference"][:1])
def test_info(backend: str) -> None:
    found = json.loads(run("info", "--format", "json").stdout)
    assert set(found) == {
        "version",
        "compiler",
        "flags",
        "opencv",
        "video_reader",
        "active_isa",
        "isa_variants",
        "openface",
        "model",
    }
    names = [variant["name"] for variant in found["isa_variants"]]
    assert "generic" in names
    assert found["active_isa"] in names
    assert found["model"] == Model.default().hashes()
    assert found["active_isa"] == Detector().backend
    result = run("info")
    assert result.exit_code == 0
    for text in (found["version"], *names, *found["model"].values()):
        assert text in result.stdout


def test_help_names_every_command() -> None:
    result = run("--help")
    assert result.exit_code == 0
    for command in ("detect", "info"):
        assert command in result.stdout


def test_jpeg_in_png_out(tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    cv2.imwrite(str(tmp_path / "p.jpg"), portrait())
    result = run("detect", tmp_path / "p.jpg", "--format", "json", "--save-dir", tmp_path / "out")
    assert json.loads(result.stdout) == expected(
        tmp_path / "p.jpg", np.asarray(read_image(tmp_path / "p.jpg"))
    )
    assert (tmp_path / "out" / "p_faces.png").exists()


def test_user_images_are_not_replaced(tmp_path: Path) -> None:
    """The annotated file of a.png would have the name of another image: no file is lost."""
    face, plain = png.encode(portrait()), png.encode(portrait()[:70, :80])
    (tmp_path / "a.png").write_bytes(face)
    (tmp_path / "a_faces.png").write_bytes(plain)
    for options in ([], ["--overwrite"]):
        result = run("detect", tmp_path, "--format", "json", "--save-dir", tmp_path, *options)
        assert result.exit_code == 1
        assert "error: " in result.stderr
        assert f"{tmp_path / 'a_faces.png'} is one of the input files and was not replaced" in result.stderr
        first, second = json.loads(result.stdout)
        assert "is one of the input files and was not replaced" in first["error"]
        assert [first | {"error": None}, second] == [
            *expected(tmp_path / "a.png", portrait()),
            *expected(tmp_path / "a_faces.png", portrait()[:70, :80]),
        ]
        assert (tmp_path / "a.png").read_bytes() == face
        assert (tmp_path / "a_faces.png").read_bytes() == plain
        assert sorted(os.listdir(tmp_path)) == ["a.png", "a_faces.png", "a_faces_faces.png"]


def test_other_files_are_replaced_only_if_allowed(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "a_faces.png").write_text("thesis")
    result = run("detect", folder / "a.png", folder / "b.PNG", "--save-dir", out)
    assert result.exit_code == 1
    assert "a_faces.png exists and was not written by this program, so it was not replaced" in result.stderr
    assert (out / "a_faces.png").read_text() == "thesis"
    assert (out / "b_faces.png").exists()  # the other images are processed
    assert "written to" in result.stderr
    assert run("detect", folder / "a.png", "--save-dir", out, "--overwrite").exit_code == 0
    assert (out / "a_faces.png").read_bytes().startswith(b"\x89PNG")
    assert run("detect", folder / "a.png", "--save-dir", out).exit_code == 0  # replaces its own file


def test_own_annotated_images_are_not_inputs(folder: Path) -> None:
    first = run("detect", folder, "--format", "jsonl", "--save-dir", folder)
    second = run("detect", folder, "--format", "jsonl", "--save-dir", folder)
    assert first.exit_code == second.exit_code == 0
    assert first.stdout == second.stdout
    assert (
        f"skipped in {folder}: 2 annotated files of this program: a_faces.png, b_faces.png" in second.stderr
    )


def test_skipped_files_are_reported(folder: Path) -> None:
    (folder / "c.doc").write_bytes(b"")
    (folder / ".hidden.png").write_bytes(b"")
    (folder / ".cache").mkdir()
    result = run("detect", folder, "--format", "jsonl")
    assert result.exit_code == 0
    messages = [
        f"skipped in {folder}: 2 without the extension of an image or video: c.doc, notes.txt",
        f"skipped in {folder}: 2 hidden: .cache, .hidden.png",
    ]
    assert result.stderr.splitlines() == messages


@pytest.mark.skipif(os.name == "nt", reason="Windows: links need a privilege")
def test_link_in_the_output_folder_is_not_followed(folder: Path, tmp_path: Path) -> None:
    out, precious = tmp_path / "out", tmp_path / "precious.png"
    out.mkdir()
    precious.write_bytes(add_marker(png.encode(portrait())))
    before = precious.read_bytes()
    (out / "a_faces.png").symlink_to(precious)
    assert run("detect", folder / "a.png", "--save-dir", out).exit_code == 0
    assert precious.read_bytes() == before
    assert not (out / "a_faces.png").is_symlink()


@pytest.mark.parametrize("format", ["table", "json", "jsonl", "csv"])
def test_interrupt_prints_results_so_far(folder: Path, format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    detect = CoreBackend.detect

    def interrupted(self: CoreBackend, request: Request) -> Any:
        if request.image.shape[:2] == (70, 80):
            raise KeyboardInterrupt
        return detect(self, request)

    with monkeypatch.context() as patched:
        patched.setattr(CoreBackend, "detect", interrupted)
        result = run("detect", folder, "--format", format, "--threads", 1, backend="core")
    assert result.exit_code == 130
    assert "error: interrupted" in result.stderr
    assert "a.png" in result.stdout
    if format == "json":
        assert json.loads(result.stdout) == expected(folder / "a.png", portrait())
