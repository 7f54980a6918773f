"""The doctor names each mistake that is planted, alone and in pairs, and nothing in a correct port."""

from __future__ import annotations

import importlib.util
import itertools
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mtcnn_cpp import Model
from mtcnn_cpp.doctor import KINDS, Diagnosis, diagnose, diagnose_file
from mtcnn_cpp.doctor.fix import write_fixed
from mtcnn_cpp.formats import flat
from mtcnn_cpp.formats.errors import PortError
from mtcnn_cpp.formats.found import FoundActivation, FoundConv, FoundDense, FoundNetwork, FoundPool
from mtcnn_cpp.formats.read import import_model, read_found
from mtcnn_cpp.reference.dat import write_network
from mtcnn_cpp.reference.plan import STAGES
from planted import MISTAKES, Mistake, change, correct, head, kernel, on, quantise, retrain, to_onnx

onnx = pytest.importorskip("onnx", reason="needs mtcnn-cpp[onnx]")

from mtcnn_cpp.formats.onnx.read import found_from_onnx  # noqa: E402

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
    """Nothing is wrong with five ways to hold the networks."""

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
    """Through a real graph; exactly what was planted is named, with figures or at least words."""
    found = through_onnx(mistake.plant(correct(stage), stage), stage)
    assert named(found) == mistake.expected(stage)
    assert not found.exact
    assert all(finding.text and finding.kind in KINDS for finding in found.findings)
    if found.repaired is not None:
        assert write_network(found.repaired) == write_network(getattr(Model.default(), stage))


# Pairs that are no pair: the second undoes the first, or both say in what one order the dense input lies,
# or the second would move what the first has moved already.
NO_PAIRS = [
    {"v / 255 in the graph", "v / 255 folded in"},
    {"dense cxy", "dense yxc"},
    {"box before class", "classes swapped"},
]


def pairs(stage: str) -> list[tuple[Mistake, Mistake]]:
    mistakes = [mistake for mistake in MISTAKES if stage in mistake.stages]
    return [
        (first, second)
        for first, second in itertools.combinations(mistakes, 2)
        if {first.name, second.name} not in NO_PAIRS
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
    """All pairs on PNet; on the large networks every seventh and twentieth (all of them with --slow)."""
    check_pairs(stage, pairs(stage)[::step])


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["rnet", "onet"])
def test_all_pairs(stage: str) -> None:
    check_pairs(stage, pairs(stage))


def test_pairs_that_cancel() -> None:
    """Weights made for v / 255 behind a graph that divides by 255: right, for raw pixels."""
    by_name = {mistake.name: mistake for mistake in MISTAKES}
    network = by_name["v / 255 folded in"].plant(correct("pnet"), "pnet")
    found = through_onnx(by_name["v / 255 in the graph"].plant(network, "pnet"), "pnet")
    assert found.exact
    assert any("raw values 0 … 255" in note for note in found.notes)


class TestEvidence:
    def test_kernels_transposed_everywhere(self) -> None:
        """A network for pictures on their side is told from one with a single wrong layer."""
        network = correct("rnet")
        for name in ("conv1", "conv2", "conv3"):
            network = change(network, name, kernel(lambda k: k.swapaxes(2, 3)))
        found = through_onnx(network, "rnet")
        assert not any("transposed pictures" in note for note in found.notes)
        sideways = flat.reorder
        network = change(
            network, "fc1", lambda fc: replace(fc, weights=sideways(fc.weights, (64, 3, 3), "cyx", "cxy"))
        )
        found = through_onnx(network, "rnet")
        assert any("transposed pictures" in note for note in found.notes)
        assert len(found.findings) == 4

    def test_pooling(self) -> None:
        network = change(correct("rnet"), "pool1", lambda pool: replace(pool, mode="floor"))
        (finding, *_) = through_onnx(network, "rnet").findings
        assert finding.evidence == {"size": "22 → 10", "expected": "22 → 11"}

    def test_pooling_floored_where_it_does_no_harm(self) -> None:
        """RNet's second pooling: 9 → 4 either way. And padding at the end with flooring is the same as
        ceiling."""
        network = change(correct("rnet"), "pool2", lambda pool: replace(pool, mode="floor"))
        network = change(network, "pool1", lambda pool: replace(pool, mode="floor", pads=(0, 0, 1, 1)))
        assert through_onnx(network, "rnet").exact

    def test_dense_layer_that_lost_its_inputs(self) -> None:
        """What a port with floored pooling asks for: 256 inputs."""
        network = change(correct("rnet"), "fc1", lambda fc: replace(fc, weights=fc.weights[:256]))
        (finding,) = diagnose(network).findings
        assert finding.kind == "shape"
        assert (
            "256 inputs, expected 576 (64 x 3 x 3); 64 x 2 x 2 = 256 is what floored pooling leaves"
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

        (finding,) = diagnose(change(correct("rnet"), "conv2", kernel(by_output))).findings
        assert finding.kind == "quantised"
        assert "one step for each output" in finding.text

    def test_retrained_and_then_quantised(self) -> None:
        found = diagnose(change(correct("rnet"), "conv2", kernel(lambda k: quantise(retrain(k)))))
        assert named(found) == {("conv2", "quantised"), ("conv2", "values")}

    def test_one_ulp(self) -> None:
        def nudge(values: np.ndarray) -> np.ndarray:
            values = values.copy()
            values[3, 1, 0, 2] = np.nextafter(values[3, 1, 0, 2], np.float32(9))
            return values

        (finding,) = diagnose(change(correct("pnet"), "conv2", kernel(nudge))).findings
        assert finding.kind == "values"
        assert finding.text == "1 of 1440 weights are other numbers"
        assert finding.evidence["worst at"] == (3, 1, 0, 2)

    def test_not_a_number(self) -> None:
        def spoil(values: np.ndarray) -> np.ndarray:
            values = values.copy()
            values[0, 0, 0, 0] = np.nan
            return values

        for layer, size in (("conv1", 270), ("conv2", 1440)):
            (finding,) = diagnose(change(correct("pnet"), layer, kernel(spoil))).findings
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
                    network = change(network, conv.name, kernel(partial(np.add, noise * 9)))
            assert {finding.kind for finding in diagnose(network).findings} == {"values"}

    def test_two_maps_exchanged_in_half_precision(self) -> None:
        """A small rearrangement under rounding, where most numbers stay where they were."""
        order = [1, 0, *range(2, 64)]
        network = change(correct("onet"), "conv3", kernel(lambda k: k[:, order].astype(np.float16)))
        assert named(diagnose(network)) == {("conv3", "input-channels"), ("conv3", "half")}

    def test_retrained_and_transposed(self) -> None:
        """A turn is seen under noise."""
        noise = np.random.default_rng(0).normal(0, 0.02, (48, 28, 3, 3)).astype(np.float32)
        network = change(correct("rnet"), "conv2", kernel(lambda k: (k + noise).swapaxes(2, 3)))
        assert named(diagnose(network)) == {("conv2", "kernel-turned"), ("conv2", "values")}

    def test_slopes_and_bias_left_behind(self) -> None:
        order = np.roll(np.arange(10), 3)
        network = change(correct("pnet"), "conv1", kernel(lambda k: k[order]))
        network = change(network, "conv2", kernel(lambda k: k[:, order]))
        found = diagnose(network)
        texts = [finding.text for finding in found.findings if "left in OpenFace's order" in finding.text]
        assert len(texts) == 2
        assert found.repaired is not None
        assert write_network(found.repaired) == write_network(Model.default().pnet)

    def test_landmarks_as_pairs(self) -> None:
        order = [*range(6), *itertools.chain(*((6 + i, 11 + i) for i in range(5)))]
        (finding,) = diagnose(head(correct("onet"), order)).findings
        assert finding.kind == "heads-order"
        assert "landmarks values in the order x1, y1, x2, y2" in finding.text

    @pytest.mark.parametrize(
        ("plant", "layer", "words"),
        [
            (on("conv1", lambda c: replace(c, strides=(2, 2))), "conv1", "stride 2 x 2"),
            (on("pool1", lambda p: replace(p, kernel=(3, 3))), "pool1", "windows of 3 x 3 every 2 x 2"),
            (on("pool1", lambda p: replace(p, pads=(1, 1, 1, 1))), "pool1", "padding of 1 before"),
            (
                on("prelu1", lambda p: replace(p, kind="Relu", slopes=np.zeros(1, np.float32))),
                "prelu1",
                "Relu in place",
            ),
            (on("conv2", kernel(lambda k: k * np.float32(1.25))), "conv2", "weights multiplied by 1.25"),
            (on("conv2", lambda c: replace(c, bias=np.zeros(16, np.float32))), "conv2", "biases dropped"),
            (on("conv3", lambda c: replace(c, bias=-c.bias)), "conv3", "biases negated"),
        ],
    )
    def test_words(self, plant: Any, layer: str, words: str) -> None:
        found = through_onnx(plant(correct("pnet"), "pnet"), "pnet")
        assert any(finding.layer == layer and words in finding.text for finding in found.findings)

    def test_lost_layers(self) -> None:
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

    def test_table_cannot_show_pooling(self, tmp_path: Path) -> None:
        from mtcnn_cpp.formats.facenet import to_state_dict

        arrays = to_state_dict(Model.default().rnet, "rnet")
        np.savez(tmp_path / "rnet.npz", **arrays)  # type: ignore[arg-type]
        found = diagnose(tmp_path / "rnet.npz")
        assert found.exact
        assert "a file of weights alone: padding and pooling cannot be seen in it" in found.notes
        weights = arrays["dense4.weight"].T
        arrays["dense4.weight"] = flat.reorder(weights, (64, 3, 3), flat.FACENET, flat.NCHW).T
        np.savez(tmp_path / "rnet.npz", **arrays)  # type: ignore[arg-type]
        assert named(diagnose(tmp_path / "rnet.npz")) == {("fc1", "dense-order")}


class TestFix:
    def test_rearrangements(self, tmp_path: Path) -> None:
        """Six at once; the corrected file is OpenFace's network, bit for bit."""
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
        write_fixed(found, tmp_path / "fixed.onnx")
        assert diagnose(tmp_path / "fixed.onnx").exact

    def test_what_is_lost_stays_lost(self, tmp_path: Path) -> None:
        mistake = next(mistake for mistake in MISTAKES if mistake.name == "float16")
        with pytest.raises(
            PortError, match="cannot be put right by rearranging: conv3: weights rounded to float16"
        ):
            write_fixed(diagnose(mistake.plant(correct("pnet"), "pnet")), tmp_path / "fixed.onnx")
        assert not list(tmp_path.iterdir())


def test_models_that_read_back(tmp_path: Path) -> None:
    """What `to_onnx` writes is what the reader reads: the planted graphs are real."""
    for stage in STAGES:
        onnx.save(to_onnx(correct(stage), stage), tmp_path / f"{stage}.onnx")
    assert import_model(tmp_path).hashes() == Model.default().hashes()
    found = read_found(tmp_path)["rnet"]
    kinds = [type(layer) for layer in found.layers]
    assert kinds.count(FoundConv) == 3
    assert kinds.count(FoundDense) == 2
    assert kinds.count(FoundPool) == 2
    assert kinds.count(FoundActivation) == 4
