"""From names to sources: folders, patterns, lists, and names of nothing."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from clips import even, write
from mtcnn_cpp import Detector, png
from mtcnn_cpp.jobs import Plan, make_plan
from mtcnn_cpp.table import Result, rows
from pictures import portrait
from study import rows_of, run, run_small

PICTURE = png.encode(portrait()[:70, :80])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: pictures, a clip, other things."""
    for name in (
        "a.png",
        "b.jpg",
        "sub/c.PNG",
        "sub/deep/d.png",
        "sub/deep/a.png",
        ".hidden/e.png",
        "x[1].png",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(PICTURE)
    (tmp_path / "notes.txt").write_text("x")
    write(tmp_path / "sub" / "clip.mp4", even(2))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(*names: str) -> list[tuple[str, str]]:
    return [(source.name.replace(os.sep, "/"), source.kind) for source in make_plan(names).sources]


def places(*names: str) -> list[str]:
    return [source.place for source in make_plan(names).sources]


def test_a_folder(here: Path) -> None:
    plan = make_plan(["."])
    assert str(plan) == "6 pictures, 1 video"
    assert [source.place for source in plan.sources] == [
        "a.png", "b.jpg", "sub/c.PNG", "sub/clip.mp4", "sub/deep/a.png", "sub/deep/d.png", "x[1].png",
    ]  # fmt: skip
    assert [source.kind for source in plan.sources] == ["picture"] * 3 + ["video"] + ["picture"] * 3
    assert plan.passed_over == [
        "passed over in ., 1 not named as pictures or videos: notes.txt",
        "passed over in ., 1 hidden: .hidden",
    ]
    assert found("sub/") == found("sub")
    assert len(found(str(here))) == 7


def test_places_are_those_below_what_all_have_in_common(here: Path) -> None:
    assert places("sub/deep") == ["a.png", "d.png"]
    assert places("sub/deep/a.png") == ["a.png"]
    assert places("sub/deep/a.png", "a.png") == ["sub/deep/a.png", "a.png"]
    assert places("sub/deep", "sub/c.PNG") == ["deep/a.png", "deep/d.png", "c.PNG"]
    assert places("sub/*.PNG") == ["c.PNG"]
    assert places(os.path.join("sub", "..", "a.png")) == ["a.png"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.png", ["a.png", "x[1].png"]),
        ("sub/*", ["sub/c.PNG", "sub/clip.mp4", "sub/deep/a.png", "sub/deep/d.png"]),
        ("**/a.png", ["a.png", "sub/deep/a.png"]),
        ("sub/deep/[ad].png", ["sub/deep/a.png", "sub/deep/d.png"]),
        ("x[1].png", ["x[1].png"]),  # a file of this name
        ("?.jpg", ["b.jpg"]),
    ],
)
def test_patterns(here: Path, pattern: str, expected: list[str]) -> None:
    assert [name for name, _ in found(pattern)] == expected


def test_lists(here: Path) -> None:
    (here / "list.txt").write_bytes(b"\xef\xbb\xbfa.png\r\n\n  sub/deep  \ncamera:3\n@list.txt.png\n")
    assert found("@list.txt", "b.jpg") == [
        ("a.png", "picture"),
        ("sub/deep/a.png", "picture"),
        ("sub/deep/d.png", "picture"),
        ("camera:3", "live"),
        ("@list.txt.png", "picture"),
        ("b.jpg", "picture"),
    ]
    (source,) = make_plan(["@none.txt"]).sources
    assert source.error == "none.txt: this list of names cannot be read (No such file or directory)"


def test_named_twice_is_looked_at_once(here: Path) -> None:
    (here / "link.png").symlink_to("a.png")
    plan = make_plan(["a.png", "./a.png", str(here / "a.png"), "link.png", ".", "camera:0", "camera:0"])
    assert len(plan.sources) == 8
    assert plan.passed_over[-1] == "named more than once, looked at once: 6"


def test_what_a_file_is_counts_and_not_its_name(here: Path) -> None:
    (here / "sub/clip.mp4").rename(here / "video.png")
    (here / "a.png").rename(here / "picture.mp4")
    (here / "b.jpg").rename(here / "nothing")
    names = ["video.png", "picture.mp4", "nothing"]
    assert found(*names) == [("video.png", "video"), ("picture.mp4", "picture"), ("nothing", "picture")]
    assert run(*names, "-o", "t.csv").exit_code == 0
    assert {row["source"] for row in rows_of(Path("t.csv"))} == set(names)


def test_names_of_nothing(here: Path) -> None:
    (here / "empty").mkdir()
    names = ["none.png", "none/*.png", "empty", "notes.txt", "\0", "x" * 5000]
    result = run(*[name for name in names if name != "\0"], "a.png", "-o", "t.csv")
    assert result.exit_code == 1
    table = rows_of(Path("t.csv"))
    errors = {str(row["source"])[:20]: row["error"] for row in table if row["error"]}
    assert len(table) == 6
    assert errors["none.png"] == "none.png: there is no such image file"
    assert errors["none/*.png"] == "none/*.png: no file fits this pattern"
    assert errors["empty"] == "empty is a folder without pictures and videos"
    assert "notes.txt is not an image" in str(errors["notes.txt"])
    assert "File name too long" in str(errors["x" * 20])
    assert make_plan(["\0"]).sources[0].name == "\0"


def test_nothing_at_all() -> None:
    assert str(Plan()) == "nothing"
    assert run().exit_code == 2


def test_an_address_with_a_password_is_not_shown() -> None:
    (source,) = make_plan(["rtsp://user:secret@camera.local/1"]).sources
    assert source.name == "rtsp://***@camera.local/1"
    assert source.address == "rtsp://user:secret@camera.local/1"
    assert "secret" not in source.place


def test_a_picture_on_standard_input(here: Path) -> None:
    data = png.encode(portrait())
    result = run("-", "--format", "jsonl", input=data)
    assert result.exit_code == 0
    expected = rows(Result("-", faces=Detector().detect(portrait())))
    assert [json.loads(line) for line in result.stdout.splitlines()] == expected
    result = run("-", "--format", "jsonl", input=b"")
    assert result.exit_code == 1
    assert "error: - is empty" in result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows: other rights")
def test_a_folder_that_cannot_be_read(here: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("nothing is forbidden to this user")
    (here / "sub" / "deep").chmod(0)
    result = run("sub", "-o", "t.csv")
    (here / "sub" / "deep").chmod(0o755)
    assert result.exit_code == 1
    assert "deep cannot be read (Permission denied)" in result.stderr


def test_very_many_files_that_cannot_be_read(here: Path) -> None:
    """Each has its row; few are told one by one."""
    (here / "many").mkdir()
    for index in range(1000):
        (here / "many" / f"{index}.jpg").touch()
    done = run_small("many", "-o", "t.csv")
    assert done.returncode == 1
    assert "to look at: 1,000 pictures" in done.stderr
    assert len([line for line in done.stderr.splitlines() if "is empty" in line]) == 20
    assert "error: 1,000 failed in all; the column error of the table says why" in done.stderr
    assert len(rows_of(Path("t.csv"))) == 1000
