"""Networks in other runtimes: one interface, the same cascade, and a check that catches what is wrong."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import gold_figures
import numpy as np
import pytest
from bad_options import BAD_OPTIONS
from mtcnn_cpp import Detector, Model, sample_image
from mtcnn_cpp.backends import make_backend
from mtcnn_cpp.backends.runner import BackendRunner, Runner
from mtcnn_cpp.reference.plan import STAGES
from mtcnn_cpp.rerun import compare_isolated
from mtcnn_cpp.trace import Judge
from mtcnn_cpp.trace.names import layer_inputs
from mtcnn_cpp.verify import LayerCheck, load_port, verify

onnx = pytest.importorskip("onnx", reason="needs mtcnn-cpp[onnx]")
pytest.importorskip("onnxruntime", reason="needs mtcnn-cpp[onnx]")

BOX, SCORE, LAYER = 0.01, 1e-5, 1e-5


def make_runner(kind: str, stage: str) -> Runner:
    network = getattr(Model.default(), stage)
    if kind == "onnx":
        from mtcnn_cpp.backends.onnx import OnnxRunner
        from mtcnn_cpp.formats.onnx.export import onnx_model

        return OnnxRunner(onnx_model(network, STAGES[stage].side, stage), threads=1)
    if kind == "torch":
        pytest.importorskip("torch", reason="needs mtcnn-cpp[torch]")
        from mtcnn_cpp.backends.torch import TorchRunner

        return TorchRunner(network, STAGES[stage].side)
    return BackendRunner(make_backend(kind, Model.default()), stage, network.names)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["reference", "onnx", "torch"])
@pytest.mark.parametrize("stage", ["pnet", "rnet", "onet"])
def test_layers_against_the_original(kind: str, stage: str) -> None:
    """Every layer on the collage, in a chain and alone, against what the original recorded."""
    gold = gold_figures.tensors()
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


def case_id(case: gold_figures.Case) -> str:
    return f"{case['image']}-{case['min_face']}"


@pytest.mark.parametrize("case", gold_figures.cases(), ids=case_id)
def test_detections_of_the_original(case: gold_figures.Case) -> None:
    faces = Detector(backend="onnx", min_face=case["min_face"], threads=2).detect(
        gold_figures.picture_of(case)
    )
    boxes = gold_figures.floats(case["boxes_hex"]).reshape(-1, 4)
    assert faces.boxes.shape == boxes.shape
    assert np.abs(faces.boxes - boxes).max(initial=0) <= BOX
    assert np.abs(faces.scores - gold_figures.floats(case["scores_hex"])).max(initial=0) <= SCORE


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


def test_small_and_empty_pictures() -> None:
    detector = Detector(backend="onnx")
    for shape in ((1, 1, 3), (5, 5, 3), (59, 300, 3), (1, 3000, 3)):
        assert len(detector.detect(np.zeros(shape, np.uint8))) == 0
    assert len(detector.detect(np.random.default_rng(0).integers(0, 256, (200, 210, 3), np.uint8))) == 0


def test_trace_has_the_same_names() -> None:
    image = sample_image()[52:212, 136:312]
    ours, theirs = (Detector(backend=name).trace(image, capture="names") for name in ("core", "onnx"))
    assert list(ours.names) == list(theirs.names)


def test_providers() -> None:
    assert Detector(backend="onnx").providers == ("CPUExecutionProvider",)
    wanted = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    with pytest.warns(
        RuntimeWarning, match="does not use CUDAExecutionProvider; it uses CPUExecution"
    ) as told:
        detector = Detector(backend="onnx", providers=wanted)
    assert told[0].filename == __file__  # where the user made the detector
    assert detector.providers == ("CPUExecutionProvider",)
    assert "providers=('CPUExecutionProvider',)" in repr(detector)
    assert len(detector.detect(sample_image())) == 1
    with pytest.raises(ValueError, match=r"expected some of .*CPUExecutionProvider.*, found Nonsense"):
        Detector(backend="onnx", providers=["Nonsense"])
    with pytest.raises(ValueError, match="providers are a setting of backend 'onnx', the backend is 'core'"):
        Detector(backend="core", providers=wanted)


def test_pickles() -> None:
    detector = pickle.loads(pickle.dumps(Detector(backend="onnx", providers=["CPUExecutionProvider"])))
    assert detector.backend == "onnx"
    assert len(detector.detect(sample_image())) == 1


def fits(name: str, layer: LayerCheck) -> bool:
    return name.startswith(f"{layer.stage}/") and name.endswith(f"/{layer.layer}")


class TestVerify:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        from mtcnn_cpp.formats import export_onnx

        export_onnx(Model.default(), tmp_path)
        return tmp_path

    def test_right(self, folder: Path) -> None:
        found = verify(folder, gold_figures.picture("collage.png"))
        assert found.ok
        assert found.first_wrong is None
        assert found.faces.found == (6, 6)
        assert [layer.tensors for layer in found.layers if layer.layer == "conv1"] == [8, 97, 27]
        assert max(layer.chained_share for layer in found.layers) <= LAYER
        assert max(layer.alone_share for layer in found.layers) > 0

    @pytest.mark.parametrize("chained", [False, True])
    def test_the_verdict_is_that_of_isolated_mode(self, folder: Path, tmp_path: Path, chained: bool) -> None:
        """verify says of each layer what a comparison with a share says of its tensors."""
        detector = Detector(min_face=100)
        port = load_port(folder, detector.engine)
        reference = detector.trace(sample_image())
        judge = Judge({"*": {"share": LAYER}})
        report = compare_isolated(reference, port, tmp_path, chained=chained, judge=judge)
        assert report.ok
        assert len(report.rows) == len(layer_inputs(reference))
        found = verify(folder, sample_image(), detector=detector, tolerance=0)
        assert not found.ok
        for layer in found.layers:
            rows = [row for row in report.rows if fits(row.name, layer)]
            assert layer.tensors == len(rows)
            assert (layer.chained if chained else layer.alone) == max(
                row.figures.absolute.maximum if row.figures else 0.0 for row in rows
            )

    def test_torch(self, tmp_path: Path) -> None:
        pytest.importorskip("torch", reason="needs mtcnn-cpp[torch]")
        from mtcnn_cpp.formats import export_torch

        export_torch(Model.default(), tmp_path)
        assert verify(tmp_path, sample_image()).ok

    @pytest.mark.parametrize(
        ("stage", "layer"), [("pnet", "conv2"), ("rnet", "fc1"), ("rnet", "prelu3"), ("onet", "fc2")]
    )
    def test_a_changed_number_is_found(self, folder: Path, stage: str, layer: str) -> None:
        path = folder / f"{stage}.onnx"
        model = onnx.load(path)
        tensor = next(one for one in model.graph.initializer if one.name.startswith(f"{layer}."))
        values = onnx.numpy_helper.to_array(tensor).copy()
        values.flat[7] += 0.5
        tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
        onnx.save(model, path)
        found = verify(folder, sample_image())
        assert not found.ok
        assert found.first_wrong is not None
        assert (found.first_wrong.stage, found.first_wrong.layer) == (stage, layer)
        alone = [one for one in found.layers if one.alone_share > found.tolerance]
        assert len(alone) == 1

    def test_floored_pooling_is_found(self, folder: Path) -> None:
        path = folder / "pnet.onnx"
        model = onnx.load(path)
        pool = next(node for node in model.graph.node if node.op_type == "MaxPool")
        next(one for one in pool.attribute if one.name == "ceil_mode").i = 0
        onnx.save(model, path)
        found = verify(folder, gold_figures.picture("collage.png"))
        wrong = found.first_wrong
        assert wrong is not None
        assert (wrong.stage, wrong.layer, wrong.alone) == ("pnet", "pool1", np.inf)
        assert wrong in found.layers
        assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["layers"][2]["alone"] == "inf"
