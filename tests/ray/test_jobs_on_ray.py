"""Jobs on a Ray cluster of two nodes: the table of a local run, also when a node is killed."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from study import left_behind, make_study, rows_of, run

ray = pytest.importorskip("ray", reason="needs ray[data], the extra 'ray'")
pytest.importorskip("ray.data", reason="needs ray[data], the extra 'ray'")
pytest.importorskip("cv2")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 pictures, 4 videos, two of them bad."""
    return make_study(tmp_path_factory.mktemp("study") / "in", pictures=30)


@pytest.fixture(scope="module")
def truth(study: Path) -> list[dict[str, object]]:
    output = study.parent / "local"
    assert run(study, "-o", output).exit_code == 1  # some are bad
    return rows_of(output)


@pytest.fixture(autouse=True)
def small_units(monkeypatch: pytest.MonkeyPatch) -> None:
    """Units are made here, not in the actors, so that this reaches them."""
    from mtcnn_cpp.ray import job

    monkeypatch.setattr(job, "LEAST", 3)


def test_the_table_is_that_of_a_local_run(
    cluster: Any, study: Path, truth: list[dict[str, object]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also with relative names, and after parts were taken away."""
    monkeypatch.chdir(study.parent)
    folder = Path(os.path.relpath(tmp_path)) / "parts"
    local = tmp_path / "local"
    assert run("in", "-o", local).exit_code == 1
    result = run("in", "-o", folder, "--ray", cluster.address)
    assert result.exit_code == 1, result.output
    assert rows_of(folder) == rows_of(local)
    assert len(rows_of(folder)) == len(truth)
    assert len(list(folder.glob("pictures-*"))) == 11  # 32 pictures, 3 in a unit
    assert left_behind(tmp_path) == []
    assert result.stdout == ""
    assert "to look at: 32 pictures, 4 videos" in result.stderr
    assert "bad.jpg is not an image" in result.stderr
    assert "2 failed; table:" in result.stderr
    gone = [*sorted(folder.glob("pictures-*"))[::2], *sorted(folder.glob("video-*"))[:2]]
    for part in gone:
        part.unlink()
    again = run("in", "-o", folder, "--ray", cluster.address, "--resume")
    assert again.exit_code == 1
    assert "sources done before" in again.stderr
    assert rows_of(folder) == rows_of(local)


def test_a_node_is_killed_half_way(
    cluster: Any, study: Path, truth: list[dict[str, object]], tmp_path: Path
) -> None:
    """What it had begun is done by the other: the same table, no row twice, nothing half."""
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
    assert left_behind(folder) == []
    (parts,) = seen
    assert parts < len(list(folder.glob("[pv]*")))  # it was half way


def test_more_threads_than_any_machine_has(cluster: Any, study: Path, tmp_path: Path) -> None:
    result = run(study, "-o", tmp_path / "parts", "--ray", cluster.address, "--threads", 3)
    assert result.exit_code == 2
    assert " with 2 at most; give fewer --threads" in result.stderr
    assert not (tmp_path / "parts").exists()
