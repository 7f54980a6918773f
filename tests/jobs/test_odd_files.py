"""Lists of names in any encoding; broken links, pipes and the like in folders."""

from __future__ import annotations

import contextlib
import glob
import os
import random
import socket
import subprocess
import sys
from pathlib import Path

import png
import pytest
from clips import even, write
from images import portrait
from mtcnn_cpp.jobs.plan import make_plan
from study import rows_of, run

IMAGE = png.encode(portrait())


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "ä 顔.png", "sub/b.png"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes(IMAGE)
    return tmp_path


def names(*given: str) -> list[str]:
    return [source.name.replace(os.sep, "/") for source in make_plan(given).sources]


# Lists


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_encodings(encoding: str, end: str, here: Path) -> None:
    mark = {"utf-16-le": "\ufeff", "utf-16-be": "\ufeff"}.get(encoding, "")
    text = mark + end.join(["a.png", "", '"ä 顔.png"', "# a comment", " \t", "  sub/b.png  "])
    for last in ("", end):
        Path("list.txt").write_bytes((text + last).encode(encoding))
        assert names("@list.txt") == ["a.png", "ä 顔.png", "sub/b.png"]


def test_quotes_comments_and_names_that_look_like_them(here: Path) -> None:
    lines = [
        "'a.png'", '"sub"', "#a.png", "# a.png", "a.png # no comment", "\"a.png'", '"', "''", "''x''",
        "./#1.png", "it's.png", "a\x0bb\x1c\x85\u2028c.png",
    ]  # fmt: skip
    Path("list.txt").write_text("\n".join(lines), encoding="utf-8")
    assert names("@list.txt") == [
        "a.png", "sub/b.png", "a.png # no comment", "\"a.png'", '"', "'x'", "./#1.png", "it's.png",
        "a\x0bb\x1c\x85\u2028c.png",
    ]  # fmt: skip
    for name in ("#1.png", '"q".png', '"whole.png"'):
        Path(name).write_bytes(IMAGE)
    Path("list.txt").write_text('#1.png\n#2.png\n"q".png\n"whole.png"\n')
    assert names("@list.txt") == ["#1.png", '"q".png', '"whole.png"']


def test_names_that_are_not_utf8(here: Path) -> None:
    Path("list.txt").write_bytes(b"x_\xe9.png\n")
    assert names("@list.txt") == [os.fsdecode(b"x_\xe9.png")]


@pytest.mark.parametrize(
    "content", [b"", b"\n\r\n  \n", b"# only\n#comments\n", b"\xef\xbb\xbf", b"\xff\xfe"]
)
def test_an_empty_list_is_an_error(content: bytes, here: Path) -> None:
    Path("list.txt").write_bytes(content)
    message = "error: list.txt: this list of names is empty; expected one name per line"
    result = run("@list.txt", "-o", "t.csv")
    assert result.exit_code == 2
    assert message in result.stderr
    assert not Path("t.csv").exists()
    result = run("@list.txt", "a.png", "-o", "t.csv")
    assert result.exit_code == 1
    assert message in result.stderr
    assert len(rows_of(Path("t.csv"))) == 2


@pytest.mark.parametrize("name", ["empty", "none/*.png", "@none.txt", "@empty", "@binary"])
def test_nothing_that_could_start_is_exit_code_2(name: str, here: Path) -> None:
    Path("empty").mkdir()
    Path("binary").write_bytes(b"a.png\0sub/b.png\0")
    result = run(name, "-o", "t.csv")
    assert result.exit_code == 2
    assert f"error: {name.removeprefix('@')}" in result.stderr
    assert not Path("t.csv").exists()


# Files of a folder


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
@pytest.mark.parametrize("way", [["study"], ["study/*"]])
def test_what_is_no_file_is_called_by_its_name(way: list[str], here: Path) -> None:
    """As git-annex and DataLad leave links to content that is not there."""
    study = here / "study"
    study.mkdir()
    (study / "good.png").write_bytes(IMAGE)
    write(study / "good.mp4", even(2))
    (study / "linked.png").symlink_to("../a.png")
    (study / "sub01.mp4").symlink_to("../.git/annex/objects/x/x.mp4")
    (study / "sub02.PNG").symlink_to("../.git/annex/objects/y/y.png")
    (study / "loop.jpg").symlink_to("loop.jpg")
    (study / "README").symlink_to("nowhere")
    os.mkfifo(study / "pipe.png")
    os.mkfifo(study / "pipe")
    (study / "zero.mp4").symlink_to("/dev/zero")
    os.chdir(study)
    with socket.socket(socket.AF_UNIX) as first, socket.socket(socket.AF_UNIX) as second:
        first.bind("talk.avi")
        second.bind("talk")
        os.chdir(here)
        result = run(*way, "-o", "t.csv")
    assert result.exit_code == 1
    errors = {
        Path(str(row["source"])).name: str(row["error"]) for row in rows_of(Path("t.csv")) if row["error"]
    }
    assert errors.keys() == {"sub01.mp4", "sub02.PNG", "loop.jpg", "pipe.png", "zero.mp4", "talk.avi"}
    assert "is a symbolic link to ../.git/annex/objects/x/x.mp4, which does not exist" in errors["sub01.mp4"]
    assert "is a symbolic link to ../.git/annex/objects/y/y.png, which does not exist" in errors["sub02.PNG"]
    assert "is a symbolic link to loop.jpg, which leads nowhere" in errors["loop.jpg"]
    assert "it is a pipe" in errors["pipe.png"]
    assert "it is a device" in errors["zero.mp4"]
    assert "it is a socket" in errors["talk.avi"]
    assert {Path(str(row["source"])).name for row in rows_of(Path("t.csv")) if not row["error"]} == {
        "good.png", "good.mp4", "linked.png",
    }  # fmt: skip
    assert "1 broken links: README" in result.stderr
    assert "1 pipes: pipe" in result.stderr
    assert "1 sockets: talk" in result.stderr


def test_links_to_folders_are_named(here: Path) -> None:
    (here / "study").mkdir()
    (here / "study" / "good.png").write_bytes(IMAGE)
    (here / "study" / "more").symlink_to(here / "sub")
    (here / "study" / "back").symlink_to(".")
    result = run("study", "-o", "t.csv")
    assert result.exit_code == 1
    (error,) = [str(row["error"]) for row in rows_of(Path("t.csv")) if row["error"]]
    assert (
        f"is a symbolic link to the folder {here / 'sub'}, which is not searched; to search it, "
        "name it as a source" in error
    )
    assert f"skipped 1 links to folders that are searched anyway: {Path('study', 'back')}" in result.stderr
    for other in (Path("study", "more"), Path("sub")):
        result = run("study", other, "-o", "t.csv")
        assert result.exit_code == 0, result.stderr
        assert len(rows_of(Path("t.csv"))) == 2


def test_patterns_end_in_loops_of_links(here: Path) -> None:
    """With two links to the folder that they lie in, there are 2^40 paths."""
    for name in ("one", "two", "three"):
        Path("sub", name).symlink_to(".")
        Path("sub", f"up_{name}").symlink_to("..")
    Path("other").mkdir()
    Path("other", "link").symlink_to("../sub")
    assert (
        names("**/*.png") == ["a.png", "sub/b.png", "ä 顔.png"] or names("**/*.png")[1] == "other/link/b.png"
    )
    assert names("sub/**/*.png")[0] == "sub/b.png"
    assert names("other/**/b.png") == ["other/link/b.png"]  # links are followed, as before


def test_patterns_of_any_depth_are_those_of_glob(here: Path) -> None:
    chance = random.Random(1)
    for _ in range(60):
        folder = Path(*(chance.choice(["s", "t", ".h", "x.png", "ü"]) for _ in range(chance.randrange(0, 4))))
        with contextlib.suppress(FileExistsError, NotADirectoryError):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / chance.choice(["a.png", "b.jpg", ".c.png", "d[1].png", "e"])).write_bytes(IMAGE)
    parts = ["**", "s", "t*", "*.png", "?", "[a-d].*", "a.png", "[!a]*"]
    for _ in range(80):
        pattern = "/".join(
            ["**", *(chance.choice(parts) for _ in range(chance.randrange(0, 3)))][:: chance.choice([1, -1])]
        )
        for whole in (pattern, f"./{pattern}", f"{here.as_posix()}/{pattern}", f"s/{pattern}"):
            expected = {
                os.path.normpath(path) for path in glob.glob(whole, recursive=True) if os.path.isfile(path)
            }
            found = {
                os.path.normpath(source.name) for source in make_plan([whole]).sources if not source.error
            }
            assert found == {path for path in expected if path.endswith((".png", ".jpg"))}, whole


def test_broken_links_to_one_target_are_errors_each(here: Path) -> None:
    for name in ("x.png", "y.png"):
        Path("sub", name).symlink_to("../.git/annex/objects/z")
    assert names("sub") == ["sub/b.png", "sub/x.png", "sub/y.png"]
    assert names("sub", "sub/../sub/x.png") == ["sub/b.png", "sub/x.png", "sub/y.png"]


def test_a_broken_link_that_is_named(here: Path) -> None:
    Path("a.mp4").symlink_to("annex")
    result = run("a.mp4", "a.png", "-o", "t.csv")
    assert result.exit_code == 1
    assert (
        "error: a.mp4 is a symbolic link to annex, which does not exist; expected a video file"
        in result.stderr
    )


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root can become another user")
def test_folders_and_files_that_may_not_be_read(here: Path) -> None:
    """As another user, who may list one folder but not open what is in it."""
    for name in ("listed", "closed"):
        Path(name).mkdir()
        Path(name, "c.png").write_bytes(IMAGE)
    Path("forbidden.png").write_bytes(IMAGE)
    Path("forbidden.png").chmod(0)
    Path("listed").chmod(0o744)
    Path("closed").chmod(0o700)
    folder = here
    while folder != folder.parent:  # pytest's folders are for their user alone
        if folder.stat().st_uid == os.geteuid() and folder.stat().st_mode & 0o7 != 0o7:
            folder.chmod(folder.stat().st_mode | 0o5)
        folder = folder.parent
    code = """
import os
from mtcnn_cpp import Detector
from mtcnn_cpp.jobs.pipeline import DetectionPipeline
from mtcnn_cpp.jobs.plan import make_plan
from mtcnn_cpp.jobs.settings import JobSettings
from mtcnn_cpp.jobs.table import TableFormat
def process(*names):
    with DetectionPipeline(Detector(), JobSettings(format=TableFormat.csv)) as pipeline:
        for result in pipeline.process(make_plan(names).sources):
            print(result.source, "|", result.error)
process("a.png")  # imports what the other user may not
os.setgid(65534)
os.setuid(65534)
process(".")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for name in ("listed/c.png", "forbidden.png"):
        assert any("Permission denied" in line for line in done.stdout.splitlines() if name in line), (
            done.stdout
        )
    assert "closed cannot be read (Permission denied)" in done.stdout


def test_a_video_on_standard_input(here: Path) -> None:
    """The advice is for the command, not for Python."""
    data = write(here / "clip.mp4", even(2)).read_bytes()
    result = run("-", "-o", "t.csv", input=data)
    assert result.exit_code == 1
    assert (
        "error: standard input contains a video, expected an image; save the video to a file, and give its "
        "name" in result.stderr
    )
    assert "detect_video" not in result.stderr
