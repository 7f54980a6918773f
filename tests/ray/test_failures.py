"""Jobs on Ray that cannot go on: each ends, and says why."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any

import pytest
from clips import picture
from mtcnn_cpp import Detector, png
from mtcnn_cpp.jobs import Parts, Settings, make_plan, prepare
from mtcnn_cpp.ray import ClusterError, connected, pulse, run_on_ray
from mtcnn_cpp.stores.local import LocalFolder
from mtcnn_cpp.table import Format

ray = pytest.importorskip("ray", reason="needs ray[data], the extra 'ray'")
pytest.importorskip("ray.data", reason="needs ray[data], the extra 'ray'")
pytest.importorskip("cv2")


class Deadly(LocalFolder):
    """Whoever writes to it dies."""

    def writing(self, name: str) -> AbstractContextManager[IO[bytes]]:
        os._exit(9)


class Full(LocalFolder):
    """There is no place left."""

    def writing(self, name: str) -> AbstractContextManager[IO[bytes]]:
        raise OSError(f"{name} could not be written (No space left on device); nothing was left behind")


class Elsewhere(LocalFolder):
    """A folder of the same name that is another one on other machines."""

    def writing(self, name: str) -> AbstractContextManager[IO[bytes]]:
        there = Path(self.name) / "other machine"
        there.mkdir(exist_ok=True)
        return LocalFolder(str(there)).writing(name)


@pytest.fixture(autouse=True)
def _connection(cluster: Any) -> Iterator[None]:
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    with connected(cluster.address):
        yield
    ray.cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def do(folder: LocalFolder, tmp_path: Path, detector: Detector | None = None) -> None:
    """A job of one picture, whose parts go to this folder."""
    (tmp_path / "a.png").write_bytes(png.encode(picture(0)))
    detector, settings = detector or Detector(), Settings(Format.csv)
    folder.make()
    left = prepare(
        LocalFolder(str(tmp_path / "job")),
        settings,
        detector,
        make_plan([str(tmp_path / "a.png")]).sources,
        resume=True,
    )
    run_on_ray(
        left,
        detector,
        settings,
        Parts(folder, settings.format),
        watch=lambda tally: None,
        fail=pytest.fail,
        tell=TOLD.append,
    )


TOLD: list[str] = []


def test_a_picture_that_ends_its_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "job").mkdir()
    monkeypatch.setattr(pulse, "RETRIES", 1)
    with pytest.raises(ClusterError, match=r"looks at .*a\.png has died 2 times; leave them out"):
        do(Deadly(str(tmp_path / "out")), tmp_path)


def test_a_full_disk(tmp_path: Path) -> None:
    (tmp_path / "job").mkdir()
    with pytest.raises(ClusterError, match=r"No space left on device\); nothing was left behind \(on "):
        do(Full(str(tmp_path / "out")), tmp_path)


def test_a_folder_that_is_not_shared(tmp_path: Path) -> None:
    (tmp_path / "job").mkdir()
    with pytest.raises(ClusterError, match=r"1 parts, pictures-.* written on other machines but are not in"):
        do(Elsewhere(str(tmp_path / "out")), tmp_path)


def test_no_cpu_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "job").mkdir()
    monkeypatch.setattr(pulse, "SAY", 1.0)
    monkeypatch.setattr(pulse, "GIVE_UP", 3.0)

    class Holder:
        def ready(self) -> None:
            return

    holders = [ray.remote(num_cpus=2)(Holder).remote() for _ in range(2)]
    ray.get([holder.ready.remote() for holder in holders])
    TOLD.clear()
    why = "The cluster has 4 CPUs, of which 0 are free; an actor needs 1 CPU"
    with pytest.raises(TimeoutError, match=f"nothing was done for 3 s. {why}; what is complete stays"):
        do(LocalFolder(str(tmp_path / "out")), tmp_path)
    assert [words.replace("1 s", "1 s") for words in TOLD] == [
        f"nothing was done on Ray for 1 s. {why}; waiting"
    ]
