"""Trace files while they are open: read by many threads, replaced, damaged, dishonest."""

from __future__ import annotations

import json
import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from explorers import answer, array, explorer, whole
from mtcnn_cpp import Detector
from mtcnn_cpp.trace import Trace
from pictures import portrait

pytest.importorskip("starlette", reason="needs the extra: pip install 'mtcnn-cpp[explore]'")
pytest.importorskip("uvicorn", reason="needs the extra: pip install 'mtcnn-cpp[explore]'")


def test_many_at_once(files: dict[str, Path], right: Trace, wrong: Trace) -> None:
    """While the two are compared, 16 threads ask for values: each gets its own, whole and right."""
    names = [name for name in right if name in wrong and right[name].ndim == 3 and wrong[name].size]
    rng = np.random.default_rng(0)
    with explorer(files["right.npz"], files["wrong.npz"]) as address:

        def ask(number: int) -> None:
            name, what = names[int(rng.integers(len(names)))], "ab"[number % 2]
            values = (right if what == "a" else wrong)[name]
            channel = number % len(values)
            found = array(address, "values", name=name, what=what, **whole(values.shape, channel))
            assert found.tobytes() == values[channel].tobytes()

        with ThreadPoolExecutor(16) as pool:
            assert len(list(pool.map(ask, range(400)))) == 400


def test_a_file_that_is_replaced(tmp_path: Path, files: dict[str, Path], right: Trace) -> None:
    """The open file is the old one: its values stay right."""
    path = tmp_path / "a.npz"
    shutil.copy(files["right.npz"], path)
    with explorer(path) as address:
        Detector().trace(255 - portrait()).save(tmp_path / "new.npz")
        os.replace(tmp_path / "new.npz", path)
        found = array(address, "values", name="rnet/crop000/conv1", **whole((22, 22)))
        assert np.array_equal(found, right["rnet/crop000/conv1"][0])


@pytest.mark.parametrize("damage", ["truncate", "flip", "empty"])
def test_a_file_that_is_damaged(tmp_path: Path, files: dict[str, Path], damage: str) -> None:
    path = tmp_path / "a.npz"
    shutil.copy(files["right.npz"], path)
    with explorer(path, files["wrong.npz"]) as address:
        with path.open("r+b") as file:
            if damage == "flip":
                file.seek(len(portrait().tobytes()) + 30_000)
                file.write(bytes(200_000))
            else:
                file.truncate(100 if damage == "truncate" else 0)
        name = "pnet/level00/conv2"
        status, _, body = answer(address, "values", name=name, **whole((2, 2)))
        assert status == 422
        assert str(path) in json.loads(body)["error"]
        for question, words in (
            ("boxes", {}),
            ("faces", {}),
            ("tensor", {"name": name}),
            ("verdicts", {"from": 0}),
        ):
            assert answer(address, question, **words)[0] in (200, 422)
        assert answer(address, "about")[0] == 200


def test_a_dishonest_file_costs_no_memory(tmp_path: Path) -> None:
    """A manifest that says 3 TB: said, before anything is taken."""
    from mtcnn_cpp.explore.guarded import READ_LIMIT
    from mtcnn_cpp.trace.file.manifest import Entry, Manifest

    entry = Entry("pnet/level00/conv1", (1, 10**6, 10**6), "float32", "channel, y, x", "0" * 64)
    trace = Trace(Manifest("full", (entry,)), {entry.name: np.zeros(1, np.float32)})  # type: ignore[arg-type]
    from mtcnn_cpp.explore.guarded import guarded

    with pytest.raises(ValueError, match="is too large to show: 4000000000000 bytes"):
        guarded(trace)[0][entry.name]
    assert entry.nbytes > READ_LIMIT


def test_one_thread_at_a_time_reads_a_file() -> None:
    """A file has one handle: two that read through it at once would get each other's bytes."""
    from mtcnn_cpp.explore.guarded import guarded

    inside, most = 0, 0

    class Values(dict[str, np.ndarray]):
        def __getitem__(self, name: str) -> np.ndarray:
            nonlocal inside, most
            inside += 1
            most = max(most, inside)
            threading.Event().wait(0.002)
            inside -= 1
            return super().__getitem__(name)

    arrays = {f"rnet/crop{number:03d}/fc1": np.full(4, number, np.float32) for number in range(20)}
    kept, passing = guarded(Trace(Trace.from_arrays(arrays).manifest, Values(arrays)))
    with ThreadPoolExecutor(8) as pool:
        for trace in (kept, passing):
            for found, name in zip(pool.map(trace.__getitem__, arrays), arrays, strict=True):
                assert np.array_equal(found, arrays[name])
    assert most == 1
