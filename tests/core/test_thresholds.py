"""Thresholds equal to a probability and to its neighbouring floats: exactly the positions that reach it pass.

The core compares the difference of the logits first. PNet's probability is not monotone in it, so an error
would show here.
"""

from __future__ import annotations

import numpy as np
import pytest
from core_strategies import F, detector_arguments
from gold_results import load_image
from mtcnn_cpp import Model
from mtcnn_cpp.model import FullyConnected, Network
from mtcnn_cpp.reference import cascade
from mtcnn_cpp.reference.exp import exp_opencv
from mtcnn_cpp.reference.network import Networks
from mtcnn_cpp.reference.options import Options

_core = pytest.importorskip("mtcnn_cpp._core")

VARIANTS = [
    pytest.param(
        variant["name"],
        marks=pytest.mark.skipif(not variant["supported"], reason=f"this CPU cannot run {variant['name']}"),
    )
    for variant in _core.isa_variants()
]
# Differences of logits at which the probability increases: one of each group of neighbours.
OUT_OF_ORDER = ["-0x1.1acdd4p-2", "-0x1.a56ef0p-4", "-0x1.28b64ep-8", "-0x1.19a468p-8"]
OUT_OF_ORDER += ["0x1.bb9d7ap-6", "0x1.e7f9cap-5", "0x1.aafa8cp-2"]
STEP = 8  # distance between two tested positions, so that their boxes do not overlap


def probability(difference: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return F(1) / (F(1) + exp_opencv(difference))


def around(value: float, floats: int) -> np.ndarray:
    """Return a float and its neighbours in ascending order."""
    bits = np.arange(-floats, floats + 1) + int(F(abs(value)).view(np.int32))
    values = bits.astype(np.int32).view(F)
    return values if value > 0 else -values[::-1]


def with_neighbours(values: np.ndarray) -> np.ndarray:
    return np.unique(np.concatenate([values, np.nextafter(values, F(0)), np.nextafter(values, F(2))]))


def fully_connected(inputs: int, outputs: int, weight: float = 0) -> Network:
    weights = np.zeros((inputs, outputs), F)
    weights[0, 0] = weight
    return Network((FullyConnected(weights, np.zeros(outputs, F)),))


def scene(differences: np.ndarray) -> tuple[Model, np.ndarray]:
    """Return a model, and an image (12, W, 3) float32 that has these differences of logits in one row.

    They have the same sign and exponent, so each of them follows without rounding from a pixel value.
    """
    sign = np.sign(differences[0])
    weight = -sign * F(2.0) ** np.frexp(differences[0])[1]
    image = np.full((12, 2 * STEP * len(differences) + 12, 3), 0 if sign > 0 else 255, F)
    image[0, STEP * np.arange(len(differences)), 2] = F(127.5) + F(128) * (differences / weight)
    networks = (
        fully_connected(3, 6, weight),
        fully_connected(3 * 24 * 24, 6),
        fully_connected(3 * 48 * 48, 16),
    )
    return Model(*networks), image


def proposals(model: Model, image: np.ndarray, options: Options, isa: str) -> tuple[np.ndarray, int]:
    """Return the scores of the first level, and the number of faces without a hook (one per position)."""
    detector = _core.Detector(model.pnet, model.rnet, model.onet, isa)
    arguments = detector_arguments(image, options)
    scores: list[np.ndarray] = []

    def hook(name: str, array: np.ndarray) -> None:
        if name == "pnet/level00/scores":
            scores.append(array.copy())

    detector.detect(**arguments, hook=hook)
    return scores[0], len(detector.detect(**arguments)[0])


@pytest.mark.parametrize("isa", VARIANTS)
@pytest.mark.parametrize("value", OUT_OF_ORDER)
def test_beside_probabilities_out_of_order(value: str, isa: str) -> None:
    differences = around(float.fromhex(value), 70)
    model, image = scene(differences)
    expected = probability(differences)
    assert (np.diff(expected) > 0).any()  # otherwise this would test nothing
    for threshold in with_neighbours(expected):
        scores, faces = proposals(model, image, Options(12, (float(threshold), 0.1, 0.1)), isa)
        assert np.array_equal(scores, expected[expected >= threshold])
        assert faces == len(scores)


@pytest.mark.parametrize("isa", VARIANTS)
def test_the_faces_of_the_reference(isa: str) -> None:
    differences = around(float.fromhex("0x1.bb9d7ap-6"), 30)
    model, image = scene(differences)
    networks = Networks(model.pnet, model.rnet, model.onet)
    detector = _core.Detector(model.pnet, model.rnet, model.onet, isa)
    for threshold in np.unique(probability(differences)):
        options = Options(12, (float(threshold), 0.1, 0.1))
        found = detector.detect(**detector_arguments(image, options))
        expected = cascade.detect(networks, image, is_rgb=False, options=options)
        assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("isa", VARIANTS)
def test_on_an_image(isa: str) -> None:
    """OpenFace's PNet. The thresholds are probabilities of many positions, or accept all or none."""
    unused = fully_connected(3 * 24 * 24, 6), fully_connected(3 * 48 * 48, 16)  # no box reaches 0.7
    model = Model(Model.default().pnet, *unused)
    image = np.ascontiguousarray(load_image("collage.png")[300:460, 500:720])
    detector = _core.Detector(model.pnet, model.rnet, model.onet, isa)
    seen: dict[str, np.ndarray] = {}

    def detect(threshold: float) -> None:
        seen.clear()
        options = Options(40, (threshold, 0.7, 0.7))
        arguments = detector_arguments(image, options)
        detector.detect(**arguments, hook=lambda name, array: seen.update({name: array.copy()}))

    detect(0.5)
    maps = {name: seen[name] for name in seen if name.endswith("/heat_map")}
    positions = np.unique(np.concatenate([values.ravel() for values in maps.values()]))
    chosen = np.random.default_rng(8).choice(positions, 5, replace=False)
    for threshold in [*with_neighbours(chosen), 0.0, 1e-45, float(positions.max()), 1.0]:
        detect(float(threshold))
        for name, values in maps.items():
            columns = values.T
            expected = columns[columns >= F(threshold)]
            assert np.array_equal(seen[name.replace("heat_map", "scores")], expected)
