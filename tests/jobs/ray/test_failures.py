"""Jobs on Ray that cannot continue: each ends with an error that names the reason."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any

import png
import pytest
from clips import make_frame
from mtcnn_cpp import Detector
from mtcnn_cpp.jobs.part_files import PartFiles
from mtcnn_cpp.jobs.plan import make_plan
from mtcnn_cpp.jobs.ray import run
from mtcnn_cpp.jobs.ray.connection import connect
from mtcnn_cpp.jobs.ray.run import ClusterError, run_on_ray
from mtcnn_cpp.jobs.run import prepare_folder
from mtcnn_cpp.jobs.settings import JobSettings
from mtcnn_cpp.jobs.table import TableFormat
from mtcnn_cpp.storage.local import LocalFolder

ray = pytest.importorskip("ray", reason="needs ray[data], the extra 'ray'")
pytest.importorskip("ray.data", reason="needs ray[data], the extra 'ray'")
pytest.importorskip("cv2")


class DeadlyFolder(LocalFolder):
    """A process that writes to it dies."""

    def open_for_writing(self, name: str) -> AbstractContextManager[IO[bytes]]:
        os._exit(9)


class FullFolder(LocalFolder):
    """No space is left."""

    def open_for_writing(self, name: str) -> AbstractContextManager[IO[bytes]]:
        raise OSError(f"{name} could not be written (No space left on device); no incomplete file remains")


class UnsharedFolder(LocalFolder):
    """A folder that is a different one on other machines."""

    def open_for_writing(self, name: str) -> AbstractContextManager[IO[bytes]]:
        there = Path(self.name) / "other machine"
        there.mkdir(exist_ok=True)
        return LocalFolder(str(there)).open_for_writing(name)


@pytest.fixture(autouse=True)
def _connection(cluster: Any) -> Iterator[None]:
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    with connect(cluster.address):
        yield
    ray.cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def run_job(
    folder: LocalFolder, tmp_path: Path, notify: Callable[[str], None] = lambda message: None
) -> None:
    """Run a job of one image; its part files are written to this folder."""
    (tmp_path / "a.png").write_bytes(png.encode(make_frame(0)))
    (tmp_path / "job").mkdir()
    detector, settings = Detector(), JobSettings(TableFormat.csv)
    folder.make()
    plan = make_plan([str(tmp_path / "a.png")])
    job_folder = LocalFolder(str(tmp_path / "job"))
    remaining = prepare_folder(job_folder, settings, detector, plan.sources, resume=True)
    run_on_ray(
        remaining,
        detector,
        settings,
        PartFiles(folder, settings.format),
        progress=lambda increments: None if not increments.errors else pytest.fail(str(increments)),
        notify=notify,
    )


def test_an_image_that_ends_its_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "MAX_RETRIES", 1)
    with pytest.raises(ClusterError, match=r"the process for .*a\.png died 2 times; leave these sources out"):
        run_job(DeadlyFolder(str(tmp_path / "out")), tmp_path)


def test_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"No space left on device\); no incomplete file remains \(on "):
        run_job(FullFolder(str(tmp_path / "out")), tmp_path)


def test_a_folder_that_is_not_shared(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=r"1 part files, .* pictures-.* on other machines but are not in"):
        run_job(UnsharedFolder(str(tmp_path / "out")), tmp_path)


def test_no_cpu_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "NOTIFY_AFTER", 1.0)
    monkeypatch.setattr(run, "GIVE_UP_AFTER", 3.0)

    class CpuHolder:
        def ready(self) -> None:
            return

    holders = [ray.remote(num_cpus=2)(CpuHolder).remote() for _ in range(2)]
    ray.get([holder.ready.remote() for holder in holders])
    messages: list[str] = []
    reason = "The cluster has 4 CPUs, of which 0 are free; a worker needs 1 CPU"
    with pytest.raises(TimeoutError, match=f"no progress for 3 s. {reason}; complete part files stay"):
        run_job(LocalFolder(str(tmp_path / "out")), tmp_path, messages.append)
    assert messages == [f"no progress on Ray for 1 s. {reason}; waiting"]
