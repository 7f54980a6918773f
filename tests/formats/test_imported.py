"""`import_model` reads every operator and entry of a file, or raises an error."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mtcnn_cpp import Model
from mtcnn_cpp.cli import app
from mtcnn_cpp.formats import PortError, import_model
from mtcnn_cpp.formats.state_dict import to_state_dict
from mtcnn_cpp.reference.plan import STAGES
from typer.testing import CliRunner

pytest.importorskip("onnx", reason="needs mtcnn-cpp[onnx]")

from changed_graphs import LAST, Graphs, separate
from onnx import TensorProto, helper

pytestmark = pytest.mark.usefixtures("graph_process")

OFFICIAL = Model.default().hashes()


def softmax(graphs: Graphs, at: str) -> None:
    graphs.after(at, ("Softmax", [], {"axis": 1}))


def whole_numbers(graphs: Graphs, at: str) -> None:
    graphs.after(at, ("Cast", [], {"to": TensorProto.INT32}), ("Cast", [], {"to": TensorProto.FLOAT}))


def half(graphs: Graphs, at: str) -> None:
    graphs.after(at, ("Cast", [], {"to": TensorProto.FLOAT16}), ("Cast", [], {"to": TensorProto.FLOAT}))


def quantised(graphs: Graphs, at: str) -> None:
    step = [graphs.constant(np.float32(0.05)), graphs.constant(np.uint8(128))]
    graphs.after(at, ("QuantizeLinear", step, {}), ("DequantizeLinear", step, {}))


def dropout(graphs: Graphs, at: str) -> None:
    inputs = [graphs.constant(np.float32(0.9)), graphs.constant(np.bool_(True))]
    graphs.after(at, ("Dropout", inputs, {"seed": 1}))


EDITS: list[Callable[[Graphs, str], None]] = [softmax, whole_numbers, half, quantised, dropout]


@pytest.mark.parametrize(
    ("edit", "at"),
    [
        *((edit, "last") for edit in EDITS),
        *zip(EDITS, ("conv1", "prelu2", "conv1", "prelu2", "conv1"), strict=True),
    ],
)
def test_operator_that_a_model_cannot_represent(
    tmp_path: Path, edit: Callable[[Graphs, str], None], at: str
) -> None:
    """The operator is in the middle, or at the end, over all values."""
    stage = list(STAGES)[(EDITS.index(edit) + len(at)) % 3]
    graphs = Graphs(tmp_path / "theirs", stage)
    edit(graphs, LAST[stage] if at == "last" else at)
    with pytest.raises(PortError, match=rf"{stage}\.onnx: .*compute different outputs"):
        import_model(graphs.save())


def test_the_command_refuses_such_an_operator(tmp_path: Path) -> None:
    stage = "pnet"
    graphs = Graphs(tmp_path / "theirs", stage)
    softmax(graphs, "conv1")
    folder = graphs.save()
    result = CliRunner().invoke(app, ["export", "dat", str(tmp_path / "out"), "--model", str(folder)])
    assert result.exit_code == 2
    assert f"{stage}.onnx" in result.stderr
    assert not (tmp_path / "out").exists()


def test_the_error_names_the_operators(tmp_path: Path) -> None:
    graphs = Graphs(tmp_path, "rnet")
    whole_numbers(graphs, "prelu2")
    text = r"no graph output contains the values of box, class; output 'fc2' differs by .*"
    text += r"The graph has 'their Cast 0' \(Cast\), 'their Cast 1' \(Cast\), which a model cannot represent"
    with pytest.raises(PortError, match=text):
        import_model(graphs.save())


def test_an_addition_in_float16(tmp_path: Path) -> None:
    """Its numbers are floating-point numbers, but there is a Cast between the layer and this bias."""
    graphs = Graphs(tmp_path, "rnet")
    zero = graphs.constant(np.zeros((1, 28, 1, 1), np.float16))
    half_and_back = [("Cast", [], {"to": kind}) for kind in (TensorProto.FLOAT16, TensorProto.FLOAT)]
    graphs.after("conv1", half_and_back[0], ("Add", [zero], {}), half_and_back[1])
    with pytest.raises(PortError, match=r"'their Add 1' \(Add\): expected arithmetic only before the"):
        import_model(graphs.save())


def test_without_effect(tmp_path: Path) -> None:
    """Operators without effect are accepted: Dropout outside of training, casts to the same type."""
    graphs = Graphs(tmp_path, "onet")
    graphs.after("prelu1", ("Dropout", [graphs.constant(np.float32(0.9))], {}))
    graphs.after("conv2", ("Cast", [], {"to": TensorProto.DOUBLE}), ("Cast", [], {"to": TensorProto.FLOAT}))
    graphs.after("fc2", ("Identity", [], {}))
    assert import_model(graphs.save()).hashes() == OFFICIAL


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("operator", ["Softmax", "LogSoftmax"])
def test_a_softmax_of_the_class_values_at_the_end(tmp_path: Path, stage: str, operator: str) -> None:
    """The detector applies the Softmax. A warning reports that it was omitted."""
    graphs = Graphs(tmp_path / "theirs", stage)
    separate(graphs)
    graphs.after("class", (operator, [], {"axis": 1}))
    folder = graphs.save()
    with pytest.warns(
        UserWarning, match=rf"{stage}\.onnx: the {operator} of the class values .* omitted"
    ) as told:
        assert import_model(folder).hashes() == OFFICIAL
    assert told[0].filename == __file__


def test_the_command_notes_a_softmax_at_the_end(tmp_path: Path) -> None:
    graphs = Graphs(tmp_path / "theirs", "rnet")
    separate(graphs)
    graphs.after("class", ("Softmax", [], {"axis": 1}))
    folder = graphs.save()
    result = CliRunner().invoke(app, ["export", "dat", str(tmp_path / "out"), "--model", str(folder)])
    assert result.exit_code == 0
    assert f"note: {folder / 'rnet'}.onnx: the Softmax of the class values" in result.stderr


@pytest.mark.parametrize("stage", STAGES)
def test_separate_heads(tmp_path: Path, stage: str) -> None:
    graphs = Graphs(tmp_path, stage)
    separate(graphs)
    assert import_model(graphs.save()).hashes() == OFFICIAL


@pytest.mark.parametrize("lost", ["class", "box", "landmarks"])
def test_missing_head(tmp_path: Path, lost: str) -> None:
    graphs = Graphs(tmp_path, "onet")
    separate(graphs)
    graphs.outputs(*({"class", "box", "landmarks"} - {lost}))
    with pytest.raises(PortError, match=rf"onet\.onnx: .*no graph output contains the values of {lost}"):
        import_model(graphs.save())


@pytest.mark.parametrize("output", ["zeros", "prelu4", "copy"])
def test_outputs_of_another_network(tmp_path: Path, output: str) -> None:
    graphs = Graphs(tmp_path, "rnet")
    nothing = graphs.constant(np.float32(0))
    graphs.graph.node.append(helper.make_node("Mul", ["prelu4", nothing], ["zeros"], "zeros"))
    graphs.graph.node.append(helper.make_node("Identity", ["prelu3"], ["copy"], "copy"))
    graphs.outputs(output)
    with pytest.raises(PortError, match=r"rnet\.onnx: "):
        import_model(graphs.save())


def test_without_onnx_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reference evaluator of onnx runs the graph."""
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    graphs = Graphs(tmp_path, "pnet")
    graphs.save()
    Model.default().save(tmp_path)
    index = tmp_path / "MTCNN_detector.txt"  # without the graph of ONet, for which the evaluator needs 5 s
    index.write_text(index.read_text().replace("PNet.dat", "pnet.onnx").replace("RNet.dat", "rnet.onnx"))
    assert import_model(index).hashes() == OFFICIAL
    whole_numbers(graphs, "conv1")
    graphs.save()
    with pytest.raises(PortError, match="compute different outputs"):
        import_model(index)


def arrays() -> dict[str, Any]:
    return dict(Model.default().arrays())


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("pnet/conv1/kernel/more", (10, 3, 3, 3)),
        ("pnet/conv1/scale", (10,)),
        ("pnet/prelu1/kernel", (10, 3, 3, 3)),
        ("pnet/pool1/bias", (10,)),
        ("pnet/conv1/window", (4,)),
    ],
)
def test_entries_of_an_npz_that_no_layer_has(tmp_path: Path, name: str, shape: tuple[int, ...]) -> None:
    np.savez(tmp_path / "theirs.npz", **arrays())
    assert import_model(tmp_path / "theirs.npz").hashes() == OFFICIAL
    np.savez(tmp_path / "theirs.npz", **arrays(), **{name: np.ones(shape, np.float32)})
    with pytest.raises(PortError, match=rf"theirs\.npz.*{name.split('/')[1]}"):
        import_model(tmp_path / "theirs.npz")


def state_dict() -> dict[str, Any]:
    found = {}
    for stage in STAGES:
        one = to_state_dict(Model.default().networks[stage], stage)
        found |= {f"{stage}.{name}": values for name, values in one.items()}
    return found


@pytest.mark.parametrize(
    ("after", "more", "message"),
    [
        ("rnet.conv1.bias", {"rnet.bn.weight": 28, "rnet.bn.bias": 28}, "bn: expected slopes without a bias"),
        ("rnet.prelu1.weight", {"rnet.again.weight": 28}, "again: expected slopes only after a layer"),
        ("rnet.dense5_2.bias", {"rnet.end.weight": 4}, "end: expected slopes only after a layer"),
    ],
)
def test_entries_of_a_state_dict_that_no_layer_has(
    tmp_path: Path, after: str, more: dict[str, int], message: str
) -> None:
    changed = {}
    for name, values in state_dict().items():
        changed[name] = values
        if name == after:
            changed |= {extra: np.ones(size, np.float32) for extra, size in more.items()}
    np.savez(tmp_path / "theirs.npz", **changed)
    with pytest.raises(PortError, match=message):
        import_model(tmp_path / "theirs.npz")
    np.savez(tmp_path / "theirs.npz", **state_dict())
    assert import_model(tmp_path / "theirs.npz").hashes() == OFFICIAL


def test_other_entries_beside_a_state_dict(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="needs mtcnn-cpp[torch]")
    tensors = {name: torch.from_numpy(values.copy()) for name, values in state_dict().items()}
    torch.save({"state_dict": tensors, "epoch": 7, "optimizer": {}}, tmp_path / "theirs.pt")
    with pytest.warns(
        UserWarning, match=r"theirs\.pt: only its state_dict was read; ignored: epoch, optimizer"
    ):
        assert import_model(tmp_path / "theirs.pt").hashes() == OFFICIAL
    torch.save({"state_dict": tensors}, tmp_path / "theirs.pt")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert import_model(tmp_path / "theirs.pt").hashes() == OFFICIAL


def test_fields_of_a_table_that_no_layer_has(tmp_path: Path) -> None:
    from mtcnn_cpp.formats.tables import network_from_table

    layer = {"weights": np.ones((3, 3, 3, 10)), "biases": np.ones(10), "alpha": np.ones(10)}
    with pytest.raises(PortError, match="conv1: expected weights and biases, or alpha; found weights"):
        network_from_table({"conv1": layer}, "theirs.npy")
