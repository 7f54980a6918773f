"""Open trace files: read by many threads, replaced, damaged, and with false sizes in the manifest."""

from __future__ import annotations

import json
import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from explorers import answer, array, explorer, whole_map
from images import portrait
from mtcnn_cpp import Detector
from mtcnn_cpp.trace import Trace

pytest.importorskip("starlette", reason="needs the extra: pip install 'mtcnn-cpp[explore]'")
pytest.importorskip("uvicorn", reason="needs the extra: pip install 'mtcnn-cpp[explore]'")


def test_many_threads(files: dict[str, Path], correct: Trace, faulty: Trace) -> None:
    """16 threads request values during the comparison; each gets the correct values."""
    names = [name for name in correct if name in faulty and correct[name].ndim == 3 and faulty[name].size]
    rng = np.random.default_rng(0)
    with explorer(files["correct.npz"], files["faulty.npz"]) as address:

        def ask(number: int) -> None:
            name, view = names[int(rng.integers(len(names)))], "ab"[number % 2]
            values = (correct if view == "a" else faulty)[name]
            channel = number % len(values)
            found = array(address, "values", name=name, view=view, **whole_map(values.shape, channel))
            assert found.tobytes() == values[channel].tobytes()

        with ThreadPoolExecutor(16) as pool:
            assert len(list(pool.map(ask, range(400)))) == 400


def test_replaced_file(tmp_path: Path, files: dict[str, Path], correct: Trace) -> None:
    """The explorer keeps the old file open, so its values stay correct."""
    path = tmp_path / "a.npz"
    shutil.copy(files["correct.npz"], path)
    with explorer(path) as address:
        Detector().trace(255 - portrait()).save(tmp_path / "new.npz")
        os.replace(tmp_path / "new.npz", path)
        found = array(address, "values", name="rnet/crop000/conv1", **whole_map((22, 22)))
        assert np.array_equal(found, correct["rnet/crop000/conv1"][0])


@pytest.mark.parametrize("damage", ["truncate", "flip", "empty"])
def test_damaged_file(tmp_path: Path, files: dict[str, Path], damage: str) -> None:
    path = tmp_path / "a.npz"
    shutil.copy(files["correct.npz"], path)
    with explorer(path, files["faulty.npz"]) as address:
        with path.open("r+b") as file:
            if damage == "flip":
                file.seek(len(portrait().tobytes()) + 30_000)
                file.write(bytes(200_000))
            else:
                file.truncate(100 if damage == "truncate" else 0)
        name = "pnet/level00/conv2"
        status, _, body = answer(address, "values", name=name, **whole_map((2, 2)))
        assert status == 422
        assert str(path) in json.loads(body)["error"]
        for endpoint, parameters in (
            ("boxes", {}),
            ("faces", {}),
            ("tensor", {"name": name}),
            ("verdicts", {"from": 0}),
        ):
            assert answer(address, endpoint, **parameters)[0] in (200, 422)
        assert answer(address, "about")[0] == 200


def test_false_size_in_manifest_allocates_no_memory(tmp_path: Path) -> None:
    """A manifest with a tensor of 4 TB produces an error before any allocation."""
    from mtcnn_cpp.explore.traces import READ_LIMIT, share_trace
    from mtcnn_cpp.trace.manifest import Manifest, TensorInfo

    entry = TensorInfo("pnet/level00/conv1", (1, 10**6, 10**6), "float32", "channel, y, x", "0" * 64)
    trace = Trace(Manifest("full", (entry,)), {entry.name: np.zeros(1, np.float32)})  # type: ignore[arg-type]

    with pytest.raises(ValueError, match="is too large to show: its values take 4000000000000 bytes"):
        share_trace(trace)[0][entry.name]
    assert entry.nbytes > READ_LIMIT


def test_one_thread_at_a_time_reads_the_file() -> None:
    """A file has one handle, so two threads that read at the same time would get wrong bytes."""
    from mtcnn_cpp.explore.traces import share_trace

    active, maximum = 0, 0

    class Values(dict[str, np.ndarray]):
        def __getitem__(self, name: str) -> np.ndarray:
            nonlocal active, maximum
            active += 1
            maximum = max(maximum, active)
            threading.Event().wait(0.002)
            active -= 1
            return super().__getitem__(name)

    arrays = {f"rnet/crop{number:03d}/fc1": np.full(4, number, np.float32) for number in range(20)}
    cached, uncached = share_trace(Trace(Trace.from_arrays(arrays).manifest, Values(arrays)))
    with ThreadPoolExecutor(8) as pool:
        for trace in (cached, uncached):
            for found, name in zip(pool.map(trace.__getitem__, arrays), arrays, strict=True):
                assert np.array_equal(found, arrays[name])
    assert maximum == 1
