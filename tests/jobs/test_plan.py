"""From names to sources: folders, patterns, lists, and names of nothing."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import png
import pytest
from clips import even, write
from images import portrait
from mtcnn_cpp import Detector
from mtcnn_cpp.jobs.plan import Plan, estimate_frame_count, make_plan
from mtcnn_cpp.jobs.sources import Source
from mtcnn_cpp.jobs.table.rows import FrameResult, make_rows
from mtcnn_cpp.media.video import Sampling, Video
from study import rows_of, run, run_small

PICTURE = png.encode(portrait()[:70, :80])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: images, a clip, other things."""
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
    assert str(plan) == "6 images, 1 video"
    assert [source.place for source in plan.sources] == [
        "a.png", "b.jpg", "sub/c.PNG", "sub/clip.mp4", "sub/deep/a.png", "sub/deep/d.png", "x[1].png",
    ]  # fmt: skip
    assert [source.kind for source in plan.sources] == ["image"] * 3 + ["video"] + ["image"] * 3
    assert plan.skipped == [
        "skipped in .: 1 without the extension of an image or video: notes.txt",
        "skipped in .: 1 hidden: .hidden",
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


@pytest.mark.parametrize("name", ["-", "camera:0", "rtsp://camera.local/1", "s3://bucket/a.png"])
def test_sources_without_a_folder_do_not_change_the_places_of_files(
    here: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Files of two folders with the same name have different places, wherever the other source stands."""
    monkeypatch.setattr(
        "mtcnn_cpp.jobs.plan.find_in_store", lambda name, skipped: [Source(name, "image", "bucket/a.png")]
    )
    files = ["sub/deep/a.png", "a.png"]
    for position in range(3):
        names = [*files[:position], name, *files[position:]]
        found = {source.name: source.place for source in make_plan(names).sources}
        assert [found[file] for file in files] == files
        assert len(set(found.values())) == 3
    assert places(name, "sub/deep", "sub/c.PNG")[1:] == ["deep/a.png", "deep/d.png", "c.PNG"]


def test_saved_images_of_standard_input_and_of_two_folders(here: Path) -> None:
    result = run("-", "sub/deep/a.png", "a.png", "--save-dir", "out", input=png.encode(portrait()))
    assert result.exit_code == 0, result.output
    saved = sorted(path.relative_to("out").as_posix() for path in Path("out").rglob("*.*"))
    assert saved == ["a_faces.png", "stdin_faces.png", "sub/deep/a_faces.png"]


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


@pytest.mark.parametrize("pattern", ["**/deep", "*.txt"])
def test_patterns_of_other_files(here: Path, pattern: str) -> None:
    """A pattern that matches only folders below `**`, or files of another kind."""
    (source,) = make_plan([pattern]).sources
    assert source.error == f"{pattern}: no image or video matches this pattern"


def test_lists(here: Path) -> None:
    (here / "list.txt").write_bytes(b"\xef\xbb\xbfa.png\r\n\n  sub/deep  \ncamera:3\n@list.txt.png\n")
    assert found("@list.txt", "b.jpg") == [
        ("a.png", "image"),
        ("sub/deep/a.png", "image"),
        ("sub/deep/d.png", "image"),
        ("camera:3", "live"),
        ("@list.txt.png", "image"),
        ("b.jpg", "image"),
    ]
    (source,) = make_plan(["@none.txt"]).sources
    assert source.error == "none.txt: this list of names cannot be read (No such file or directory)"


def test_a_file_that_is_named_twice_is_one_source(here: Path) -> None:
    (here / "link.png").symlink_to("a.png")
    plan = make_plan(["a.png", "./a.png", str(here / "a.png"), "link.png", ".", "camera:0", "camera:0"])
    assert len(plan.sources) == 8
    assert plan.skipped[-1] == "skipped 6 duplicates: sources that are named more than once"


def test_what_a_file_is_counts_and_not_its_name(here: Path) -> None:
    (here / "sub/clip.mp4").rename(here / "video.png")
    (here / "a.png").rename(here / "picture.mp4")
    (here / "b.jpg").rename(here / "nothing")
    names = ["video.png", "picture.mp4", "nothing"]
    assert found(*names) == [("video.png", "video"), ("picture.mp4", "image"), ("nothing", "image")]
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
    assert errors["none/*.png"] == "none/*.png: no file matches this pattern"
    assert errors["empty"] == "empty is a folder without images and videos"
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
    expected = make_rows(FrameResult("-", faces=Detector().detect(portrait())))
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
    """Each has a row; only the first ones are reported."""
    (here / "many").mkdir()
    for index in range(1000):
        (here / "many" / f"{index}.jpg").touch()
    done = run_small("many", "-o", "t.csv")
    assert done.returncode == 1
    assert "to process: 1,000 images" in done.stderr
    assert len([line for line in done.stderr.splitlines() if "is empty" in line]) == 20
    assert (
        "error: 1,000 failed in total; the column `error` of the table contains all messages" in done.stderr
    )
    assert len(rows_of(Path("t.csv"))) == 1000


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, 20),
        ({"every": 3}, 7),
        ({"every": 20}, 1),
        ({"start": 0.2}, 15),
        ({"end": 0.4}, 11),
        ({"end": 100}, 20),
        ({"start": 0.2, "end": 0.4}, 6),
        ({"start": 0.2, "end": 0.4, "every": 2}, 3),
        ({"every": 100}, 1),
        ({"frames": (3, 12)}, 10),
        ({"fps": 5}, 4),
        ({"fps": 40, "start": 0.2}, 15),
        ({"frames": (3, 99), "every": 5}, 3),
        ({"frames": (None, 12), "start": 0.2, "end": 0.3}, 3),
    ],
)
def test_expected_total_of_a_video(here: Path, options: dict[str, Any], expected: int) -> None:
    """The clip has 20 frames, 25 per second. The total is the number of selected frames."""
    write(here / "clip.mp4", even(20))
    sampling = Sampling(**options)
    with Video("clip.mp4") as video:
        assert len(list(video.frames(sampling))) == expected
    sources = make_plan(["clip.mp4"]).sources
    assert estimate_frame_count(sources, Sampling(start=100)) == 1  # an error, which is one row
    assert estimate_frame_count(sources, sampling) == expected
    assert estimate_frame_count(sources * 3, sampling) == 3 * expected
    images = make_plan(["a.png", "none.png"]).sources  # an error is one row
    assert estimate_frame_count([*sources, *images], sampling) == expected + 2


def test_expected_total_is_unknown(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is unknown for live sources, videos in a store, too many videos, and videos without a rate."""
    monkeypatch.setattr("mtcnn_cpp.jobs.plan.MAX_VIDEOS_OPENED", 2)
    write(here / "clip.mp4", even(20))
    (here / "damaged.mp4").write_bytes(b"damaged")
    clip, damaged, image = (Source(name, kind, name) for name, kind in (
        ("clip.mp4", "video"), ("damaged.mp4", "video"), ("a.png", "image"),
    ))  # fmt: skip
    assert estimate_frame_count([], Sampling()) == 0
    assert estimate_frame_count([replace(clip, error="it is missing")], Sampling()) == 1
    assert estimate_frame_count([image, damaged], Sampling()) == 1
    assert estimate_frame_count([image] * 5 + [clip] * 2, Sampling()) == 45
    assert estimate_frame_count([image] * 5 + [clip] * 3, Sampling()) is None
    assert estimate_frame_count([image, *make_plan(["camera:0"]).sources], Sampling()) is None
    assert estimate_frame_count([image, Source("s3://bucket/clip.mp4", "video", "clip")], Sampling()) is None
    for name in ("count", "fps"):
        with monkeypatch.context() as patch:
            original = Video.__init__

            def without(
                video: Video, source: str, name: str = name, original: Any = original, **options: Any
            ) -> None:
                original(video, source, **options)
                setattr(video, name, None)

            patch.setattr(Video, "__init__", without)
            assert estimate_frame_count([clip], Sampling()) is None
