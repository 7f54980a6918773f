"""Traces close their files: on request, at the end of a block, and in every command."""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from mtcnn_cpp import Detector, sample_image
from mtcnn_cpp.cli import app
from mtcnn_cpp.trace import Trace, TraceError, compare
from typer.testing import CliRunner

linux = pytest.mark.skipif(sys.platform != "linux", reason="open files are listed in /proc")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("closing")
    trace = Detector(min_face=200).trace(sample_image())
    trace.save(path / "gold.npz")
    trace.replace({"pnet/scores": trace["pnet/scores"] + np.float32(1)}).save(path / "mine.npz")
    np.savez(path / "plain.npz", **{"pnet/scores": trace["pnet/scores"]})  # type: ignore[arg-type]
    (path / "names.json").write_text(json.dumps({"pnet/scores": "pnet/scores"}))
    return path


@pytest.fixture
def no_collection() -> Iterator[None]:
    """Disable the garbage collector, so that a file that is not closed stays open."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def open_files(folder: Path) -> list[str]:
    links = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
    return [
        path for path in (os.readlink(link) for link in links if os.path.exists(link)) if str(folder) in path
    ]


@linux
def test_an_error_names_the_closed_trace(folder: Path) -> None:
    with Trace.load(folder / "gold.npz") as trace:
        part = trace.select("pnet/*")
        assert len(trace["pnet/scores"])
        assert open_files(folder)
    assert not open_files(folder)
    for one in (trace, part):
        with pytest.raises(TraceError, match=r"gold\.npz was closed; load it again to read 'pnet/scores'"):
            one["pnet/scores"]
    assert trace.names  # the manifest is in memory
    trace.close()
    in_memory = Trace.from_arrays({"x": np.zeros(3)})
    in_memory.close()
    assert len(in_memory["x"]) == 3
    with Trace.load(folder / "gold.npz") as a, Trace.load(folder / "mine.npz") as b:
        compare(a, b).close()
        assert not open_files(folder)


@linux
def test_a_rejected_file_is_closed(folder: Path, no_collection: None) -> None:
    kept = []
    for name in ("plain.npz",):
        with pytest.raises(TraceError) as raised:
            Trace.load(folder / name)
        kept.append(raised)  # its traceback holds the frames
    assert not open_files(folder)


@linux
@pytest.mark.parametrize(
    "command",
    [
        "diff gold.npz mine.npz",
        "validate gold.npz",
        "validate mine.npz --isolated",
        "inspect gold.npz",
        "inspect gold.npz pnet/scores",
        "inspect gold.npz no/such",
        "explain gold.npz pnet/level00/conv1 --at 0,0,0",
        "explain gold.npz mine.npz pnet/level00/conv1 --at 0,0,0",
        "doctor mine.npz --against gold.npz",
        "doctor plain.npz --against gold.npz",
        "doctor mine.npz --against gold.npz --names names.json",
        "diff gold.npz plain.npz",
    ],
)
def test_commands_close_their_traces(folder: Path, command: str, no_collection: None) -> None:
    arguments = [str(folder / word) if word.endswith((".npz", ".json")) else word for word in command.split()]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code in (0, 1, 2), done.output
    assert "fault of mtcnn_cpp" not in done.output
    assert open_files(folder) == []


@linux
def test_the_explorer_closes_its_traces(folder: Path, no_collection: None) -> None:
    from mtcnn_cpp.explore.traces import open_traces

    with open_traces([folder / "gold.npz", folder / "mine.npz"], Detector()) as traces:
        assert len(traces.a.trace["pnet/scores"])
        assert len(open_files(folder)) == 2
    assert not open_files(folder)
