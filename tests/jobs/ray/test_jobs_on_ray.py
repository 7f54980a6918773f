"""Jobs on a Ray cluster of two nodes: the table of a local run, also when a node is killed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import png
import pytest
from clips import av, even, make_frame, write
from mtcnn_cpp.jobs import divided_videos
from mtcnn_cpp.jobs.run import JobCounters, TaskGroup
from mtcnn_cpp.jobs.tasks import Task
from study import leftover_files, make_study, rows_of, run

ray = pytest.importorskip("ray", reason="needs ray[data], the extra 'ray'")
pytest.importorskip("ray.data", reason="needs ray[data], the extra 'ray'")
pytest.importorskip("cv2")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 images, 4 videos, two of them bad."""
    return make_study(tmp_path_factory.mktemp("study") / "in", pictures=30)


@pytest.fixture(scope="module")
def truth(study: Path) -> list[dict[str, object]]:
    output = study.parent / "local"
    assert run(study, "-o", output).exit_code == 1  # some are bad
    return rows_of(output)


@pytest.fixture(autouse=True)
def small_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver makes the tasks, so that this affects all of them."""
    from mtcnn_cpp.jobs.ray import run as ray_run

    monkeypatch.setattr(ray_run, "MIN_IMAGES_PER_TASK", 3)


def test_the_table_is_that_of_a_local_run(
    cluster: Any, study: Path, truth: list[dict[str, object]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also with relative names, and after part files were removed."""
    monkeypatch.chdir(study.parent)
    folder = Path(os.path.relpath(tmp_path)) / "parts"
    local = tmp_path / "local"
    assert run("in", "-o", local).exit_code == 1
    result = run("in", "-o", folder, "--ray", cluster.address)
    assert result.exit_code == 1, result.output
    assert rows_of(folder) == rows_of(local)
    assert len(rows_of(folder)) == len(truth)
    assert (folder / "_summary.tsv").read_bytes() == (local / "_summary.tsv").read_bytes()
    assert len(list(folder.glob("pictures-*"))) == 11  # 32 images, 3 in a task
    assert leftover_files(tmp_path) == []
    assert result.stdout == ""
    assert "to process: 32 images, 4 videos" in result.stderr
    assert "bad.jpg is not an image" in result.stderr
    assert "2 failed; table:" in result.stderr
    gone = [*sorted(folder.glob("pictures-*"))[::2], *sorted(folder.glob("video-*"))[:2]]
    for part in gone:
        part.unlink()
    again = run("in", "-o", folder, "--ray", cluster.address, "--resume")
    assert again.exit_code == 1
    assert "sources already done" in again.stderr
    assert rows_of(folder) == rows_of(local)
    assert (folder / "_summary.tsv").read_bytes() == (local / "_summary.tsv").read_bytes()


def test_a_sequence_and_a_rate(cluster: Any, study: Path, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for number in (3, 4, 6, 7):
        (images / f"{number}.png").write_bytes(png.encode(make_frame(number)))
    for name, source, options, code in (
        ("a", images, ["--sequence", "--fps", 10], 1),  # an image is missing
        ("b", study / "exact.mkv", ["--fps", 10, "--frames", ":15", "--start", "0:00.1"], 0),
    ):
        command = [source, *options, "-o"]
        assert run(*command, tmp_path / f"{name}-local").exit_code == code
        assert run(*command, tmp_path / f"{name}-ray", "--ray", cluster.address).exit_code == code
        rows = rows_of(tmp_path / f"{name}-ray")
        assert rows == rows_of(tmp_path / f"{name}-local")
        assert len(rows) > 3


def test_a_divided_video(cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with a damaged frame, which a worker finds: the whole video is then one task."""
    options = {"bf": "2", "g": "50", "preset": "ultrafast"}
    clip = write(tmp_path / "clip.mp4", even(6100), size=(48, 64), options=options, paint=make_noise)
    ended: list[tuple[int, int | None]] = []
    add = TaskGroup.add

    def note(self: TaskGroup, task: Task, counters: JobCounters) -> None:
        ended.append((task.start, task.stop))
        add(self, task, counters)

    monkeypatch.setattr(TaskGroup, "add", note)
    for is_damaged in (False, True):
        if is_damaged:
            data = bytearray(clip.read_bytes())
            with av.open(str(clip)) as file:
                packet = [packet for packet in file.demux(video=0) if packet.size][3123]
            data[packet.pos + 5 : packet.pos + packet.size] = bytes(packet.size - 5)
            clip.write_bytes(data)
        local, parts = tmp_path / f"local{is_damaged}", tmp_path / f"parts{is_damaged}"
        code = int(is_damaged)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(divided_videos, "is_divisible", lambda source, settings: False)
            assert run(clip, "-o", local, "--reader", "pyav").exit_code == code
        ended.clear()
        result = run(clip, "-o", parts, "--reader", "pyav", "--ray", cluster.address)
        assert result.exit_code == code, result.output
        assert rows_of(parts) == rows_of(local)
        assert sorted(path.name for path in parts.iterdir()) == sorted(path.name for path in local.iterdir())
        assert (0, None) in ended if is_damaged else set(ended) == {(0, 3000), (3000, 6000), (6000, None)}


def make_noise(index: int, size: tuple[int, int]) -> np.ndarray:
    """Frame `index`: an image that is fast to make and to encode."""
    return np.full((*size, 3), index % 251, np.uint8)


def test_a_node_is_killed_half_way(
    cluster: Any, study: Path, truth: list[dict[str, object]], tmp_path: Path
) -> None:
    """The other node repeats its tasks: the same table, no row twice, no incomplete file."""
    folder = tmp_path / "parts"
    seen: list[int] = []

    def kill() -> None:
        while not list(folder.glob("pictures-*")):
            time.sleep(0.01)
        node = next(node for node in cluster.list_all_nodes() if node is not cluster.head_node)
        cluster.remove_node(node, allow_graceful=False)
        seen.append(len(list(folder.glob("[pv]*"))))

    killing = threading.Thread(target=kill, daemon=True)
    killing.start()
    result = run(study, "-o", folder, "--ray", cluster.address)
    killing.join(10)
    cluster.add_node(num_cpus=2, object_store_memory=10**9)
    if result.exit_code != 1:
        print(str(result.exception.__context__.__cause__)[:1500])
    assert result.exit_code == 1, result.output
    assert rows_of(folder) == truth
    assert leftover_files(folder) == []
    (parts,) = seen
    assert parts < len(list(folder.glob("[pv]*")))  # it was half way


def test_more_threads_than_any_machine_has(cluster: Any, study: Path, tmp_path: Path) -> None:
    result = run(study, "-o", tmp_path / "parts", "--ray", cluster.address, "--threads", 3)
    assert result.exit_code == 2
    assert " with at most 2 CPUs; use fewer --threads" in result.stderr
    assert not (tmp_path / "parts").exists()


def test_the_head_node_dies(tmp_path: Path) -> None:
    """The command ends with an error before Ray ends its process, and the job can be resumed without Ray."""
    from ray.cluster_utils import Cluster

    sources, folder = tmp_path / "in", tmp_path / "parts"
    sources.mkdir()
    for index in range(80):  # large, so that most of the work remains when the loss of the node is noticed
        (sources / f"{index:03}.png").write_bytes(png.encode(make_frame(index).repeat(3, 0).repeat(3, 1)))
    node = {"object_store_memory": 10**8, "include_dashboard": False}
    own_cluster = Cluster(initialize_head=True, head_node_args={**node, "num_cpus": 0})
    own_cluster.add_node(num_cpus=2, object_store_memory=10**8)
    code = """
from mtcnn_cpp.cli import app
from mtcnn_cpp.jobs.ray import run
run.HEAD_POLL_SECONDS, run.HEAD_LOST_AFTER, run.MIN_IMAGES_PER_TASK = 0.2, 1.0, 3
app()"""
    command = [sys.executable, "-c", code, "detect", sources, "-o", folder, "--ray", own_cluster.address]
    with subprocess.Popen([*map(str, command), "--min-face", "10"], stderr=subprocess.PIPE, text=True) as job:
        while not list(folder.glob("pictures-*")):
            assert job.poll() is None
            time.sleep(0.01)
        own_cluster.head_node.kill_gcs_server(check_alive=False)
        _, messages = job.communicate(timeout=50)
    own_cluster.shutdown()
    assert job.returncode == 2, messages
    assert "the head node of the Ray cluster at " in messages
    assert "use --resume to continue the job, or continue it without --ray" in messages
    done_before = len(list(folder.glob("pictures-*")))
    assert run(sources, "-o", folder, "--min-face", 10, "--resume").exit_code == 0
    assert len({row["source"] for row in rows_of(folder)}) == 80
    assert done_before < len(list(folder.glob("pictures-*")))
