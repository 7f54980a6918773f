"""Diagnoses from outputs, and the story of the three known errors."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable

import gold_figures
import numpy as np
import pytest
from mtcnn_cpp import Detector, Model
from mtcnn_cpp.doctor import Diagnosis, Finding
from mtcnn_cpp.doctor.outputs import diagnose_in_cascade, diagnose_outputs
from mtcnn_cpp.doctor.pools import floored
from mtcnn_cpp.doctor.preparations import NORMALISATIONS
from mtcnn_cpp.doctor.story import dense_inputs, swapped_channels, transposed_kernels
from mtcnn_cpp.formats.errors import PortError
from mtcnn_cpp.reference import network as reference
from mtcnn_cpp.reference.plan import STAGES
from mtcnn_cpp.trace import Trace
from mtcnn_cpp.trace.judge.plain import plain
from mtcnn_cpp.trace.names import stage_of
from pictures import portrait

SIDES = {name: stage.side or 60 for name, stage in STAGES.items()}
LAYERS = [
    ("pnet", "conv1"),
    ("pnet", "fc1"),
    ("rnet", "conv1"),
    ("rnet", "fc2"),
    ("onet", "prelu2"),
    ("onet", "fc2"),
]


def picture(stage: str) -> np.ndarray:
    """(side, side, 3) R G B, uint8."""
    side = SIDES[stage]
    return np.ascontiguousarray(portrait()[40 : 40 + side, 50 : 50 + side, ::-1])


def outputs(stage: str, prepare: Callable[[np.ndarray], np.ndarray], layer: str) -> dict[str, np.ndarray]:
    """What a port that prepares its picture so computes: the layer's output, with a batch axis."""
    network = getattr(Model.default(), stage)
    maps = np.ascontiguousarray(prepare(picture(stage).astype(np.float32)).transpose(2, 0, 1), np.float32)[
        None
    ]
    for name, one in zip(network.names, network.layers, strict=True):
        maps = reference.run(one, maps)
        if name == layer:
            break
    return {layer: maps}


def right(pixels: np.ndarray) -> np.ndarray:
    return (pixels - 127.5) / 128


def kinds(diagnosis: Diagnosis) -> set[str]:
    return {finding.kind for finding in diagnosis.findings}


@pytest.mark.parametrize(("stage", "layer"), LAYERS)
def test_right(stage: str, layer: str) -> None:
    assert diagnose_outputs(stage, picture(stage), outputs(stage, right, layer)).exact


def test_every_layer_given_is_compared() -> None:
    """A later layer that is wrong, behind a first one that is right; and numbers in half precision."""
    given = outputs("rnet", right, "conv1") | outputs("rnet", right, "fc2")
    found = diagnose_outputs("rnet", picture("rnet"), given)
    assert found.headline == (
        "these are the outputs of OpenFace's model: 13,558 numbers within 2e-05 of the greatest magnitude of "
        "their layer"
    )
    given["fc2"] = given["fc2"] * np.float32(1.01)
    assert [(one.layer, one.kind) for one in diagnose_outputs("rnet", picture("rnet"), given).findings] == [
        ("fc2", "values")
    ]
    given["fc2"] = given["fc2"][:, :2]
    assert kinds(diagnose_outputs("rnet", picture("rnet"), given)) == {"shape"}
    half = {"conv1": given["conv1"].astype(np.float16)}
    assert kinds(diagnose_outputs("rnet", picture("rnet"), half)) == {"values"}


@pytest.mark.parametrize(("stage", "layer"), LAYERS)
@pytest.mark.parametrize("normalisation", list(NORMALISATIONS)[1:])
def test_other_normalisation(stage: str, layer: str, normalisation: str) -> None:
    centre, divisor = NORMALISATIONS[normalisation]
    found = diagnose_outputs(stage, picture(stage), outputs(stage, lambda v: (v - centre) / divisor, layer))
    assert kinds(found) == {"normalisation"}
    assert normalisation in found.findings[0].text


@pytest.mark.parametrize(("stage", "layer"), LAYERS)
def test_channels_swapped_and_not_normalised(stage: str, layer: str) -> None:
    found = diagnose_outputs(stage, picture(stage), outputs(stage, lambda v: right(v)[..., ::-1], layer))
    assert kinds(found) == {"input-channels"}
    found = diagnose_outputs(stage, picture(stage), outputs(stage, lambda v: v[..., ::-1], layer))
    assert kinds(found) == {"input-channels", "normalisation"}
    found = diagnose_outputs(stage, picture(stage), outputs(stage, lambda v: right(v).swapaxes(0, 1), layer))
    assert kinds(found) == {"kernel-turned"}


def test_any_constants_from_the_first_layer() -> None:
    """ImageNet's means and deviation, which no list of usual mistakes needs to have."""
    means = np.array([123.7, 116.3, 103.5])
    found = diagnose_outputs("pnet", picture("pnet"), outputs("pnet", lambda v: (v - means) / 58.4, "conv1"))
    assert kinds(found) == {"normalisation"}
    assert "(v - (123.7, 116.3, 103.5)) / 58.4" in found.findings[0].text


def test_shapes_tell_of_pooling_and_padding() -> None:
    network = Model.default().rnet
    given = outputs("rnet", right, "pool1")["pool1"]
    found = diagnose_outputs("rnet", picture("rnet"), {"pool1": given[:, :, :10, :10]})
    assert kinds(found) == {"pool-size"}
    assert "pooling floored" in found.findings[0].text
    padded = np.pad(right(picture("rnet").astype(np.float32)), ((1, 1), (1, 1), (0, 0))).transpose(2, 0, 1)
    output = reference.run(network.layers[0], np.ascontiguousarray(padded, np.float32))
    assert kinds(diagnose_outputs("rnet", picture("rnet"), {"conv1": output})) == {"padding"}


def test_another_number_of_values() -> None:
    """A dense layer of another width, where no maps tell why."""
    (finding,) = diagnose_outputs("rnet", picture("rnet"), {"fc1": np.zeros((1, 100))}).findings
    assert (finding.kind, finding.text) == ("shape", "shape (100,), expected (128,)")


@pytest.mark.parametrize("layer", ["conv1", "pool1", "fc1"])
@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_outputs_that_are_no_numbers(layer: str, number: float) -> None:
    given = outputs("rnet", right, layer)
    given[layer].flat[[3, 5]] = number
    found = diagnose_outputs("rnet", picture("rnet"), given)
    assert kinds(found) == {"values"}
    assert f"2 of {given[layer].size} outputs are NaN or infinite" in found.findings[0].text
    assert not found.exact


def test_json_of_what_is_not_finite() -> None:
    finding = Finding("conv1", "values", "", {"there": np.float32("-inf"), "worst at": (1, np.int64(2))})
    found = Diagnosis("x.onnx", "pnet", (finding,), (), {}, None)
    (told,) = json.loads(json.dumps(plain(found.to_dict()), allow_nan=False))["findings"]
    assert told["evidence"] == {"there": "-inf", "worst at": [1, 2]}
    assert plain([float("nan"), np.float64("inf"), 1.5]) == ["nan", "inf", 1.5]


def test_something_else() -> None:
    noise = np.random.default_rng(0).normal(size=(1, 10, 58, 58)).astype(np.float32)
    found = diagnose_outputs("pnet", picture("pnet"), {"conv1": noise})
    assert kinds(found) == {"values"}
    assert "no usual preparation" in found.findings[0].text


@functools.cache
def detection() -> Trace:
    return Detector(min_face=40).trace(portrait())


@pytest.mark.parametrize(
    ("place", "layer"),
    [
        ("pnet/level00", "conv1"),
        ("pnet/level02", "fc1"),
        ("rnet/crop000", "conv1"),
        ("rnet/crop005", "fc2"),
        ("onet/crop002", "prelu2"),
        ("onet/crop003", "fc2"),
    ],
)
def test_the_level_or_crop_is_found(place: str, layer: str) -> None:
    """A right port's output is right wherever it came from; one given BGR is named so at that place."""
    stage, network = stage_of(place), getattr(Model.default(), place[:4])
    found = diagnose_in_cascade(stage, portrait(), {layer: detection()[f"{place}/{layer}"]}, 40)
    assert found.exact, found
    assert f"from the output of {layer} on {place}; so prepared" in found.notes[0]
    maps = np.ascontiguousarray(detection()[f"{place}/input"][::-1])
    for name, one in zip(network.names, network.layers, strict=True):
        maps = reference.run(one, maps)
        if name == layer:
            break
    found = diagnose_in_cascade(stage, portrait(), {layer: maps}, 40)
    assert kinds(found) == {"input-channels"}
    assert f"on {place}; so prepared" in found.notes[0]


def test_the_whole_picture_is_tried_too() -> None:
    network = Model.default().pnet
    pixels = right(portrait()[..., ::-1].astype(np.float32)).transpose(2, 0, 1)
    maps = reference.run(network.layers[0], np.ascontiguousarray(pixels, np.float32))
    found = diagnose_in_cascade("pnet", portrait(), {"conv1": maps}, 40)
    assert found.exact
    assert "on the whole picture" in found.notes[0]


def test_no_level_and_no_crop_fits() -> None:
    (finding,) = diagnose_in_cascade("pnet", portrait(), {"conv1": np.zeros((10, 7, 9))}, 40).findings
    assert (finding.kind, "which no level or crop of this picture gives" in finding.text) == ("shape", True)
    level = next(n for n in detection() if n.endswith("conv1") and detection()[n].shape[1] % 2)
    maps = detection()[level.replace("conv1", "pool1")]
    wide = detection()[level].shape[2] % 2
    cut = maps[:, :-1, : maps.shape[2] - wide]
    assert kinds(diagnose_in_cascade("pnet", portrait(), {"pool1": cut}, 40)) == {"pool-size"}
    padded = np.zeros((28, 24, 24), np.float32)
    assert kinds(diagnose_in_cascade("rnet", portrait(), {"conv1": padded}, 40)) == {"padding"}
    noise = np.random.default_rng(0).normal(size=(28, 22, 22)).astype(np.float32)
    found = diagnose_in_cascade("rnet", portrait(), {"conv1": noise}, 40)
    assert kinds(found) == {"values"}
    assert "none of" in found.notes[0]
    with pytest.raises(ValueError, match="no box of this picture reaches onet with min_face 40"):
        diagnose_in_cascade("onet", np.zeros((90, 90, 3), np.uint8), {"conv1": np.zeros((32, 46, 46))}, 40)
    with pytest.raises(PortError, match="found conv9"):
        diagnose_in_cascade("onet", portrait(), {"conv9": np.zeros(3)}, 40)


def test_wrong_names_and_pictures() -> None:
    with pytest.raises(PortError, match=r"outputs: expected some of conv1, prelu1, .*, found conv7"):
        diagnose_outputs("pnet", picture("pnet"), {"conv7": np.zeros(3)})
    with pytest.raises(PortError, match=r"found none"):
        diagnose_outputs("pnet", picture("pnet"), {})
    with pytest.raises(ValueError, match=r"picture: expected shape \(H, W, 3\), found \(20, 20\)"):
        diagnose_outputs("pnet", np.zeros((20, 20)), {"conv1": np.zeros(3)})


class TestStory:
    """Section 6 of the specification."""

    def test_kernels_transposed(self) -> None:
        assert round(transposed_kernels(), 4) == 4.0058

    def test_pooling_floored(self) -> None:
        assert dense_inputs("rnet") == "64·3·3 = 576"
        assert dense_inputs("rnet", floored) == "64·2·2 = 256"
        assert dense_inputs("onet") == "128·3·3 = 1152"
        assert dense_inputs("onet", floored) == "128·2·2 = 512"

    def test_fed_with_bgr(self) -> None:
        """On a photograph of little colour: every figure in the range that the specification states."""
        name = "multi_face_0000.png"
        if not (gold_figures.SHARED / "images" / name).exists():
            pytest.skip("needs the photographs of ../shared/gold")
        one = swapped_channels(Detector(min_face=40), gold_figures.picture(name))
        assert 4.4 <= one.maximum <= 10
        assert 0.16 <= one.mean <= 0.21
        assert -0.86 <= one.channel_correlations[1] <= -0.62
        assert 0.04 <= one.channel_means[0] <= 0.09
        assert 0.24 <= one.channel_means[2] <= 0.33
        assert 0.11 <= one.channel_means[3] <= 0.15

    def test_the_pattern_in_a_picture_of_much_colour(self) -> None:
        """Channel 0 nearly right, channel 1 worst and anti-correlated."""
        one = swapped_channels(Detector(min_face=40), portrait())
        assert one.channel_means[0] == min(one.channel_means)
        assert one.channel_means[1] == max(one.channel_means)
        assert one.channel_correlations[1] < -0.6
        assert one.channel_correlations[0] > 0.9
