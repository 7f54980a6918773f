"""Videos that are divided into tasks: the same bytes as without division, also after a resume."""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from clips import even, uneven, write
from mtcnn_cpp import Detector
from mtcnn_cpp.jobs import divided_videos
from mtcnn_cpp.jobs import run as job_run
from mtcnn_cpp.jobs.part_files import PartFiles
from mtcnn_cpp.jobs.pipeline import DetectionPipeline
from mtcnn_cpp.jobs.plan import make_plan
from mtcnn_cpp.jobs.run import make_part_files, prepare_folder, run_to_folder
from mtcnn_cpp.jobs.settings import JobSettings
from mtcnn_cpp.jobs.table import TableFormat
from mtcnn_cpp.storage.folder import open_folder
from study import run, use_small_tasks
from video_kinds import av

OPTIONS = "--format", "csv", "--threads", "2", "--min-face", "60", "--reader", "pyav"
GROUPS = {"bf": "2", "g": "7", "preset": "ultrafast"}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder. Chunks have 10 frames."""
    use_small_tasks(monkeypatch, frames=10)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    """Return the content of all files except the settings of the job."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "_job.json"}


def whole(name: str, *options: str, code: int = 0) -> dict[str, bytes]:
    """Return the files of a job that does not divide videos."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(divided_videos, "is_divisible", lambda source, settings: False)
        shutil.rmtree("whole", ignore_errors=True)
        result = run(name, "-o", "whole/", *OPTIONS, *options)
    assert result.exit_code == code, result.output
    return contents(Path("whole"))


@pytest.mark.parametrize(
    ("name", "codec", "options", "sampling"),
    [
        ("clip.mp4", "libx264", GROUPS, ()),
        ("clip.mkv", "libx264", GROUPS, ("--every", "2")),
        ("clip.ts", "libx264", GROUPS, ("--fps", "12")),
        ("clip.mp4", "libx264", GROUPS, ("--end", "1.1")),
        ("clip.mp4", "libx264", GROUPS, ("--end", "1.56")),  # 40 frames: the last chunk is empty
        ("clip.webm", "libvpx-vp9", {"deadline": "realtime", "g": "7"}, ()),
    ],
)
def test_the_table_is_the_same(
    name: str,
    codec: str,
    options: dict[str, str],
    sampling: tuple[str, ...],
    decoding_starts: Callable[[], list[int]],
) -> None:
    write(Path(name), even(45), codec=codec, options=options)
    expected = whole(name, *sampling)
    assert decoding_starts() == []
    result = run(name, "-o", "parts/", *OPTIONS, *sampling)
    assert result.exit_code == 0
    assert contents(Path("parts")) == expected
    table = b"".join(expected[part] for part in expected if part.startswith("video-"))
    frames = len(set(re.findall(rb"^clip[^,]*,(\d+),", table, re.M)))
    assert f"processed {frames} images and frames" in result.output
    assert len(decoding_starts()) == len([part for part in expected if part.startswith("video-")])


def make_interrupted(name: str, *options: str) -> tuple[Path, dict[str, bytes]]:
    """Run a job, and return its folder with the index, and its part files."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job_run, "remove_indexes", lambda part_files: None)
        result = run(name, "-o", "full/", *OPTIONS, *options)
    folder = Path("full")
    assert list(folder.glob("_frames-*")), result.output
    (folder / "_summary.tsv").unlink()
    parts = {path: data for path, data in contents(folder).items() if path.startswith("video-")}
    return folder, parts


@pytest.mark.parametrize("has_index", [True, False])
def test_every_set_of_part_files_is_resumed(
    has_index: bool, decoding_starts: Callable[[], list[int]]
) -> None:
    """Without the index, as after a job of an earlier version, the part files after a gap are not used."""
    write(Path("clip.mp4"), even(30), options=GROUPS)
    expected = whole("clip.mp4")
    folder, parts = make_interrupted("clip.mp4")
    assert len(parts) == 4
    decoding_starts()
    for kept in itertools.product([False, True], repeat=4):
        if not has_index and sum(kept) != 2:
            continue
        shutil.rmtree("parts", ignore_errors=True)
        shutil.copytree(folder, "parts")
        for (name, _), keep in zip(sorted(parts.items()), kept, strict=True):
            if not keep:
                (Path("parts") / name).unlink()
        if not has_index:
            next(Path("parts").glob("_frames-*")).unlink()
        result = run("clip.mp4", "-o", "parts/", *OPTIONS, "--resume")
        assert result.exit_code == 0, result.output
        assert contents(Path("parts")) == expected
        begun = sorted(decoding_starts())
        if has_index:
            assert len(begun) == kept.count(False)
            missing = [10 * chunk for chunk in range(4) if not kept[chunk]]
            assert all(start - 7 <= at <= start for at, start in zip(begun, missing, strict=True))
        elif any(kept):
            assert begun == []
        frames = 10 * kept[:3].count(False) if has_index or not any(kept) else 30 - 10 * prefix(kept)
        assert f"processed {frames} image" in result.output or all(kept)


def prefix(kept: tuple[bool, ...]) -> int:
    """Return the number of chunks before the first missing one, without the empty last one."""
    return min(3, next((at for at, keep in enumerate(kept) if not keep), 4))


def test_a_tracked_video_is_one_task_that_seeks(decoding_starts: Callable[[], list[int]]) -> None:
    pytest.importorskip("trackers", reason="needs the extra 'track'")
    write(Path("clip.mp4"), even(35), options=GROUPS)
    expected = whole("clip.mp4", "--track")
    folder, parts = make_interrupted("clip.mp4", "--track")
    assert decoding_starts() == [0]
    for name in sorted(parts)[1::2]:
        (folder / name).unlink()
    assert run("clip.mp4", "-o", "full/", *OPTIONS, "--track", "--resume").exit_code == 0
    assert contents(folder) == expected
    assert decoding_starts() == [7]


def damage(path: Path, number: int) -> None:
    """Replace the packet of a frame by zeros."""
    with av.open(str(path)) as file:
        packet = [packet for packet in file.demux(video=0) if packet.size][number]
    data = bytearray(path.read_bytes())
    data[packet.pos + 8 : packet.pos + packet.size] = bytes(packet.size - 8)
    path.write_bytes(data)


@pytest.mark.parametrize(("number", "concurrency"), [(3, 2), (14, 2), (20, 2), (33, 2), (14, 1), (33, 1)])
def test_a_damaged_frame(number: int, concurrency: int, decoding_starts: Callable[[], list[int]]) -> None:
    """The numbers of all later frames change, and one row at the end has the error."""
    write(Path("clip.mp4"), even(35), options=GROUPS | {"bf": "0"})
    damage(Path("clip.mp4"), number)
    expected = whole("clip.mp4", code=1)
    options = [*OPTIONS, "--threads", str(concurrency)]
    result = run("clip.mp4", "-o", "parts/", *options)
    assert result.exit_code == 1
    assert contents(Path("parts")) == expected
    assert "1 failed" in result.output
    table = b"".join(data for name, data in expected.items() if name.startswith("video-"))
    frames = len(set(re.findall(rb"^clip.mp4,(\d+),\d", table, re.M)))
    assert frames == (29 if number == 14 else 34)  # of a key frame, those that follow it are lost, too
    assert f"processed {frames} images and frames" in result.output
    assert decoding_starts() != []
    # complete part files stay; the last one is processed again, without an index
    again = run("clip.mp4", "-o", "parts/", *options, "--resume")
    assert again.exit_code == 1
    assert contents(Path("parts")) == expected
    assert decoding_starts() == []


def test_a_damaged_frame_between_the_selected_ones() -> None:
    """The frame is after the last selected frame of a chunk, and before the key frame of the next chunk."""
    write(Path("clip.mp4"), even(120), options=GROUPS | {"bf": "0"})
    damage(Path("clip.mp4"), 48)
    expected = whole("clip.mp4", "--every", "5", code=1)
    result = run("clip.mp4", "-o", "parts/", *OPTIONS, "--every", "5")
    assert result.exit_code == 1
    assert contents(Path("parts")) == expected


def test_a_damaged_frame_is_found_after_a_resume() -> None:
    """The other tasks have written part files with wrong numbers of frames before."""
    write(Path("clip.mp4"), even(35), options=GROUPS | {"bf": "0"})
    folder, parts = make_interrupted("clip.mp4")
    damage(Path("clip.mp4"), 13)
    expected = whole("clip.mp4", code=1)
    (folder / sorted(parts)[1]).unlink()
    assert run("clip.mp4", "-o", "full/", *OPTIONS, "--resume").exit_code == 1
    assert contents(folder) == expected


def test_division_is_undone_at_any_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process ends while the index and the part files of a damaged video are removed."""
    write(Path("clip.mp4"), even(35), options=GROUPS | {"bf": "0"})
    folder, parts = make_interrupted("clip.mp4")
    damage(Path("clip.mp4"), 13)
    expected = whole("clip.mp4", code=1)
    (folder / sorted(parts)[1]).unlink()
    kept = Path("kept")
    folder.rename(kept)
    from mtcnn_cpp.storage.local import LocalFolder

    remove = LocalFolder.remove
    for moment in range(4):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(kept, folder)
        count = itertools.count()

        def end(self: LocalFolder, name: str) -> None:
            if name.startswith(("video-", "_frames")) and next(count) == moment:  # noqa: B023
                raise OSError("the process ends here")
            remove(self, name)

        with monkeypatch.context() as patch:
            patch.setattr(LocalFolder, "remove", end)
            first = run("clip.mp4", "-o", "full/", *OPTIONS, "--resume")
        assert first.exit_code == (2 if moment < 3 else 1), f"moment {moment}: {first.output}"
        result = run("clip.mp4", "-o", "full/", *OPTIONS, "--resume")
        assert result.exit_code == 1
        assert contents(folder) == expected


def test_a_truncated_video_is_not_divided(decoding_starts: Callable[[], list[int]]) -> None:
    path = write(Path("clip.mkv"), even(60), options=GROUPS)
    path.write_bytes(path.read_bytes()[:-2000])
    expected = whole("clip.mkv", code=1)
    assert run("clip.mkv", "-o", "parts/", *OPTIONS).exit_code == 1
    assert contents(Path("parts")) == expected
    assert decoding_starts() == []


@pytest.mark.parametrize("change", ["other", "shorter", "damaged index"])
def test_a_video_that_is_another_one_now(change: str) -> None:
    """The index of the first run is not that of the file now. All frames are processed again."""
    path = write(Path("clip.mp4"), even(35), options=GROUPS)
    folder, parts = make_interrupted("clip.mp4")
    (folder / sorted(parts)[0]).unlink()
    if change == "other":
        write(path, uneven(35), options=GROUPS)
    elif change == "shorter":
        write(path, even(5), options=GROUPS)
    else:
        next(folder.glob("_frames-*")).write_bytes(b"no index")
    expected = whole("clip.mp4")
    assert run("clip.mp4", "-o", "full/", *OPTIONS, "--resume").exit_code == 0
    assert contents(folder) == expected


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("clip.mp4", ("--save-dir", "seen")),
        ("clip.mp4", ("--deinterlace",)),
        ("clip.mp4", ("--end", "0.2")),
        ("short.mp4", ()),
        ("clip.avi", ()),
    ],
)
def test_videos_that_are_not_divided(
    name: str, options: tuple[str, ...], decoding_starts: Callable[[], list[int]]
) -> None:
    write(Path(name), even(8 if name == "short.mp4" else 35), options=GROUPS)
    assert run(name, "-o", "parts/", *OPTIONS, *options).exit_code == 0
    assert decoding_starts() == []


def test_opencv_does_not_divide(decoding_starts: Callable[[], list[int]]) -> None:
    write(Path("clip.mp4"), even(35), options=GROUPS)
    assert run("clip.mp4", "-o", "parts/", *OPTIONS[:-2], "--reader", "opencv").exit_code == 0
    assert decoding_starts() == []


def prepare(
    names: list[str], *, workers: int, resume: bool = False
) -> tuple[job_run.RemainingWork, PartFiles]:
    settings = JobSettings(TableFormat.csv)
    folder = open_folder("parts")
    folder.make()
    remaining = prepare_folder(
        folder, settings, Detector(), make_plan(names).sources, resume=resume, workers=workers
    )
    return remaining, make_part_files(folder, settings)


def ranges(remaining: job_run.RemainingWork) -> list[tuple[int, int | None]]:
    return [(task.start, task.stop) for task in remaining.tasks]


def test_the_tasks_of_a_job() -> None:
    """A few long videos are divided; of many, each is one task that makes its index."""
    names = [str(write(Path(f"{number}.mp4"), even(95), options=GROUPS)) for number in range(3)]
    one, _ = prepare(names[:1], workers=2)
    assert ranges(one) == [(0, 20), (20, 40), (40, 60), (60, 80), (80, None)]
    shutil.rmtree("parts")
    alone, _ = prepare(names[:1], workers=1)
    assert ranges(alone) == [(0, None)]
    assert not list(Path("parts").glob("_frames*"))
    shutil.rmtree("parts")
    few, _ = prepare(names, workers=2)
    assert len(few.tasks) == 15
    shutil.rmtree("parts")
    shutil.copy(names[0], "copy.mp4")
    names.append("copy.mp4")
    many, part_files = prepare(names, workers=2)
    assert ranges(many) == [(0, None)] * 4
    assert not list(Path("parts").glob("_frames*"))
    with DetectionPipeline(Detector(min_face=150, threads=1), JobSettings(TableFormat.csv)) as pipeline:
        stop_after(35, many, pipeline, part_files)
    assert list(Path("parts").glob("_frames*"))
    again, _ = prepare(names, workers=2, resume=True)
    assert ranges(again)[:7] == [(start, start + 10) for start in range(30, 90, 10)] + [(90, None)]
    assert again.sources == many.sources


def stop_after(
    count: int, remaining: job_run.RemainingWork, pipeline: DetectionPipeline, part_files: PartFiles
) -> None:
    """Run the tasks until this number of results."""
    results = itertools.count(1)

    def end(increments: object) -> None:
        if next(results) == count:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_to_folder(remaining, pipeline, part_files, end)
