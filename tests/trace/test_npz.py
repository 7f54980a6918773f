"""Trace files are written completely or not at all, and equal content gives equal files."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from mtcnn_cpp.trace import Trace, TraceError
from mtcnn_cpp.trace.file.npz import NpzWriter

RNG = np.random.default_rng(3)
ARRAY = RNG.integers(0, 256, (5, 7, 3), np.uint8)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An existing trace file."""
    Trace.from_arrays({"a": ARRAY}, image=ARRAY).save(tmp_path / "a.npz")
    return tmp_path / "a.npz"


def test_any_strides_and_byte_order_give_the_same_file(tmp_path: Path) -> None:
    big = RNG.standard_normal((700, 1200, 3)).astype(np.float32)  # large enough to be written in pieces
    for name, array in (("a", big.transpose(2, 0, 1)), ("b", big.transpose(2, 0, 1).copy().astype(">f4"))):
        Trace.from_arrays({"x": array}).save(tmp_path / name)
        with NpzWriter(tmp_path / (name + "2")) as writer:
            writer.add("x", array)
            writer.commit()
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a2").read_bytes() == (tmp_path / "b2").read_bytes()
    assert np.array_equal(Trace.load(tmp_path / "a")["x"], big.transpose(2, 0, 1))


def test_names_must_be_unique(tmp_path: Path) -> None:
    with NpzWriter(tmp_path / "a.npz") as writer:
        writer.add("a", ARRAY)
        with pytest.raises(TraceError, match="two arrays have the name 'a'"):
            writer.add("a", ARRAY)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"the folder .*nowhere does not exist"):
        Trace.from_arrays({"a": ARRAY}).save(tmp_path / "nowhere" / "a.npz")
    with pytest.raises(TraceError, match="is a folder; give the name of a file"):
        Trace.from_arrays({"a": ARRAY}).save(tmp_path)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_interrupt_keeps_the_existing_file_and_leaves_no_other(
    path: Path, error: type[BaseException]
) -> None:
    before = path.read_bytes()
    with pytest.raises(error), NpzWriter(path) as writer:  # noqa: PT012
        writer.add("a", ARRAY)
        with writer._zip.open("half", "w") as entry:  # in the middle of an entry
            entry.write(b"half")
            raise error
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.skipif(sys.platform == "win32", reason="a file size limit simulates a full disk: POSIX only")
@pytest.mark.parametrize("limit", [0, 1000, 4096, 70_000, 399_000])
def test_a_full_disk_keeps_the_existing_file_and_leaves_no_other(path: Path, limit: int) -> None:
    before = path.read_bytes()
    code = f"""
        import resource
        import numpy as np
        from mtcnn_cpp.trace import Trace, TraceError
        resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
        try:
            Trace.from_arrays({{"a": np.zeros(20_000), "b": np.zeros(30_000)}}).save({str(path)!r})
        except TraceError as error:
            print(error)
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    assert (ran.stdout, ran.stderr) == (
        f"{path} could not be written (File too large); no incomplete file remains\n",
        "",
    )
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]
