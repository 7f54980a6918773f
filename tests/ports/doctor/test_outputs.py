"""Diagnosis of recorded outputs, and the three well-known errors."""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Callable

import gold_results
import numpy as np
import pytest
from images import portrait
from mtcnn_cpp import Detector, Model
from mtcnn_cpp._util.json_values import to_json_value
from mtcnn_cpp.formats.errors import PortError
from mtcnn_cpp.ports.doctor import Diagnosis, Finding
from mtcnn_cpp.ports.doctor.known_errors import (
    compare_swapped_channels,
    count_fully_connected_inputs,
    transposed_kernel_difference,
)
from mtcnn_cpp.ports.doctor.outputs import diagnose_in_cascade, diagnose_outputs
from mtcnn_cpp.ports.doctor.preparations import NORMALISATIONS
from mtcnn_cpp.ports.doctor.structure import floored_size
from mtcnn_cpp.reference import network as reference
from mtcnn_cpp.reference.plan import STAGES
from mtcnn_cpp.trace import Trace
from mtcnn_cpp.trace.names import stage_of

SIDES = {name: stage.side or 60 for name, stage in STAGES.items()}
LAYERS = [
    ("pnet", "conv1"),
    ("pnet", "fc1"),
    ("rnet", "conv1"),
    ("rnet", "fc2"),
    ("onet", "prelu2"),
    ("onet", "fc2"),
]


def image(stage: str) -> np.ndarray:
    """(side, side, 3) R G B, uint8."""
    side = SIDES[stage]
    return np.ascontiguousarray(portrait()[40 : 40 + side, 50 : 50 + side, ::-1])


def outputs(stage: str, prepare: Callable[[np.ndarray], np.ndarray], layer: str) -> dict[str, np.ndarray]:
    """Output of a layer in a port with this preparation of the image, with a batch axis."""
    network = getattr(Model.default(), stage)
    maps = np.ascontiguousarray(prepare(image(stage).astype(np.float32)).transpose(2, 0, 1), np.float32)[None]
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
    assert diagnose_outputs(stage, image(stage), outputs(stage, right, layer)).exact


def test_every_layer_given_is_compared() -> None:
    """A wrong later layer after a right first one, and outputs in half precision."""
    given = outputs("rnet", right, "conv1") | outputs("rnet", right, "fc2")
    found = diagnose_outputs("rnet", image("rnet"), given)
    assert found.headline == (
        "these are the outputs of OpenFace's model: 13,558 numbers within 2e-05 of the greatest magnitude of "
        "their layer"
    )
    given["fc2"] = given["fc2"] * np.float32(1.01)
    assert [(one.layer, one.kind) for one in diagnose_outputs("rnet", image("rnet"), given).findings] == [
        ("fc2", "values")
    ]
    given["fc2"] = given["fc2"][:, :2]
    assert kinds(diagnose_outputs("rnet", image("rnet"), given)) == {"shape"}
    half = {"conv1": given["conv1"].astype(np.float16)}
    assert kinds(diagnose_outputs("rnet", image("rnet"), half)) == {"values"}


@pytest.mark.parametrize(
    ("normalisation", "stage", "layer"),
    [(name, *layer) for name, layer in zip(list(NORMALISATIONS)[1:], itertools.cycle(LAYERS), strict=False)],
)
def test_other_normalisation(normalisation: str, stage: str, layer: str) -> None:
    centre, divisor = NORMALISATIONS[normalisation]
    found = diagnose_outputs(stage, image(stage), outputs(stage, lambda v: (v - centre) / divisor, layer))
    assert kinds(found) == {"normalisation"}
    assert normalisation in found.findings[0].text


@pytest.mark.parametrize(("stage", "layer"), [LAYERS[1], LAYERS[3], LAYERS[4]])
def test_channels_swapped_and_not_normalised(stage: str, layer: str) -> None:
    found = diagnose_outputs(stage, image(stage), outputs(stage, lambda v: right(v)[..., ::-1], layer))
    assert kinds(found) == {"input-channels"}
    found = diagnose_outputs(stage, image(stage), outputs(stage, lambda v: v[..., ::-1], layer))
    assert kinds(found) == {"input-channels", "normalisation"}
    found = diagnose_outputs(stage, image(stage), outputs(stage, lambda v: right(v).swapaxes(0, 1), layer))
    assert kinds(found) == {"kernel-turned"}


def test_any_constants_from_the_first_layer() -> None:
    """ImageNet's means and deviation, which are not in the list of normalisations."""
    means = np.array([123.7, 116.3, 103.5])
    found = diagnose_outputs("pnet", image("pnet"), outputs("pnet", lambda v: (v - means) / 58.4, "conv1"))
    assert kinds(found) == {"normalisation"}
    assert "(v - (123.7, 116.3, 103.5)) / 58.4" in found.findings[0].text


def test_shapes_reveal_pooling_and_padding() -> None:
    network = Model.default().rnet
    given = outputs("rnet", right, "pool1")["pool1"]
    found = diagnose_outputs("rnet", image("rnet"), {"pool1": given[:, :, :10, :10]})
    assert kinds(found) == {"pool-size"}
    assert "pooling rounds down" in found.findings[0].text
    padded = np.pad(right(image("rnet").astype(np.float32)), ((1, 1), (1, 1), (0, 0))).transpose(2, 0, 1)
    output = reference.run(network.layers[0], np.ascontiguousarray(padded, np.float32))
    assert kinds(diagnose_outputs("rnet", image("rnet"), {"conv1": output})) == {"padding"}


def test_output_of_another_width() -> None:
    """A fully connected layer of another width: its shape does not explain why."""
    (finding,) = diagnose_outputs("rnet", image("rnet"), {"fc1": np.zeros((1, 100))}).findings
    assert (finding.kind, finding.text) == ("shape", "shape (100,), expected (128,)")


@pytest.mark.parametrize("layer", ["conv1", "pool1", "fc1"])
@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_outputs_that_are_not_finite(layer: str, number: float) -> None:
    given = outputs("rnet", right, layer)
    given[layer].flat[[3, 5]] = number
    found = diagnose_outputs("rnet", image("rnet"), given)
    assert kinds(found) == {"values"}
    assert f"2 of {given[layer].size} outputs are NaN or infinite" in found.findings[0].text
    assert not found.exact


def test_json_of_values_that_are_not_finite() -> None:
    finding = Finding("conv1", "values", "", {"there": np.float32("-inf"), "worst at": (1, np.int64(2))})
    found = Diagnosis("x.onnx", "pnet", (finding,), (), {}, None)
    (finding_dict,) = json.loads(json.dumps(to_json_value(found.to_dict()), allow_nan=False))["findings"]
    assert finding_dict["evidence"] == {"there": "-inf", "worst at": [1, 2]}
    assert to_json_value([float("nan"), np.float64("inf"), 1.5]) == ["nan", "inf", 1.5]


def test_unrelated_outputs() -> None:
    noise = np.random.default_rng(0).normal(size=(1, 10, 58, 58)).astype(np.float32)
    found = diagnose_outputs("pnet", image("pnet"), {"conv1": noise})
    assert kinds(found) == {"values"}
    assert "no usual preparation" in found.findings[0].text


@functools.cache
def detection() -> Trace:
    return Detector(min_face=40).trace(portrait())


@pytest.mark.parametrize(
    ("source", "layer"),
    [
        ("pnet/level00", "conv1"),
        ("pnet/level02", "fc1"),
        ("rnet/crop000", "conv1"),
        ("rnet/crop005", "fc2"),
        ("onet/crop003", "prelu2"),
    ],
)
def test_the_level_or_crop_is_found(source: str, layer: str) -> None:
    """The level or crop is named for a right port, and for a port with BGR input."""
    stage, network = stage_of(source), getattr(Model.default(), source[:4])
    found = diagnose_in_cascade(stage, portrait(), {layer: detection()[f"{source}/{layer}"]}, 40)
    assert found.exact, found
    assert f"compared: the output of {layer} on {source}; with the preparation" in found.notes[0]
    maps = np.ascontiguousarray(detection()[f"{source}/input"][::-1])
    for name, one in zip(network.names, network.layers, strict=True):
        maps = reference.run(one, maps)
        if name == layer:
            break
    found = diagnose_in_cascade(stage, portrait(), {layer: maps}, 40)
    assert kinds(found) == {"input-channels"}
    assert f"on {source}; with the preparation" in found.notes[0]


def test_the_whole_image_is_tried_too() -> None:
    network = Model.default().pnet
    pixels = right(portrait()[..., ::-1].astype(np.float32)).transpose(2, 0, 1)
    maps = reference.run(network.layers[0], np.ascontiguousarray(pixels, np.float32))
    found = diagnose_in_cascade("pnet", portrait(), {"conv1": maps}, 40)
    assert found.exact
    assert "on the whole image" in found.notes[0]


def test_no_level_and_no_crop_matches() -> None:
    (finding,) = diagnose_in_cascade("pnet", portrait(), {"conv1": np.zeros((10, 7, 9))}, 40).findings
    assert (finding.kind, "no level or crop of this image gives the shape" in finding.text) == ("shape", True)
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
    with pytest.raises(ValueError, match="no box of this image reaches onet with min_face 40"):
        diagnose_in_cascade("onet", np.zeros((90, 90, 3), np.uint8), {"conv1": np.zeros((32, 46, 46))}, 40)
    with pytest.raises(PortError, match="found conv9"):
        diagnose_in_cascade("onet", portrait(), {"conv9": np.zeros(3)}, 40)


def test_wrong_names_and_images() -> None:
    with pytest.raises(PortError, match=r"outputs: expected some of conv1, prelu1, .*, found conv7"):
        diagnose_outputs("pnet", image("pnet"), {"conv7": np.zeros(3)})
    with pytest.raises(PortError, match=r"found none"):
        diagnose_outputs("pnet", image("pnet"), {})
    with pytest.raises(ValueError, match=r"image: expected shape \(H, W, 3\), found \(20, 20\)"):
        diagnose_outputs("pnet", np.zeros((20, 20)), {"conv1": np.zeros(3)})


class TestKnownErrors:
    """Section 6 of the specification."""

    def test_kernels_transposed(self) -> None:
        assert round(transposed_kernel_difference(), 4) == 4.0058

    def test_pooling_floored(self) -> None:
        assert count_fully_connected_inputs("rnet") == "64·3·3 = 576"
        assert count_fully_connected_inputs("rnet", floored_size) == "64·2·2 = 256"
        assert count_fully_connected_inputs("onet") == "128·3·3 = 1152"
        assert count_fully_connected_inputs("onet", floored_size) == "128·2·2 = 512"

    def test_bgr_input(self) -> None:
        """On a photograph with little colour, every number is in the range of the specification."""
        name = "multi_face_0000.png"
        if not (gold_results.SHARED / "images" / name).exists():
            pytest.skip("needs the photographs of ../shared/gold")
        one = compare_swapped_channels(Detector(min_face=40), gold_results.load_image(name))
        assert 4.4 <= one.maximum <= 10
        assert 0.16 <= one.mean <= 0.21
        assert -0.86 <= one.channel_correlations[1] <= -0.62
        assert 0.04 <= one.channel_means[0] <= 0.09
        assert 0.24 <= one.channel_means[2] <= 0.33
        assert 0.11 <= one.channel_means[3] <= 0.15

    def test_the_pattern_in_an_image_with_much_colour(self) -> None:
        """Channel 0 is nearly right; channel 1 is worst and anti-correlated."""
        one = compare_swapped_channels(Detector(min_face=40), portrait())
        assert one.channel_means[0] == min(one.channel_means)
        assert one.channel_means[1] == max(one.channel_means)
        assert one.channel_correlations[1] < -0.6
        assert one.channel_correlations[0] > 0.9
