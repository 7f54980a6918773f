"""The command: what it prints in which format, which files it writes, its exit codes."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer.testing
from mtcnn_cpp import Detector, Model, draw, png, read_image, sample_image
from mtcnn_cpp.backends.core import CoreBackend
from mtcnn_cpp.cli import app
from mtcnn_cpp.marks import mark
from mtcnn_cpp.table import Result, Row, rows
from mtcnn_cpp.table.text import unspell
from pictures import BACKENDS, portrait
from typer.testing import CliRunner


def run(*arguments: object, backend: str | None = "reference") -> typer.testing.Result:
    chosen = ["--backend", backend] if backend and arguments[0] == "detect" else []
    return CliRunner().invoke(app, [*map(str, arguments), *chosen], env={"COLUMNS": "200"})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two pictures, of which one has a face, and something else."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "a.png").write_bytes(png.encode(portrait()))
    (pictures / "b.PNG").write_bytes(png.encode(portrait()[:70, :80]))
    (pictures / "notes.txt").write_text("not a picture")
    (pictures / "folder.png").mkdir()
    return pictures


def expected(name: object, image: np.ndarray) -> list[Row]:
    """The rows of a picture."""
    return rows(Result(str(name), faces=Detector(backend="reference").detect(image)))


def lines(text: str) -> list[Row]:
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
    assert np.array_equal(drawn, draw(sample_image(), Detector(backend="reference").detect(sample_image())))


def test_json(folder: Path) -> None:
    result = run("detect", folder / "a.png", folder / "b.PNG", "--format", "json")
    assert result.exit_code == 0
    assert result.stderr == ""
    assert json.loads(result.stdout) == both(folder)


def both(folder: Path) -> list[Row]:
    return [*expected(folder / "a.png", portrait()), *expected(folder / "b.PNG", portrait()[:70, :80])]


def test_json_of_one_picture_is_a_list(folder: Path) -> None:
    assert len(json.loads(run("detect", folder / "a.png", "--format", "json").stdout)) == 1


def test_jsonl_of_a_folder_in_the_order_of_names(folder: Path) -> None:
    result = run("detect", folder, "--format", "jsonl")
    assert result.exit_code == 0
    assert lines(result.stdout) == both(folder)


def test_csv_reads_back_as_the_same_bits(folder: Path) -> None:
    result = run("detect", folder, "--format", "csv")
    row, empty = csv.DictReader(io.StringIO(result.stdout))
    face = Detector(backend="reference").detect(portrait())[0]
    assert (row["source"], row["frame"], row["face_id"], row["success"]) == (
        (str(folder / "a.png"), "1", "0", "1")
    )
    names = ["x", "y", "width", "height", "confidence"]
    names += [name for name in row if name.endswith(("_x", "_y"))]
    assert [np.float32(row[name]) for name in names] == [*face.box, face.score, *face.landmarks.ravel()]
    assert (empty["source"], empty["success"], empty["error"]) == (str(folder / "b.PNG"), "0", "")


def test_table_of_several(folder: Path) -> None:
    result = run("detect", folder)
    assert result.exit_code == 0
    assert [line.split("│")[2].strip() for line in result.stdout.splitlines() if "pictures" in line] == (
        ["0", "none"]
    )


@pytest.mark.parametrize("format", ["table", "json", "jsonl", "csv"])
def test_unreadable_files_are_reported_and_the_rest_is_done(folder: Path, format: str) -> None:
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
    assert f"error: {tmp_path} is a folder without pictures and videos" in result.stderr


def test_options_reach_the_detector(folder: Path) -> None:
    def boxes(*options: object) -> list[list[float]]:
        result = run("detect", folder / "a.png", "--format", "json", *options)
        found = [row for row in json.loads(result.stdout) if row["success"]]
        return [[row[name] for name in ("x", "y", "width", "height")] for row in found]

    def boxes_of(**options: Any) -> list[list[float]]:
        faces = Detector(backend="reference", **options).detect(portrait())
        return [face["box"] for face in faces.to_dict()["faces"]]

    for arguments, options in (
        (("--min-face", 30), {"min_face": 30}),
        (("--thresholds", 0.6, 0.7, 1), {"thresholds": (0.6, 0.7, 1)}),
        (("--scale-factor", 0.8), {"scale_factor": 0.8}),
    ):
        assert boxes(*arguments) == boxes_of(**options) != boxes()
    assert boxes("--threads", 1) == boxes()


def test_own_model(folder: Path, tmp_path: Path) -> None:
    arrays = dict(Model.default().arrays())
    arrays["pnet/fc1/bias"] = np.float32([9, -9, 0, 0, 0, 0])  # never a face
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
        (["detect", "--sample", "--threads", -1], "error: threads must be"),
        (["detect", "--sample", "--model", "nowhere"], "nowhere"),
        (["detect", "--sample", "--format", "xml"], "xml"),
        (["detect", "--sample", "--every", 0], "error: every must be 1 (each frame) or more, got 0"),
        (["detect", "--sample", "--start", 5, "--end", 4], "error: end must not lie before start"),
        (["detect", "--sample", "--resume"], "error: --resume goes on with a job in a folder"),
        (["detect", "--sample", "-o", "-"], "error: without --output the table goes to standard output"),
        (["detect", "--sample", "-o", "x.txt"], "x.txt: the ending of --output must be .csv"),
        (["detect", "--sample", "-o", "x.csv", "--format", "table"], "error: --format table is for people"),
        (["detect", "--sample", "-o", "nowhere/x.csv"], "nowhere does not exist"),
        (["detect", "--sample", "--save-dir", "memory://x"], "are written to folders on this machine"),
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
    """Pictures of one name from two folders, saved beside one of them: no original is touched."""
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "p.png").write_bytes(png.encode(portrait()[:70, :80]))
    before = (tmp_path / "x" / "p.png").read_bytes()
    paths = tmp_path / "x" / "p.png", tmp_path / "y" / "p.png"
    assert run("detect", *paths, "--save-dir", tmp_path / "x").exit_code == 0
    found = sorted(str(file.relative_to(tmp_path / "x")) for file in (tmp_path / "x").rglob("*.png"))
    assert found == ["p.png", os.path.join("x", "p_faces.png"), os.path.join("y", "p_faces.png")]
    assert (tmp_path / "x" / "p.png").read_bytes() == before


def test_names_that_are_no_text(folder: Path) -> None:
    """Brackets are not markup, and bytes that are not UTF-8 do not stop a table or break JSON."""
    names = ["[bold]x[bold].png"]
    if sys.platform == "linux":
        names.append(os.fsdecode(b"\xff\xfe.png"))
    for name in names:
        (folder / name).write_bytes((folder / "b.PNG").read_bytes())
        for format in ("table", "json", "jsonl", "csv"):
            done = run_process("detect", str(folder / name), "--format", format, "--backend", "reference")
            assert done.returncode == 0, done.stderr
            if format.startswith("json"):
                found = json.loads(done.stdout)
                assert unspell((found[0] if format == "json" else found)["source"]) == str(folder / name)
    assert "[bold]x[bold].png" in run("detect", folder / "[bold]x[bold].png").stdout


def run_process(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mtcnn_cpp", *arguments]
    return subprocess.run(
        command, capture_output=True, check=False, encoding="utf-8", errors="surrogateescape"
    )


def test_as_a_process() -> None:
    done = run_process("detect", "--sample", "--format", "jsonl", "--backend", "reference")
    assert (done.returncode, done.stderr) == (0, "")
    assert lines(done.stdout) == expected("astronaut.png", sample_image())


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="no pseudo-terminals here")
def test_progress_bar_is_for_terminals_and_stays_off_stdout(folder: Path) -> None:
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
        "reference",
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


def test_no_picture_of_the_users_is_replaced(tmp_path: Path) -> None:
    """The drawing of a.png would have the name of another picture: neither it nor anything else is lost."""
    face, plain = png.encode(portrait()), png.encode(portrait()[:70, :80])
    (tmp_path / "a.png").write_bytes(face)
    (tmp_path / "a_faces.png").write_bytes(plain)
    for options in ([], ["--overwrite"]):
        result = run("detect", tmp_path, "--format", "json", "--save-dir", tmp_path, *options)
        assert result.exit_code == 1
        assert "error: " in result.stderr
        assert f"{tmp_path / 'a_faces.png'} is one of the files to look at; it is kept" in result.stderr
        first, second = json.loads(result.stdout)
        assert "is one of the files to look at; it is kept" in first["error"]
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
    assert "a_faces.png exists and is no drawing of this program; it is kept" in result.stderr
    assert (out / "a_faces.png").read_text() == "thesis"
    assert (out / "b_faces.png").exists()  # the rest went on
    assert "written to" in result.stderr
    assert run("detect", folder / "a.png", "--save-dir", out, "--overwrite").exit_code == 0
    assert (out / "a_faces.png").read_bytes().startswith(b"\x89PNG")
    assert run("detect", folder / "a.png", "--save-dir", out).exit_code == 0  # its own, again


def test_own_drawings_are_no_inputs(folder: Path) -> None:
    first = run("detect", folder, "--format", "jsonl", "--save-dir", folder)
    second = run("detect", folder, "--format", "jsonl", "--save-dir", folder)
    assert first.exit_code == second.exit_code == 0
    assert first.stdout == second.stdout
    assert f"passed over in {folder}, 2 drawings of this program: a_faces.png, b_faces.png" in second.stderr


def test_what_is_passed_over_is_said(folder: Path) -> None:
    (folder / "c.doc").write_bytes(b"")
    (folder / ".hidden.png").write_bytes(b"")
    (folder / ".cache").mkdir()
    result = run("detect", folder, "--format", "jsonl")
    assert result.exit_code == 0
    told = [
        f"passed over in {folder}, 2 not named as pictures or videos: c.doc, notes.txt",
        f"passed over in {folder}, 2 hidden: .cache, .hidden.png",
    ]
    assert result.stderr.splitlines() == told


@pytest.mark.skipif(os.name == "nt", reason="Windows: links need a privilege")
def test_a_link_in_the_folder_of_drawings_is_not_followed(folder: Path, tmp_path: Path) -> None:
    out, precious = tmp_path / "out", tmp_path / "precious.png"
    out.mkdir()
    precious.write_bytes(mark(png.encode(portrait())))
    before = precious.read_bytes()
    (out / "a_faces.png").symlink_to(precious)
    assert run("detect", folder / "a.png", "--save-dir", out).exit_code == 0
    assert precious.read_bytes() == before
    assert not (out / "a_faces.png").is_symlink()


@pytest.mark.parametrize("format", ["table", "json", "jsonl", "csv"])
def test_what_was_found_is_printed_when_interrupted(
    folder: Path, format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    detect = CoreBackend.detect

    def interrupted(self: CoreBackend, image: np.ndarray, **options: Any) -> Any:
        if image.shape[:2] == (70, 80):
            raise KeyboardInterrupt
        return detect(self, image, **options)

    with monkeypatch.context() as patched:
        patched.setattr(CoreBackend, "detect", interrupted)
        result = run("detect", folder, "--format", format, "--threads", 1, backend="core")
    assert result.exit_code == 130
    assert "error: interrupted" in result.stderr
    assert "a.png" in result.stdout
    if format == "json":
        assert json.loads(result.stdout) == expected(folder / "a.png", portrait())
