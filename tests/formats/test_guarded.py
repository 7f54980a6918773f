"""Graphs from files run in a separate process, which has limits and always ends.

They cannot hang or crash the caller, or use all its memory.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from images import portrait
from mtcnn_cpp import MissingExtra, Model
from mtcnn_cpp.backends import OnnxRunner
from mtcnn_cpp.cli import app
from mtcnn_cpp.formats import PortError, export_onnx
from mtcnn_cpp.ports.verify import verify
from mtcnn_cpp.trace import OnnxRecorder, TraceError
from typer.testing import CliRunner

onnx = pytest.importorskip("onnx", reason="needs mtcnn-cpp[onnx]")
pytest.importorskip("onnxruntime", reason="needs mtcnn-cpp[onnx]")

from mtcnn_cpp.formats.onnx.process import GraphLimits, GraphRunError, GuardedGraph, graph_limits  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

ENDLESS = 10**12
RUNTIMES = ["onnxruntime", "onnx"]
SOON = 30.0  # seconds after which an interrupted command must have ended; otherwise it takes a minute


def constant(name: str, values: Any) -> Any:
    return numpy_helper.from_array(np.asarray(values), name)


def loop_body() -> Any:
    value = helper.make_tensor_value_info
    return helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["on"]),
            helper.make_node("Add", ["sum", "nothing"], ["more"]),
        ],
        "body",
        [value("i", TensorProto.INT64, []), value("go", TensorProto.BOOL, []), value("sum", 1, None)],
        [value("on", TensorProto.BOOL, []), value("more", 1, None)],
        [constant("nothing", np.float32(0))],
    )


def add_loop(graph: Any, rounds: int, start: str, end: str) -> None:
    """Add a loop that adds 0 to the tensor `start` in each round."""
    graph.initializer.extend([constant("rounds", np.int64(rounds)), constant("yes", np.bool_(True))])
    node = helper.make_node("Loop", ["rounds", "yes", start], [end], "their loop", body=loop_body())
    graph.node.insert(0, node)


def small_graph(*nodes: Any, constants: tuple[Any, ...] = ()) -> Any:
    """Return a graph from x to y, both float32."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(list(nodes), "g", [value("x", 1, [1])], [value("y", 1, None)], list(constants))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def looping(rounds: int) -> Any:
    model = small_graph()
    add_loop(model.graph, rounds, "x", "y")
    return model


def allocating(count: int) -> Any:
    return small_graph(
        helper.make_node("ConstantOfShape", ["count"], ["zeros"]),
        helper.make_node("Add", ["zeros", "x"], ["much"]),
        helper.make_node("ReduceMax", ["much"], ["y"], keepdims=0),
        constants=(constant("count", np.array([count], np.int64)),),
    )


def run(model: Any, runtime: str = "onnxruntime") -> np.ndarray:
    return GuardedGraph(model, runtime=runtime).run({"x": np.float32([3])}, ["y"])["y"]


def pid_of(graph: GuardedGraph) -> int:
    assert graph._worker is not None
    return graph._worker._process.pid


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")


def ends(pid: int) -> bool:
    """Return whether a process ends within a time limit."""
    until = time.monotonic() + SOON
    while is_running(pid):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_nested_graph(runtime: str) -> None:
    assert run(looping(5), runtime) == 3


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_infinite_loop(runtime: str) -> None:
    with graph_limits():
        graph = GuardedGraph(looping(ENDLESS), runtime=runtime)
        graph._limits = GraphLimits(seconds=0.5)  # not for loading, which takes longer on a busy machine
        pid = pid_of(graph)
        with pytest.raises(
            GraphRunError, match=r"running the graph took longer than the limit of 0\.5 s; raise the limit"
        ):
            graph.run({"x": np.float32([3])}, ["y"])
        assert not is_running(pid)
        assert run(looping(5), runtime) == 3  # the next graph gets a new process


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("count", [25_000_000_000, 300_000_000])
def test_more_memory_than_the_limit(runtime: str, count: int) -> None:
    with (
        graph_limits(memory=1 << 30),
        pytest.raises(
            GraphRunError, match=r"more memory than the limit of 1 GiB.*raise the limit with --graph-memory"
        ),
    ):
        run(allocating(count), runtime)


def test_a_crash_of_the_runtime() -> None:
    graph = GuardedGraph(looping(ENDLESS))
    assert graph._worker is not None
    timer = threading.Timer(0.5, graph._worker._process.send_signal, [signal.SIGSEGV])
    timer.start()
    with pytest.raises(GraphRunError, match=r"the graph crashed the runtime \(SIGSEGV\)"):
        graph.run({"x": np.float32([3])}, ["y"])
    timer.join()


def test_custom_operators() -> None:
    model = small_graph(helper.make_node("Evil", ["x"], ["y"], domain="evil.operators"))
    model.opset_import.append(helper.make_opsetid("evil.operators", 1))
    for runtime in RUNTIMES:
        with pytest.raises(GraphRunError, match=r"evil\.operators"):
            run(model, runtime)


@pytest.mark.parametrize("location", ["../weights.bin", "/etc/passwd", "weights.bin"])
@pytest.mark.parametrize("place", ["initializer", "attribute", "graph within", "function"])
def test_values_in_another_file(location: str, place: str, tmp_path: Path) -> None:
    """No runtime gets the location of external values, at any position of the tensor."""
    tensor = TensorProto(name="hidden", data_type=TensorProto.FLOAT, dims=[1], data_location=1)
    tensor.external_data.add(key="location", value=location)
    model = looping(1)
    if place == "initializer":
        model.graph.initializer.append(tensor)
    elif place == "graph within":
        model.graph.node[0].attribute[0].g.initializer.append(tensor)
    else:
        node = helper.make_node("Constant", [], ["hidden"])
        node.attribute.add(name="value", type=onnx.AttributeProto.TENSOR).t.CopyFrom(tensor)
        if place == "attribute":
            model.graph.node.append(node)
        else:
            model.functions.add(name="f", domain="own").node.append(node)
    with pytest.raises(GraphRunError, match="tensor 'hidden' has its values in another file"):
        GuardedGraph(model)
    path = tmp_path / "model" / "theirs.onnx"
    path.parent.mkdir()
    path.write_bytes(model.SerializeToString())
    with pytest.raises(PortError, match=r"theirs.onnx: its weights are in a separate file"):
        OnnxRunner(path)


def test_graphs_of_one_block_share_a_process() -> None:
    with graph_limits():
        graphs = [GuardedGraph(looping(rounds)) for rounds in (1, 2, 3)]
        with graph_limits():
            graphs.append(GuardedGraph(looping(4)))
        assert len({pid_of(graph) for graph in graphs}) == 1
        assert [graph.run({"x": np.float32([3])}, ["y"])["y"] for graph in graphs] == [3] * 4
    assert not is_running(pid_of(graphs[0]))
    assert graphs[0].run({"x": np.float32([4])}, ["y"])["y"] == 4  # in a new process
    pid = pid_of(graphs[0])
    graphs.clear()
    assert not is_running(pid)


def test_values_that_are_not_numbers() -> None:
    graph = GuardedGraph(small_graph(helper.make_node("Identity", ["x"], ["y"])))
    with pytest.raises(GraphRunError, match="input 'x': expected an array of numbers, found <U1"):
        graph.run({"x": np.array(["a"])}, ["y"])
    texts = small_graph(helper.make_node("Cast", ["x"], ["y"], to=TensorProto.STRING))
    texts.graph.output[0].type.tensor_type.elem_type = TensorProto.STRING
    with pytest.raises(GraphRunError, match="tensor 'y': expected an array of numbers"):
        run(texts)


def test_no_module_of_the_current_folder_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder may be untrusted."""
    for name in ("numpy", "json", "onnxruntime", "struct", "mtcnn_cpp"):
        (tmp_path / f"{name}.py").write_text("open('executed', 'w')")
    monkeypatch.chdir(tmp_path)
    assert run(looping(2)) == 3
    assert not Path("executed").exists()


@pytest.mark.parametrize("wrong", [0, -1, float("nan"), float("inf")])
def test_invalid_limits(wrong: float) -> None:
    with pytest.raises(ValueError, match="expected seconds above 0"):
        GraphLimits(seconds=wrong)
    with pytest.raises(ValueError, match="expected a memory limit above 0"), graph_limits(memory=-1):
        pass


def test_missing_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtra, match="needs the package 'onnxruntime'"):
        GuardedGraph(looping(1), runtime="onnxruntime")
    assert GuardedGraph(looping(1)).run({"x": np.float32([3])}, ["y"])["y"] == 3  # by onnx


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return three exported networks; PNet has an infinite loop before its first layer."""
    export_onnx(Model.default(), tmp_path)
    model = onnx.load(tmp_path / "pnet.onnx")
    first = model.graph.node[0]
    first.input[0] = "looped"
    add_loop(model.graph, ENDLESS, "input", "looped")
    onnx.save(model, tmp_path / "pnet.onnx")
    return tmp_path


def test_the_library(folder: Path) -> None:
    batch = np.zeros((1, 3, 12, 12), np.float32)
    with graph_limits(seconds=2):
        with pytest.raises(PortError, match=r"pnet.onnx: ONNX Runtime cannot run.*longer than the limit"):
            verify(folder, portrait())
        with pytest.raises(TraceError, match=r"pnet.onnx: ONNX Runtime cannot run.*longer than the limit"):
            OnnxRecorder().run(folder / "pnet.onnx", {"input": batch}, {})


@pytest.mark.parametrize(
    "command",
    [["verify"], ["doctor"], ["export", "dat", "out", "--model"], ["export", "onnx", "out", "--model"]],
)
def test_the_commands(folder: Path, command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    result = CliRunner().invoke(app, [*command, str(folder), "--graph-seconds", "2"])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "pnet.onnx" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    if command == ["verify"]:
        assert "took longer than the limit of 2 s; raise the limit with --graph-seconds" in result.stderr


COMMAND = """
import signal, subprocess, sys
from mtcnn_cpp.formats.onnx import process

class Shown(subprocess.Popen):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        print(self.pid, flush=True)

process.subprocess.Popen = Shown
from mtcnn_cpp.cli import app
signal.signal(signal.SIGINT, signal.default_int_handler)  # for tests that run in the background
app(["verify", sys.argv[1], "--sample"])
"""


@pytest.fixture
def command(folder: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run `verify` on the graph with the infinite loop. Yield the command and its child's process number."""
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        time.sleep(2)  # until the graph is loaded and runs
        assert process.poll() is None
        yield process, child
        process.kill()


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals(command: tuple[subprocess.Popen[str], int], number: signal.Signals, status: int) -> None:
    process, child = command
    process.send_signal(number)
    assert process.wait(SOON) == status
    assert not is_running(child)


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_no_process_is_left_when_the_parent_is_killed(command: tuple[subprocess.Popen[str], int]) -> None:
    process, child = command
    process.kill()
    process.wait()
    assert ends(child)
