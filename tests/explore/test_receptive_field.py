"""The receptive field is exact: pixels outside it do not change the value, pixels on its border can."""

from __future__ import annotations

import numpy as np
import pytest
from images import portrait
from mtcnn_cpp import Detector, Model
from mtcnn_cpp.explore.boxes import boxes_of
from mtcnn_cpp.explore.receptive_field import ReceptiveField, receptive_field
from mtcnn_cpp.reference.network import run
from mtcnn_cpp.reference.resize import cut_resize, normalise
from mtcnn_cpp.trace import Trace, TraceError

MODEL = Model.default()
PNET = [
    f"pnet/level{level:02d}/{layer}" for level in (0, 2) for layer in ("input", *MODEL.pnet.names, "heat_map")
]
CROPS = [
    f"{stage}/crop{crop:03d}/{layer}"
    for stage, crop, layers in (("rnet", 1, MODEL.rnet.names), ("onet", 0, MODEL.onet.names))
    for layer in ("input", *layers)
]


def sample_indices(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The first index, the last index, and a random one."""
    rng = np.random.default_rng(4)
    return [(0,) * len(shape), tuple(size - 1 for size in shape), tuple(int(rng.integers(n)) for n in shape)]


def inverted(image: np.ndarray, field: ReceptiveField) -> tuple[np.ndarray, np.ndarray]:
    """The image with inverted pixels outside the field, and with inverted pixels inside."""
    assert field.image is not None
    top, bottom, left, right = field.image
    inside = np.zeros(image.shape[:2], bool)
    inside[top:bottom, left:right] = True
    other = 255 - image
    return np.where(inside[..., None], image, other), np.where(inside[..., None], other, image)


def inverted_borders(image: np.ndarray, field: ReceptiveField) -> list[np.ndarray]:
    """The image with the first row, last row, first column or last column of the field inverted."""
    assert field.image is not None
    top, bottom, left, right = field.image
    result = []
    for rows, columns in (
        (slice(top, top + 1), slice(left, right)),
        (slice(bottom - 1, bottom), slice(left, right)),
        (slice(top, bottom), slice(left, left + 1)),
        (slice(top, bottom), slice(right - 1, right)),
    ):
        changed = image.copy()
        changed[rows, columns] = 255 - changed[rows, columns]
        result.append(changed)
    return result


@pytest.mark.parametrize("name", PNET)
def test_field_in_a_level(correct: Trace, name: str) -> None:
    detector, image = Detector(), portrait()
    source = f"{name.rpartition('/')[0]}/input"
    for at in sample_indices(correct.info(name).shape):
        field = receptive_field(correct, name, at)
        outside, _ = inverted(image, field)
        value = detector.trace(outside, only=[name])[name][at]
        assert value.tobytes() == correct[name][at].tobytes(), at
        region = field.regions[-1]
        assert region.name == source
        area = np.s_[:, slice(*region.rows), slice(*region.columns)]
        for changed in inverted_borders(image, field):
            assert (detector.trace(changed, only=[source])[source][area] != correct[source][area]).any(), at


@pytest.mark.parametrize("name", CROPS)
def test_field_in_a_crop(correct: Trace, name: str) -> None:
    """For a fixed square, because its position depends on the whole image."""
    group, _, layer = name.rpartition("/")
    stage, _, crop = group.partition("/crop")
    network = MODEL.networks[stage]  # type: ignore[index]
    square = correct[f"{stage}/boxes_in"][int(crop)]

    def at_input(image: np.ndarray) -> np.ndarray:
        side = correct.info(f"{group}/input").shape[1]
        return np.moveaxis(normalise(cut_resize(image[..., ::-1], square, side)), -1, 0)

    def computed(image: np.ndarray) -> np.ndarray:
        maps = at_input(image)
        for number in range(0 if layer == "input" else network.names.index(layer) + 1):
            maps = run(network.layers[number], maps)
        return maps

    right = at_input(portrait())
    assert computed(portrait()).tobytes() == correct[name].tobytes()
    for at in sample_indices(correct.info(name).shape):
        field = receptive_field(correct, name, at)
        if field.image is None:  # the square reaches beyond the image
            continue
        outside, _ = inverted(portrait(), field)
        assert computed(outside)[at].tobytes() == correct[name][at].tobytes(), at
        region = field.regions[-1]
        area = np.s_[:, slice(*region.rows), slice(*region.columns)]
        for changed in inverted_borders(portrait(), field):
            assert (at_input(changed)[area] != right[area]).any(), at


def test_field_in_each_tensor(correct: Trace) -> None:
    """In each earlier tensor, changes outside the field do not change the value."""
    name = "onet/crop000/conv3"
    at = (5, 4, 2)
    network, field = MODEL.onet, receptive_field(correct, name, at)
    assert [region.name.rpartition("/")[2] for region in field.regions] == [
        *("conv3", "pool2", "prelu2", "conv2", "pool1", "prelu1", "conv1", "input")
    ]
    for region in field.regions[1:]:
        maps = correct[region.name].copy()
        area = np.s_[slice(*region.channels), slice(*region.rows), slice(*region.columns)]
        for inside in (False, True):
            changed = maps.copy() if inside else maps + 1
            changed[area] = maps[area] + 1 if inside else maps[area]
            layer = region.name.rpartition("/")[2]
            start = 0 if layer == "input" else network.names.index(layer) + 1
            for number in range(start, network.names.index("conv3") + 1):
                changed = run(network.layers[number], changed)
            assert (changed[at] == correct[name][at]) == (not inside), region


def test_field_of_list_elements(correct: Trace) -> None:
    """The field of a score, offset or landmark starts in the last layer of its crop, or in its cell."""
    found = receptive_field(correct, "rnet/scores", (1,))
    assert found.regions[1].name == "rnet/crop001/fc2"
    assert found.regions[1].channels == (0, 2)
    found = receptive_field(correct, "onet/landmarks", (0, 3, 1))
    assert (found.regions[1].name, found.regions[1].channels) == ("onet/crop000/fc2", (14, 15))
    values = correct["onet/crop000/fc2"][14]
    _, y, side, _ = correct["onet/boxes_in"][0]
    assert correct["onet/landmarks"][0, 3, 1] == (y - np.float32(1)) + values * (side + np.float32(1))
    for level in boxes_of(correct).levels:
        for index, (row, column) in enumerate(level.cells or ()):
            field = receptive_field(correct, f"{level.name}/offsets", (index, 2))
            region = field.regions[1]
            assert (region.name, region.channels) == (f"{level.name}/fc1", (4, 5))
            assert (region.rows, region.columns) == ((row, row + 1), (column, column + 1))
            assert correct[region.name][4, row, column] == correct[f"{level.name}/offsets"][index, 2]


@pytest.mark.parametrize(
    ("name", "at", "words"),
    [
        ("rnet/crop000/conv1", (0, 0), "the index 0,0 is outside this shape"),
        ("rnet/crop000/conv1", (0, 0, 99), "is outside this shape"),
        ("pnet/boxes", (0, 0), "no receptive field"),
        ("final/boxes", (0, 0), "no receptive field"),
        ("rnet/keep", (0,), "no receptive field"),
    ],
)
def test_tensors_without_field(correct: Trace, name: str, at: tuple[int, ...], words: str) -> None:
    with pytest.raises(TraceError, match=words):
        receptive_field(correct, name, at)


def test_trace_without_input(correct: Trace) -> None:
    """Without the input tensor, its size comes from options and image size; without these it is an error."""
    part = correct.select("rnet/crop000/conv2", "rnet/boxes_in")
    assert receptive_field(part, "rnet/crop000/conv2", (0, 1, 1)).image is not None
    alone = Trace.from_arrays({"pnet/level00/conv2": correct["pnet/level00/conv2"]})
    with pytest.raises(TraceError, match="is unknown"):
        receptive_field(alone, "pnet/level00/conv2", (0, 1, 1))
