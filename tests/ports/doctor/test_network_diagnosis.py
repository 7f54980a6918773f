"""Diagnosis of networks: each planted mistake is named, alone and in pairs, and none in a correct port."""

from __future__ import annotations

import importlib.util
import itertools
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from mtcnn_cpp import Model
from mtcnn_cpp.formats import conventions
from mtcnn_cpp.formats.errors import PortError
from mtcnn_cpp.formats.found import FoundActivation, FoundConv, FoundFullyConnected, FoundNetwork, FoundPool
from mtcnn_cpp.formats.importer import import_model, read_found
from mtcnn_cpp.ports.doctor import Diagnosis, diagnose, diagnose_file
from mtcnn_cpp.ports.doctor.findings import FindingKind
from mtcnn_cpp.ports.doctor.repair import write_repaired
from mtcnn_cpp.reference.dat import write_network
from mtcnn_cpp.reference.plan import STAGES
from planted import (
    MISTAKES,
    Mistake,
    change,
    correct,
    edit_kernel,
    edit_layer,
    quantise,
    reorder_outputs,
    retrain,
    to_onnx,
)

onnx = pytest.importorskip("onnx", reason="needs mtcnn-cpp[onnx]")

from mtcnn_cpp.formats.onnx.reader import found_from_onnx  # noqa: E402

pytestmark = pytest.mark.usefixtures("graph_process")

HEADLINE = "this is OpenFace's model, exactly"


def named(diagnosis: Diagnosis) -> set[tuple[str, str]]:
    return {(finding.layer, finding.kind) for finding in diagnosis.findings}


def through_onnx(network: FoundNetwork, stage: str) -> Diagnosis:
    return diagnose(found_from_onnx(to_onnx(network, stage), stage))


@pytest.mark.parametrize("stage", STAGES)
def test_correct_graph(stage: str) -> None:
    found = through_onnx(correct(stage), stage)
    assert found.exact
    assert found.headline.startswith(HEADLINE)
    assert found.stage == stage
    assert found.repaired is not None


class TestCorrectExports:
    """Five correct files of the networks have no findings."""

    @staticmethod
    def check(path: Path) -> None:
        found = diagnose_file(path)
        assert sorted(one.stage for one in found) == sorted(STAGES)
        assert [one.findings for one in found] == [(), (), ()]
        assert {one.headline.partition(": ")[0] for one in found} == {HEADLINE}
        assert sum(one.numbers for one in found) == 495_850

    @pytest.mark.parametrize("all_layers", [False, True])
    def test_onnx(self, tmp_path: Path, all_layers: bool) -> None:
        from mtcnn_cpp.formats import export_onnx

        export_onnx(Model.default(), tmp_path, all_layers=all_layers)
        self.check(tmp_path)

    def test_torch(self, tmp_path: Path) -> None:
        pytest.importorskip("torch", reason="needs mtcnn-cpp[torch]")
        from mtcnn_cpp.formats import export_torch

        export_torch(Model.default(), tmp_path)
        self.check(tmp_path)

    def test_npz(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "mtcnn.npz", **Model.default().arrays())  # type: ignore[arg-type]
        self.check(tmp_path / "mtcnn.npz")

    def test_dat(self, tmp_path: Path) -> None:
        Model.default().save(tmp_path)
        self.check(tmp_path)
        self.check(tmp_path / "MTCNN_detector.txt")

    def test_files_of_facenet_pytorch(self) -> None:
        spec = importlib.util.find_spec("facenet_pytorch")
        if spec is None or spec.origin is None:
            pytest.skip("needs `pip install --no-deps facenet-pytorch`")
        pytest.importorskip("torch", reason="needs mtcnn-cpp[torch]")
        self.check(Path(spec.origin).parent / "data")


CASES = [
    pytest.param(mistake, stage, id=f"{mistake.name}-{stage}")
    for mistake in MISTAKES
    for stage in mistake.stages
]


@pytest.mark.parametrize(("mistake", "stage"), CASES)
def test_mistake(mistake: Mistake, stage: str) -> None:
    """In a real graph, exactly the planted mistake is named, with a text."""
    found = through_onnx(mistake.plant(correct(stage), stage), stage)
    assert named(found) == mistake.expected(stage)
    assert not found.exact
    assert all(finding.text and finding.kind in get_args(FindingKind) for finding in found.findings)
    if found.repaired is not None:
        assert write_network(found.repaired) == write_network(getattr(Model.default(), stage))


# Mistakes that exclude each other: the second undoes the first, both set the same flattening order, or both
# move the same outputs.
EXCLUDED_PAIRS = [
    {"v / 255 in the graph", "v / 255 folded in"},
    {"dense cxy", "dense yxc"},
    {"box before class", "classes swapped"},
]


def pairs(stage: str) -> list[tuple[Mistake, Mistake]]:
    mistakes = [mistake for mistake in MISTAKES if stage in mistake.stages]
    return [
        (first, second)
        for first, second in itertools.combinations(mistakes, 2)
        if {first.name, second.name} not in EXCLUDED_PAIRS
    ]


def check_pairs(stage: str, chosen: list[tuple[Mistake, Mistake]]) -> None:
    plain = correct(stage)
    wrong = []
    for first, second in chosen:
        found = diagnose(second.plant(first.plant(plain, stage), stage))
        expected = first.expected(stage) | second.expected(stage)
        if named(found) != expected:
            wrong.append(f"{first.name} + {second.name}: expected {expected}, found {named(found)}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(("stage", "step"), [("pnet", 1), ("rnet", 7), ("onet", 20)])
def test_pairs(stage: str, step: int) -> None:
    """All pairs on PNet, every seventh on RNet, every twentieth on ONet (all with --slow)."""
    check_pairs(stage, pairs(stage)[::step])


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["rnet", "onet"])
def test_all_pairs(stage: str) -> None:
    check_pairs(stage, pairs(stage))


def test_pairs_that_cancel() -> None:
    """Weights for v / 255 and a graph that divides by 255 are together right for raw pixels."""
    by_name = {mistake.name: mistake for mistake in MISTAKES}
    network = by_name["v / 255 folded in"].plant(correct("pnet"), "pnet")
    found = through_onnx(by_name["v / 255 in the graph"].plant(network, "pnet"), "pnet")
    assert found.exact
    assert any("raw values 0 … 255" in note for note in found.notes)


class TestEvidence:
    def test_kernels_transposed_everywhere(self) -> None:
        """A network for transposed images is distinguished from one with a single wrong layer."""
        network = correct("rnet")
        for name in ("conv1", "conv2", "conv3"):
            network = change(network, name, edit_kernel(lambda k: k.swapaxes(2, 3)))
        found = through_onnx(network, "rnet")
        assert not any("the network is for transposed images" in note for note in found.notes)
        network = change(
            network,
            "fc1",
            lambda fc: replace(fc, weights=conventions.reorder_inputs(fc.weights, (64, 3, 3), "cyx", "cxy")),
        )
        found = through_onnx(network, "rnet")
        assert any("the network is for transposed images" in note for note in found.notes)
        assert len(found.findings) == 4

    def test_pooling(self) -> None:
        network = change(correct("rnet"), "pool1", lambda pool: replace(pool, mode="floor"))
        (finding, *_) = through_onnx(network, "rnet").findings
        assert finding.evidence == {"size": "22 → 10", "expected": "22 → 11"}

    def test_harmless_floored_pooling(self) -> None:
        """RNet's second pooling is 9 → 4 with both roundings. Rounding down with padding at the end is the
        same as rounding up."""
        network = change(correct("rnet"), "pool2", lambda pool: replace(pool, mode="floor"))
        network = change(network, "pool1", lambda pool: replace(pool, mode="floor", pads=(0, 0, 1, 1)))
        assert through_onnx(network, "rnet").exact

    def test_fully_connected_layer_with_too_few_inputs(self) -> None:
        """A port whose pooling rounds down has 256 inputs."""
        network = change(correct("rnet"), "fc1", lambda fc: replace(fc, weights=fc.weights[:256]))
        (finding,) = diagnose(network).findings
        assert finding.kind == "shape"
        assert (
            "256 inputs, expected 576 (64 x 3 x 3); 64 x 2 x 2 = 256 is the input size if pooling rounds down"
            in finding.text
        )

    def test_quantisation_step(self) -> None:
        conv = correct("onet").weighted[1]
        assert isinstance(conv, FoundConv)
        step = np.float32(np.abs(conv.kernel).max() / 127)
        mistake = next(mistake for mistake in MISTAKES if mistake.name == "int8")
        (finding,) = diagnose(mistake.plant(correct("onet"), "onet")).findings
        assert float(finding.evidence["step"]) == pytest.approx(float(step), rel=1e-4)

    def test_quantised_by_output(self) -> None:
        def by_output(values: np.ndarray) -> np.ndarray:
            steps = np.abs(values).max(axis=(1, 2, 3), keepdims=True) / 127
            return np.round(values / steps) * steps

        (finding,) = diagnose(change(correct("rnet"), "conv2", edit_kernel(by_output))).findings
        assert finding.kind == "quantised"
        assert "one step per output" in finding.text

    def test_retrained_and_then_quantised(self) -> None:
        found = diagnose(change(correct("rnet"), "conv2", edit_kernel(lambda k: quantise(retrain(k)))))
        assert named(found) == {("conv2", "quantised"), ("conv2", "values")}

    def test_one_ulp(self) -> None:
        def change_one(values: np.ndarray) -> np.ndarray:
            values = values.copy()
            values[3, 1, 0, 2] = np.nextafter(values[3, 1, 0, 2], np.float32(9))
            return values

        (finding,) = diagnose(change(correct("pnet"), "conv2", edit_kernel(change_one))).findings
        assert finding.kind == "values"
        assert finding.text == "1 of 1440 weights differ from OpenFace's"
        assert finding.evidence["worst at"] == (3, 1, 0, 2)

    def test_nan(self) -> None:
        def add_nan(values: np.ndarray) -> np.ndarray:
            values = values.copy()
            values[0, 0, 0, 0] = np.nan
            return values

        for layer, size in (("conv1", 270), ("conv2", 1440)):
            (finding,) = diagnose(change(correct("pnet"), layer, edit_kernel(add_nan))).findings
            assert (finding.layer, finding.kind) == (layer, "values")
            assert f"1 of {size} weights are NaN or infinite" in finding.text
            network = change(correct("pnet"), layer, lambda conv: replace(conv, bias=conv.bias * np.nan))
            (finding,) = diagnose(network).findings
            assert "biases are NaN or infinite" in finding.text

    def test_unrelated_numbers_are_not_rearrangements(self) -> None:
        random = np.random.default_rng(0)
        for stage in STAGES:
            network = correct(stage)
            for conv in network.weighted:
                if isinstance(conv, FoundConv):
                    noise = random.normal(size=conv.kernel.shape)
                    network = change(network, conv.name, edit_kernel(partial(np.add, noise * 9)))
            assert {finding.kind for finding in diagnose(network).findings} == {"values"}

    def test_two_maps_exchanged_in_half_precision(self) -> None:
        """A small rearrangement of rounded numbers: most numbers keep their position."""
        order = [1, 0, *range(2, 64)]
        network = change(correct("onet"), "conv3", edit_kernel(lambda k: k[:, order].astype(np.float16)))
        assert named(diagnose(network)) == {("conv3", "input-channels"), ("conv3", "half")}

    def test_retrained_and_transposed(self) -> None:
        """A transform is found in spite of noise."""
        noise = np.random.default_rng(0).normal(0, 0.02, (48, 28, 3, 3)).astype(np.float32)
        network = change(correct("rnet"), "conv2", edit_kernel(lambda k: (k + noise).swapaxes(2, 3)))
        assert named(diagnose(network)) == {("conv2", "kernel-turned"), ("conv2", "values")}

    def test_slopes_and_bias_in_the_reference_order(self) -> None:
        order = np.roll(np.arange(10), 3)
        network = change(correct("pnet"), "conv1", edit_kernel(lambda k: k[order]))
        network = change(network, "conv2", edit_kernel(lambda k: k[:, order]))
        found = diagnose(network)
        texts = [finding.text for finding in found.findings if "have OpenFace's order, but" in finding.text]
        assert len(texts) == 2
        assert found.repaired is not None
        assert write_network(found.repaired) == write_network(Model.default().pnet)

    def test_landmarks_as_pairs(self) -> None:
        order = [*range(6), *itertools.chain(*((6 + i, 11 + i) for i in range(5)))]
        (finding,) = diagnose(reorder_outputs(correct("onet"), order)).findings
        assert finding.kind == "heads-order"
        assert "landmarks values in the order x1, y1, x2, y2" in finding.text

    @pytest.mark.parametrize(
        ("plant", "layer", "text"),
        [
            (edit_layer("conv1", lambda c: replace(c, strides=(2, 2))), "conv1", "stride 2 x 2"),
            (
                edit_layer("pool1", lambda p: replace(p, kernel=(3, 3))),
                "pool1",
                "windows of 3 x 3 with stride 2 x 2",
            ),
            (edit_layer("pool1", lambda p: replace(p, pads=(1, 1, 1, 1))), "pool1", "padding of 1 before"),
            (
                edit_layer("prelu1", lambda p: replace(p, kind="Relu", slopes=np.zeros(1, np.float32))),
                "prelu1",
                "Relu instead of",
            ),
            (
                edit_layer("conv2", edit_kernel(lambda k: k * np.float32(1.25))),
                "conv2",
                "weights multiplied by 1.25",
            ),
            (
                edit_layer("conv2", lambda c: replace(c, bias=np.zeros(16, np.float32))),
                "conv2",
                "biases missing",
            ),
            (edit_layer("conv3", lambda c: replace(c, bias=-c.bias)), "conv3", "biases negated"),
        ],
    )
    def test_texts(self, plant: Any, layer: str, text: str) -> None:
        found = through_onnx(plant(correct("pnet"), "pnet"), "pnet")
        assert any(finding.layer == layer and text in finding.text for finding in found.findings)

    def test_missing_layers(self) -> None:
        network = correct("onet")
        layers = tuple(layer for layer in network.layers if layer.name not in ("prelu2", "pool2"))
        assert named(diagnose(replace(network, layers=layers))) == {
            ("prelu2", "activation"),
            ("pool2", "pool-missing"),
        }

    def test_pooling_before_the_activation(self) -> None:
        network = correct("pnet")
        conv, prelu, pool, *rest = network.layers
        found = diagnose(replace(network, layers=(conv, pool, prelu, *rest)))
        assert "pooling before the PReLU" in found.findings[0].text

    def test_a_file_of_weights_contains_no_pooling(self, tmp_path: Path) -> None:
        from mtcnn_cpp.formats.state_dict import to_state_dict

        arrays = to_state_dict(Model.default().rnet, "rnet")
        np.savez(tmp_path / "rnet.npz", **arrays)  # type: ignore[arg-type]
        found = diagnose(tmp_path / "rnet.npz")
        assert found.exact
        assert "the file contains only weights; padding and pooling are not in it" in found.notes
        weights = arrays["dense4.weight"].T
        arrays["dense4.weight"] = conventions.reorder_inputs(
            weights, (64, 3, 3), conventions.FACENET_ORDER, conventions.NCHW_ORDER
        ).T
        np.savez(tmp_path / "rnet.npz", **arrays)  # type: ignore[arg-type]
        assert named(diagnose(tmp_path / "rnet.npz")) == {("fc1", "dense-order")}


class TestRepair:
    def test_rearrangements(self, tmp_path: Path) -> None:
        """Seven mistakes at once; the repaired file is OpenFace's network, bit for bit."""
        network = correct("rnet")
        for name in (
            "transposed",
            "flipped x",
            "BGR",
            "outputs permuted",
            "dense yxc",
            "box before class",
            "pool floored",
        ):
            mistake = next(mistake for mistake in MISTAKES if mistake.name == name)
            network = mistake.plant(network, "rnet")
        onnx.save(to_onnx(network, "rnet"), tmp_path / "theirs.onnx")
        found = diagnose(tmp_path / "theirs.onnx")
        assert "all its numbers are OpenFace's" in found.headline
        write_repaired(found, tmp_path / "fixed.onnx")
        assert diagnose(tmp_path / "fixed.onnx").exact

    def test_rounded_numbers_cannot_be_repaired(self, tmp_path: Path) -> None:
        mistake = next(mistake for mistake in MISTAKES if mistake.name == "float16")
        with pytest.raises(
            PortError,
            match="cannot be repaired by rearranging its numbers: conv3: weights rounded to float16",
        ):
            write_repaired(diagnose(mistake.plant(correct("pnet"), "pnet")), tmp_path / "fixed.onnx")
        assert not list(tmp_path.iterdir())


def test_planted_graphs_are_readable(tmp_path: Path) -> None:
    """The reader reads the network that `to_onnx` writes, so the planted graphs are valid."""
    for stage in STAGES:
        onnx.save(to_onnx(correct(stage), stage), tmp_path / f"{stage}.onnx")
    assert import_model(tmp_path).hashes() == Model.default().hashes()
    found = read_found(tmp_path)["rnet"]
    kinds = [type(layer) for layer in found.layers]
    assert kinds.count(FoundConv) == 3
    assert kinds.count(FoundFullyConnected) == 2
    assert kinds.count(FoundPool) == 2
    assert kinds.count(FoundActivation) == 4
