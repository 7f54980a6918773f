"""A graph is run before it is called exact: a planted operator that changes the outputs is found."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="needs mtcnn-cpp[onnx]")
runtime = pytest.importorskip("onnxruntime", reason="needs mtcnn-cpp[onnx]")

from mtcnn_cpp.formats.errors import PortError  # noqa: E402
from mtcnn_cpp.formats.onnx.reader import found_from_onnx  # noqa: E402
from mtcnn_cpp.ports.doctor import Diagnosis, diagnose  # noqa: E402
from mtcnn_cpp.reference.plan import STAGES  # noqa: E402
from onnx import helper  # noqa: E402
from operators import plant, write_out_prelus  # noqa: E402
from planted import correct, to_onnx  # noqa: E402

pytestmark = pytest.mark.usefixtures("graph_process")

SIZES = {"pnet": (20, 31), "rnet": (24, 24), "onet": (48, 48)}
DIFFERENT = 1e-4  # of the greatest magnitude


def right_graphs(stage: str) -> list[Any]:
    plain = to_onnx(correct(stage), stage)
    return [plain, write_out_prelus(plain)]


def examine(model: Any, source: str = "theirs") -> Diagnosis:
    return diagnose(found_from_onnx(model, source))


def run(model: Any, batch: np.ndarray) -> np.ndarray | None:
    """The output of a graph, or None if it cannot be run."""
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    try:
        session = runtime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        (output,) = session.run(None, {"input": batch})
    except Exception:  # the runtime's classes have no common base
        return None
    return np.asarray(output)


def differs(right: np.ndarray, found: np.ndarray | None) -> bool:
    if found is None or found.shape != right.shape:
        return True
    return not float(np.abs(found - right).max()) <= DIFFERENT * float(np.abs(right).max())


def has_other_axis_order(right: np.ndarray, found: np.ndarray | None, notes: tuple[str, ...]) -> bool:
    """Whether the output is right except for its axis order, and a note says so."""
    assert found is not None
    orders = [right.transpose(order) for order in itertools.permutations(range(right.ndim))]
    noted = any("has the axis order (" in note for note in notes)
    return noted and any(not differs(one, found) for one in orders)


def check(count: int, seed: int) -> Counter[str]:
    """Counts for `count` planted graphs. Fails for a wrong graph that is called exact."""
    random = np.random.default_rng(seed)
    batches = {s: random.uniform(-1, 1, (1, 3, *size)).astype(np.float32) for s, size in SIZES.items()}
    graphs = {stage: right_graphs(stage) for stage in STAGES}
    outputs = {stage: [run(model, batches[stage]) for model in graphs[stage]] for stage in STAGES}
    counts: Counter[str] = Counter()
    wrong = []
    for index in range(count):
        stage, style = list(STAGES)[index % 3], int(random.integers(2))
        name, model = plant(graphs[stage][style], random)
        right = outputs[stage][style]
        assert right is not None
        changed = differs(right, run(model, batches[stage]))
        counts["changed"] += changed
        try:
            found = examine(model)
        except PortError:
            counts["refused"] += 1
            continue
        counts["exact" if found.exact else "found wrong"] += 1
        counts["found by running"] += any(one.kind == "computes" for one in found.findings)
        reordered = (
            found.exact and changed and has_other_axis_order(right, run(model, batches[stage]), found.notes)
        )
        counts["other axis order"] += reordered
        if found.exact and changed and not reordered:
            wrong.append(f"graph {index}: {name} in {stage}, style {style}: {found.headline}")
        if found.exact:
            assert found.numbers > 6000
            assert found.inputs
    assert not wrong, "\n".join(wrong)
    return counts


def test_planted_operators() -> None:
    counts = check(60, seed=1)
    assert counts["exact"] >= 1
    assert counts["refused"] >= 1
    assert counts["found by running"] >= 5


@pytest.mark.slow
def test_many_planted_operators(capsys: pytest.CaptureFixture[str]) -> None:
    counts = check(2400, seed=2)
    with capsys.disabled():
        print(f"\nplanted graphs: {dict(counts)}, false exact: 0")


def after(model: Any, tensor: str, operator: str, *constants: float) -> None:
    """Insert a node between a tensor and its consumers."""
    graph = model.graph
    for node in graph.node:
        for place, name in enumerate(node.input):
            if name == tensor:
                node.input[place] = "planted"
    names = [f"constant{index}" for index in range(len(constants))]
    for name, value in zip(names, constants, strict=True):
        graph.initializer.append(onnx.numpy_helper.from_array(np.float32(value), name))
    at = next(index for index, node in enumerate(graph.node) if tensor in node.output)
    graph.node.insert(at + 1, helper.make_node(operator, [tensor, *names], ["planted"], "planted/node"))


@pytest.mark.parametrize("stage", STAGES)
def test_softmax_after_the_first_layer(stage: str) -> None:
    model = to_onnx(correct(stage), stage)
    after(model, "port/conv1", "Softmax")
    found = examine(model)
    (finding,) = found.findings
    assert (finding.layer, finding.kind) == ("prelu1", "computes")
    assert "first difference in 'port/prelu1'" in finding.text
    assert found.headline == "the layers are OpenFace's, but the graph computes something else"
    assert not any("at the end" in note for note in found.notes)
    assert any("(Softmax) before port/prelu1: it was ignored" in note for note in found.notes)


@pytest.mark.parametrize("limit", [2.5, 40.0])
@pytest.mark.parametrize("stage", STAGES)
def test_a_limit_after_a_written_prelu(stage: str, limit: float) -> None:
    """A limit that values of images reach, and one that only greater values reach."""
    model = write_out_prelus(to_onnx(correct(stage), stage))
    after(model, "port/prelu2", "Min", limit)
    with pytest.raises(PortError, match=rf"'planted/node' \(Min\): it uses the constant {limit:g};"):
        examine(model)


def test_unexpected_layers() -> None:
    """Before the first layer, after the last one, and a second activation."""
    for tensor, layer in (("input", "conv1"), ("port/fc1", "fc1"), ("port/prelu2", "prelu2")):
        model = to_onnx(correct("pnet"), "pnet")
        if tensor == "port/fc1":
            model.graph.node.append(helper.make_node("Relu", [tensor], ["end"], "end"))
            model.graph.output[0].name = "end"
        elif tensor == "input":
            model.graph.node[0].input[0] = "planted"
            model.graph.node.insert(0, helper.make_node("Relu", ["input"], ["planted"], "planted"))
        else:
            after(model, tensor, "Relu")
        (finding,) = examine(model).findings
        assert (finding.layer, finding.kind) == (layer, "activation")


def test_an_output_that_is_not_the_network() -> None:
    """The graph contains all of PNet, but its output is the first layer."""
    model = to_onnx(correct("pnet"), "pnet")
    model.graph.output[0].name = "port/conv1"
    (finding,) = examine(model).findings
    assert finding.kind == "computes"
    assert finding.text == "no output contains OpenFace's box, class values"


def test_a_softmax_of_everything_is_no_head() -> None:
    model = to_onnx(correct("rnet"), "rnet")
    model.graph.node.append(helper.make_node("Softmax", ["port/fc2"], ["end"], "end"))
    model.graph.output[0].name = "end"
    (finding,) = examine(model).findings
    assert finding.text == "no output contains OpenFace's box, class values"


def unrunnable() -> Any:
    """A correct graph for a version of the operators that no runtime supports."""
    model = to_onnx(correct("pnet"), "pnet")
    model.opset_import[0].version = 999
    return model


def test_a_graph_that_cannot_be_run() -> None:
    found = examine(unrunnable())
    (finding,) = found.findings
    assert finding.kind == "not-run"
    assert finding.text.startswith("the graph could not be run: ")
    assert not found.exact
    assert found.headline == "the numbers are OpenFace's, but the graph could not be run"


def test_without_onnx_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    """The evaluator of onnx runs the graph."""
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    assert examine(to_onnx(correct("rnet"), "rnet")).exact
    model = to_onnx(correct("rnet"), "rnet")
    after(model, "port/conv1", "Softmax")
    assert [one.kind for one in examine(model).findings] == ["computes"]


def test_nothing_compared_is_not_exact() -> None:
    assert not Diagnosis("x", "pnet", (), (), {}, None).exact
    assert Diagnosis("x", "pnet", (), (), {}, None).headline == "nothing was compared"
    assert not Diagnosis("x", "pnet", (), (), {}, None, numbers=6632, inputs=0).exact
    assert Diagnosis("x", "pnet", (), (), {}, None, numbers=6632).exact
