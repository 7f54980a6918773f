"""Before a graph is called OpenFace's, exactly, it has been run: an operator planted anywhere in it is found
where it changes what the graph computes."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="needs mtcnn-cpp[onnx]")
runtime = pytest.importorskip("onnxruntime", reason="needs mtcnn-cpp[onnx]")

from mtcnn_cpp.doctor import Diagnosis, diagnose  # noqa: E402
from mtcnn_cpp.formats.errors import PortError  # noqa: E402
from mtcnn_cpp.formats.onnx.read import found_from_onnx  # noqa: E402
from mtcnn_cpp.reference.plan import STAGES  # noqa: E402
from onnx import helper  # noqa: E402
from operators import plant, written_out  # noqa: E402
from planted import correct, to_onnx  # noqa: E402

SIZES = {"pnet": (20, 31), "rnet": (24, 24), "onet": (48, 48)}
DIFFERENT = 1e-4  # of the greatest magnitude


def right_graphs(stage: str) -> list[Any]:
    plain = to_onnx(correct(stage), stage)
    return [plain, written_out(plain)]


def examine(model: Any, source: str = "theirs") -> Diagnosis:
    return diagnose(found_from_onnx(model, source))


def run(model: Any, batch: np.ndarray) -> np.ndarray | None:
    """Its output; None where it cannot be run."""
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    try:
        session = runtime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        (output,) = session.run(None, {"picture": batch})
    except Exception:  # the runtime's classes have no common base
        return None
    return np.asarray(output)


def differs(right: np.ndarray, found: np.ndarray | None) -> bool:
    if found is None or found.shape != right.shape:
        return True
    return not float(np.abs(found - right).max()) <= DIFFERENT * float(np.abs(right).max())


def lies_otherwise(right: np.ndarray, found: np.ndarray | None, notes: tuple[str, ...]) -> bool:
    """Whether it is the right output with its axes in another order, and a note says so."""
    assert found is not None
    orders = [right.transpose(order) for order in itertools.permutations(range(right.ndim))]
    told = any("lies as (" in note for note in notes)
    return told and any(not differs(one, found) for one in orders)


def check(count: int, seed: int) -> Counter[str]:
    """Figures of so many planted graphs; a false "exactly" fails."""
    random = np.random.default_rng(seed)
    batches = {s: random.uniform(-1, 1, (1, 3, *size)).astype(np.float32) for s, size in SIZES.items()}
    graphs = {stage: right_graphs(stage) for stage in STAGES}
    outputs = {stage: [run(model, batches[stage]) for model in graphs[stage]] for stage in STAGES}
    figures: Counter[str] = Counter()
    wrong = []
    for index in range(count):
        stage, style = list(STAGES)[index % 3], int(random.integers(2))
        name, model = plant(graphs[stage][style], random)
        right = outputs[stage][style]
        assert right is not None
        changed = differs(right, run(model, batches[stage]))
        figures["changed"] += changed
        try:
            found = examine(model)
        except PortError:
            figures["refused"] += 1
            continue
        figures["exact" if found.exact else "found wrong"] += 1
        figures["found by running"] += any(one.kind == "computes" for one in found.findings)
        laid = found.exact and changed and lies_otherwise(right, run(model, batches[stage]), found.notes)
        figures["laid otherwise"] += laid
        if found.exact and changed and not laid:
            wrong.append(f"graph {index}: {name} in {stage}, style {style}: {found.headline}")
        if found.exact:
            assert found.numbers > 6000
            assert found.inputs
    assert not wrong, "\n".join(wrong)
    return figures


def test_planted_operators() -> None:
    figures = check(60, seed=1)
    assert figures["exact"] >= 1
    assert figures["refused"] >= 1
    assert figures["found by running"] >= 5


@pytest.mark.slow
def test_many_planted_operators(capsys: pytest.CaptureFixture[str]) -> None:
    figures = check(2400, seed=2)
    with capsys.disabled():
        print(f"\nplanted graphs: {dict(figures)}, false exact: 0")


def after(model: Any, tensor: str, operator: str, *constants: float) -> None:
    """A node right after a tensor, before all who use it."""
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
    after(model, "their/conv1", "Softmax")
    found = examine(model)
    (finding,) = found.findings
    assert (finding.layer, finding.kind) == ("prelu1", "computes")
    assert "first seen in 'their/prelu1'" in finding.text
    assert found.headline == "read as OpenFace's model, but computes something else"
    assert not any("at the end" in note for note in found.notes)
    assert any("(Softmax) before their/prelu1: it was not read" in note for note in found.notes)


@pytest.mark.parametrize("limit", [2.5, 40.0])
@pytest.mark.parametrize("stage", STAGES)
def test_a_limit_after_a_written_prelu(stage: str, limit: float) -> None:
    """One that pictures come to, and one that only greater values do."""
    model = written_out(to_onnx(correct(stage), stage))
    after(model, "their/prelu2", "Min", limit)
    with pytest.raises(PortError, match=r"'planted/node' \(Min\): it is not proven to break at 0 alone"):
        examine(model)


def test_layers_too_many() -> None:
    """Before the first layer, after the last one, and a second activation."""
    for tensor, layer in (("picture", "conv1"), ("their/fc1", "fc1"), ("their/prelu2", "prelu2")):
        model = to_onnx(correct("pnet"), "pnet")
        if tensor == "their/fc1":
            model.graph.node.append(helper.make_node("Relu", [tensor], ["end"], "end"))
            model.graph.output[0].name = "end"
        elif tensor == "picture":
            model.graph.node[0].input[0] = "planted"
            model.graph.node.insert(0, helper.make_node("Relu", ["picture"], ["planted"], "planted"))
        else:
            after(model, tensor, "Relu")
        (finding,) = examine(model).findings
        assert (finding.layer, finding.kind) == (layer, "activation")


def test_an_output_that_is_not_the_network() -> None:
    """The graph holds all of PNet, and gives only its first layer."""
    model = to_onnx(correct("pnet"), "pnet")
    model.graph.output[0].name = "their/conv1"
    (finding,) = examine(model).findings
    assert finding.kind == "computes"
    assert finding.text == "no output holds OpenFace's box, class values"


def test_a_softmax_of_everything_is_no_head() -> None:
    model = to_onnx(correct("rnet"), "rnet")
    model.graph.node.append(helper.make_node("Softmax", ["their/fc2"], ["end"], "end"))
    model.graph.output[0].name = "end"
    (finding,) = examine(model).findings
    assert finding.text == "no output holds OpenFace's box, class values"


def unrunnable() -> Any:
    """Right in every number, for a version of the operators that no runtime has."""
    model = to_onnx(correct("pnet"), "pnet")
    model.opset_import[0].version = 999
    return model


def test_a_graph_that_cannot_be_run() -> None:
    found = examine(unrunnable())
    (finding,) = found.findings
    assert finding.kind == "not-run"
    assert finding.text.startswith("not run: ")
    assert not found.exact
    assert found.headline == "its numbers are OpenFace's, but what it computes is not known"


def test_without_onnx_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    """onnx's own evaluator runs it."""
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    assert examine(to_onnx(correct("rnet"), "rnet")).exact
    model = to_onnx(correct("rnet"), "rnet")
    after(model, "their/conv1", "Softmax")
    assert [one.kind for one in examine(model).findings] == ["computes"]


def test_nothing_compared_is_not_exact() -> None:
    assert not Diagnosis("x", "pnet", (), (), {}, None).exact
    assert Diagnosis("x", "pnet", (), (), {}, None).headline == "nothing was compared"
    assert not Diagnosis("x", "pnet", (), (), {}, None, numbers=6632, inputs=0).exact
    assert Diagnosis("x", "pnet", (), (), {}, None, numbers=6632).exact
