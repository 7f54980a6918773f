"""Networks in other runtimes, and `verify`, which detects errors in exported networks."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import gold_results
import numpy as np
import pytest
from bad_options import BAD_OPTIONS
from images import portrait
from mtcnn_cpp import Detector, Model, sample_image
from mtcnn_cpp.backends import OnnxRunner, make_backend
from mtcnn_cpp.backends.runner import LayerwiseRunner, NetworkRunner
from mtcnn_cpp.formats import PortError
from mtcnn_cpp.formats.onnx.export import onnx_model
from mtcnn_cpp.ports.verify import LayerCheck, load_port, verify
from mtcnn_cpp.reference.plan import STAGES
from mtcnn_cpp.trace import ComparisonOptions
from mtcnn_cpp.trace.names import layer_inputs
from mtcnn_cpp.trace.replay import compare_isolated

onnx = pytest.importorskip("onnx", reason="needs mtcnn-cpp[onnx]")
pytest.importorskip("onnxruntime", reason="needs mtcnn-cpp[onnx]")

BOX, SCORE, LAYER = 0.01, 1e-5, 1e-5


def make_runner(kind: str, stage: str) -> NetworkRunner:
    network = getattr(Model.default(), stage)
    if kind == "onnx":
        from mtcnn_cpp.backends.onnx import OnnxRunner

        return OnnxRunner(onnx_model(network, STAGES[stage].side, stage), threads=1)
    if kind == "torch":
        pytest.importorskip("torch", reason="needs mtcnn-cpp[torch]")
        from mtcnn_cpp.backends.torch import TorchRunner

        return TorchRunner(network, STAGES[stage].side)
    return LayerwiseRunner(make_backend(kind, Model.default()), stage, network.names)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["reference", "onnx", "torch"])
@pytest.mark.parametrize("stage", ["pnet", "rnet", "onet"])
def test_layers_against_the_original(kind: str, stage: str) -> None:
    """Each layer on the collage, chained and isolated, compared with the values of the original."""
    gold = gold_results.tensors()
    place = {"pnet": "pnet/level05", "rnet": "rnet/crop040", "onet": "onet/crop001"}[stage]
    runner = make_runner(kind, stage)
    chained = runner.run({"input": gold[f"{place}/input"][None]})
    assert tuple(chained) == runner.names
    before = "input"
    for name in runner.names:
        right = gold[f"{place}/{name}"]
        alone = runner.run({before: gold[f"{place}/{before}"][None]}, [name])[name]
        for output in (alone, chained[name]):
            assert output.shape == (1, *right.shape)
            assert output.dtype == np.float32
            limit = 0 if kind == "reference" else LAYER * np.abs(right).max()
            assert np.abs(output[0] - right).max() <= limit, name
        if kind != "reference" and name.startswith(("prelu", "pool")):
            np.testing.assert_array_equal(alone[0], right)
        before = name


@pytest.mark.parametrize("kind", ["reference", "onnx", "torch"])
def test_wrong_names(kind: str) -> None:
    runner = make_runner(kind, "rnet")
    batch = np.zeros((1, 3, 24, 24), np.float32)
    with pytest.raises(ValueError, match="no tensor named 'conv9'; expected one of input, conv1"):
        runner.run({"conv9": batch})
    with pytest.raises(ValueError, match="no layer conv1 after 'prelu1'"):
        runner.run({"prelu1": np.zeros((1, 28, 22, 22), np.float32)}, ["conv1"])
    with pytest.raises(ValueError, match="expected one named input, found 0"):
        runner.run({})


def renamed(names: dict[str, str]) -> onnx.ModelProto:
    """Return the graph of RNet with other names of tensors."""
    model = onnx_model(Model.default().rnet, STAGES["rnet"].side, "rnet")
    for node in model.graph.node:
        for tensors in (node.input, node.output):
            tensors[:] = [names.get(name, name) for name in tensors]
    for value in (*model.graph.input, *model.graph.output):
        value.name = names.get(value.name, value.name)
    del model.graph.value_info[:]
    return model


def with_second_input() -> onnx.ModelProto:
    model = renamed({})
    model.graph.input.append(onnx.helper.make_tensor_value_info("mask", onnx.TensorProto.FLOAT, [1]))
    return model


RNET = Model.default().rnet.names
NAMES = {
    "torch": (renamed({name: f"/{name}/Output_0" for name in RNET}), "input"),
    "last": (renamed({RNET[-1]: "output"}), "input"),
    "input": (renamed({"input": "image"}), "image"),
    "two inputs": (with_second_input(), "input, mask"),
}


@pytest.mark.parametrize("case", NAMES)
def test_graph_with_other_names_is_refused(case: str) -> None:
    from mtcnn_cpp.backends.onnx import OnnxRunner

    model, inputs = NAMES[case]
    with pytest.raises(PortError) as caught:
        OnnxRunner(model)
    assert str(caught.value) == (
        "graph: expected one input named 'input' and layers named conv1, prelu1, …, found "
        f"input {inputs}; to get these names, export the networks again: "
        "mtcnn-cpp export onnx OUT --model FOLDER"
    )


def test_requested_layers_that_the_graph_lacks() -> None:
    from mtcnn_cpp.backends.onnx import OnnxRunner

    found = ", ".join(RNET)
    with pytest.raises(PortError) as caught:
        OnnxRunner(renamed({}), layers=["conv1", "conv9"])
    assert str(caught.value) == f"graph: expected layers conv1, conv9, found {found}"
    with pytest.raises(PortError, match=r"^graph: expected layers conv1, found none$"):
        OnnxRunner(renamed({name: f"/{name}" for name in RNET}), layers=["conv1"])
    assert OnnxRunner(renamed({}), layers=["conv1", "fc2"]).names == ("conv1", "fc2")


def case_id(case: gold_results.Case) -> str:
    return f"{case['image']}-{case['min_face']}"


@pytest.mark.parametrize("case", gold_results.cases(), ids=case_id)
def test_detections_of_the_original(case: gold_results.Case) -> None:
    faces = Detector(backend="onnx", min_face=case["min_face"], threads=2).detect(
        gold_results.case_image(case)
    )
    boxes = gold_results.floats(case["boxes_hex"]).reshape(-1, 4)
    assert faces.boxes.shape == boxes.shape
    assert np.abs(faces.boxes - boxes).max(initial=0) <= BOX
    assert np.abs(faces.scores - gold_results.floats(case["scores_hex"])).max(initial=0) <= SCORE


def test_torch_detects() -> None:
    pytest.importorskip("torch", reason="needs mtcnn-cpp[torch]")
    right = Detector(backend="core").detect(sample_image())
    faces = Detector(backend="torch").detect(sample_image())
    assert len(faces) == len(right) == 1
    assert np.abs(faces.boxes - right.boxes).max() <= BOX
    assert np.abs(faces.landmarks - right.landmarks).max() <= BOX


@pytest.mark.parametrize(("options", "kind", "message"), BAD_OPTIONS)
def test_bad_option(options: dict[str, object], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        Detector(**options, backend="onnx")  # type: ignore[arg-type]


def test_a_runner_refuses_zero_threads(tmp_path: Path) -> None:
    message = "threads must be from 1 to 1024, or None for ONNX Runtime's default, got 0"
    with pytest.raises(ValueError, match=message):
        OnnxRunner(tmp_path / "rnet.onnx", threads=0)


def test_small_and_empty_images() -> None:
    detector = Detector(backend="onnx")
    for shape in ((1, 1, 3), (5, 5, 3), (59, 300, 3), (1, 3000, 3)):
        assert len(detector.detect(np.zeros(shape, np.uint8))) == 0
    assert len(detector.detect(np.random.default_rng(0).integers(0, 256, (200, 210, 3), np.uint8))) == 0


def test_trace_has_the_same_names() -> None:
    image = sample_image()[52:212, 136:312]
    core, onnx_runtime = (Detector(backend=name).trace(image, capture="names") for name in ("core", "onnx"))
    assert list(core.names) == list(onnx_runtime.names)


def test_providers() -> None:
    assert Detector(backend="onnx").providers == ("CPUExecutionProvider",)
    requested = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    with pytest.warns(
        RuntimeWarning, match="does not use CUDAExecutionProvider; it uses CPUExecution"
    ) as warnings:
        detector = Detector(backend="onnx", providers=requested)
    assert warnings[0].filename == __file__  # the line that creates the detector
    assert detector.providers == ("CPUExecutionProvider",)
    assert "providers=('CPUExecutionProvider',)" in repr(detector)
    assert len(detector.detect(sample_image())) == 1
    with pytest.raises(
        ValueError, match=r"expected at least one of .*CPUExecutionProvider.*, found Nonsense"
    ):
        Detector(backend="onnx", providers=["Nonsense"])
    with pytest.raises(
        ValueError, match="providers is an option of the backend 'onnx', got the backend 'core'"
    ):
        Detector(backend="core", providers=requested)


def test_pickles() -> None:
    detector = pickle.loads(pickle.dumps(Detector(backend="onnx", providers=["CPUExecutionProvider"])))
    assert detector.backend == "onnx"
    assert len(detector.detect(sample_image())) == 1


def belongs_to(name: str, layer: LayerCheck) -> bool:
    return name.startswith(f"{layer.stage}/") and name.endswith(f"/{layer.layer}")


@pytest.mark.usefixtures("graph_process")
class TestVerify:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        from mtcnn_cpp.formats import export_onnx

        export_onnx(Model.default(), tmp_path)
        return tmp_path

    def test_right(self, folder: Path) -> None:
        found = verify(folder, gold_results.load_image("collage.png"))
        assert found.ok
        assert found.first_wrong is None
        assert found.faces.found == (6, 6)
        assert [layer.tensors for layer in found.layers if layer.layer == "conv1"] == [8, 97, 27]
        assert max(layer.chained_share for layer in found.layers) <= LAYER
        assert max(layer.alone_share for layer in found.layers) > 0

    @pytest.mark.parametrize("chained", [False, True])
    def test_same_verdict_as_isolated_comparison(self, folder: Path, tmp_path: Path, chained: bool) -> None:
        """For each layer, verify and a comparison with a relative tolerance give the same result."""
        detector = Detector()
        port = load_port(folder, detector.engine)
        reference = detector.trace(portrait())
        options = ComparisonOptions({"*": {"share": LAYER}})
        report = compare_isolated(reference, port, tmp_path, chained=chained, options=options)
        assert report.ok
        assert len(report.tensors) == len(layer_inputs(reference))
        found = verify(folder, portrait(), detector=detector, tolerance=0)
        assert not found.ok
        for layer in found.layers:
            rows = [row for row in report.tensors if belongs_to(row.name, layer)]
            assert layer.tensors == len(rows)
            assert (layer.chained if chained else layer.alone) == max(
                row.statistics.absolute.maximum if row.statistics else 0.0 for row in rows
            )

    def test_torch(self, tmp_path: Path) -> None:
        pytest.importorskip("torch", reason="needs mtcnn-cpp[torch]")
        from mtcnn_cpp.formats import export_torch

        export_torch(Model.default(), tmp_path)
        assert verify(tmp_path, portrait()).ok

    @pytest.mark.parametrize(
        ("stage", "layer"), [("pnet", "conv2"), ("rnet", "fc1"), ("rnet", "prelu3"), ("onet", "fc2")]
    )
    def test_changed_weight_is_detected(self, folder: Path, stage: str, layer: str) -> None:
        path = folder / f"{stage}.onnx"
        model = onnx.load(path)
        tensor = next(one for one in model.graph.initializer if one.name.startswith(f"{layer}."))
        values = onnx.numpy_helper.to_array(tensor).copy()
        values.flat[7] += 0.5
        tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
        onnx.save(model, path)
        found = verify(folder, portrait())
        assert not found.ok
        assert found.first_wrong is not None
        assert (found.first_wrong.stage, found.first_wrong.layer) == (stage, layer)
        alone = [one for one in found.layers if one.alone_share > found.tolerance]
        assert len(alone) == 1

    def test_floored_pooling_is_detected(self, folder: Path) -> None:
        path = folder / "pnet.onnx"
        model = onnx.load(path)
        pool = next(node for node in model.graph.node if node.op_type == "MaxPool")
        next(one for one in pool.attribute if one.name == "ceil_mode").i = 0
        onnx.save(model, path)
        found = verify(folder, portrait())
        wrong = found.first_wrong
        assert wrong is not None
        assert (wrong.stage, wrong.layer, wrong.alone) == ("pnet", "pool1", np.inf)
        assert wrong in found.layers
        assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["layers"][2]["alone"] == "inf"
