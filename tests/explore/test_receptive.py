"""The receptive field is exact: what lies outside has no influence, what lies on its border has."""

from __future__ import annotations

import numpy as np
import pytest
from mtcnn_cpp import Detector, Model
from mtcnn_cpp.explore.boxes import boxes_of
from mtcnn_cpp.explore.receptive import Field, receptive_field
from mtcnn_cpp.reference.network import run
from mtcnn_cpp.reference.resize import cut_resize, normalise
from mtcnn_cpp.trace import Trace, TraceError
from pictures import portrait

MODEL = Model.default()
PNET = [
    f"pnet/level{level:02d}/{layer}"
    for level in (0, 1, 2)
    for layer in ("input", *MODEL.pnet.names, "heat_map")
]
CROPS = [
    f"{stage}/crop{crop:03d}/{layer}"
    for stage, crop, layers in (("rnet", 1, MODEL.rnet.names), ("onet", 0, MODEL.onet.names))
    for layer in ("input", *layers)
]


def places(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The first, the last, and two others."""
    rng = np.random.default_rng(4)
    some = [tuple(int(rng.integers(size)) for size in shape) for _ in range(2)]
    return [(0,) * len(shape), tuple(size - 1 for size in shape), *some]


def scrambled(picture: np.ndarray, field: Field, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The picture with other pixels outside of the field; with other pixels inside."""
    assert field.picture is not None
    top, bottom, left, right = field.picture
    inside = np.zeros(picture.shape[:2], bool)
    inside[top:bottom, left:right] = True
    other = 255 - picture
    return np.where(inside[..., None], picture, other), np.where(inside[..., None], other, picture)


def borders(picture: np.ndarray, field: Field) -> list[np.ndarray]:
    """The picture with another first row, last row, first column, last column of the field."""
    assert field.picture is not None
    top, bottom, left, right = field.picture
    result = []
    for rows, columns in (
        (slice(top, top + 1), slice(left, right)),
        (slice(bottom - 1, bottom), slice(left, right)),
        (slice(top, bottom), slice(left, left + 1)),
        (slice(top, bottom), slice(right - 1, right)),
    ):
        changed = picture.copy()
        changed[rows, columns] = 255 - changed[rows, columns]
        result.append(changed)
    return result


@pytest.mark.parametrize("name", PNET)
def test_of_a_level(right: Trace, name: str) -> None:
    detector, picture = Detector(), portrait()
    source = f"{name.rpartition('/')[0]}/input"
    for at in places(right.entry(name).shape):
        field = receptive_field(right, name, at)
        without, _ = scrambled(picture, field)
        value = detector.trace(without, only=[name])[name][at]
        assert value.tobytes() == right[name][at].tobytes(), at
        part = field.parts[-1]
        assert part.name == source
        area = np.s_[:, slice(*part.rows), slice(*part.columns)]
        for changed in borders(picture, field):
            assert (detector.trace(changed, only=[source])[source][area] != right[source][area]).any(), at


@pytest.mark.parametrize("name", CROPS)
def test_of_a_crop(right: Trace, name: str) -> None:
    """The square as it was: where it lies depends on the whole picture."""
    place, _, layer = name.rpartition("/")
    stage, _, crop = place.partition("/crop")
    network = MODEL.networks[stage]  # type: ignore[index]
    square = right[f"{stage}/boxes_in"][int(crop)]

    def at_input(picture: np.ndarray) -> np.ndarray:
        side = right.entry(f"{place}/input").shape[1]
        return np.moveaxis(normalise(cut_resize(picture[..., ::-1], square, side)), -1, 0)

    def computed(picture: np.ndarray) -> np.ndarray:
        maps = at_input(picture)
        for number in range(0 if layer == "input" else network.names.index(layer) + 1):
            maps = run(network.layers[number], maps)
        return maps

    assert computed(portrait()).tobytes() == right[name].tobytes()
    for at in places(right.entry(name).shape):
        field = receptive_field(right, name, at)
        if field.picture is None:  # the square reaches beyond the picture
            continue
        without, _ = scrambled(portrait(), field)
        assert computed(without)[at].tobytes() == right[name][at].tobytes(), at
        part = field.parts[-1]
        area = np.s_[:, slice(*part.rows), slice(*part.columns)]
        for changed in borders(portrait(), field):
            assert (at_input(changed)[area] != at_input(portrait())[area]).any(), at


def test_through_all_tensors(right: Trace) -> None:
    """In each tensor before the value: other numbers outside of the field leave it as it is."""
    name = "onet/crop000/conv3"
    at = (5, 4, 2)
    network, field = MODEL.onet, receptive_field(right, name, at)
    assert [part.name.rpartition("/")[2] for part in field.parts] == [
        *("conv3", "pool2", "prelu2", "conv2", "pool1", "prelu1", "conv1", "input")
    ]
    for part in field.parts[1:]:
        maps = right[part.name].copy()
        area = np.s_[slice(*part.channels), slice(*part.rows), slice(*part.columns)]
        for inside in (False, True):
            changed = maps.copy() if inside else maps + 1
            changed[area] = maps[area] + 1 if inside else maps[area]
            layer = part.name.rpartition("/")[2]
            start = 0 if layer == "input" else network.names.index(layer) + 1
            for number in range(start, network.names.index("conv3") + 1):
                changed = run(network.layers[number], changed)
            assert (changed[at] == right[name][at]) == (not inside), part


def test_of_lists(right: Trace) -> None:
    """A score, an offset or a landmark comes from its crop's last layer, or from its cell."""
    found = receptive_field(right, "rnet/scores", (1,))
    assert found.parts[1].name == "rnet/crop001/fc2"
    assert found.parts[1].channels == (0, 2)
    found = receptive_field(right, "onet/landmarks", (0, 3, 1))
    assert (found.parts[1].name, found.parts[1].channels) == ("onet/crop000/fc2", (14, 15))
    values = right["onet/crop000/fc2"][14]
    _, y, side, _ = right["onet/boxes_in"][0]
    assert right["onet/landmarks"][0, 3, 1] == (y - np.float32(1)) + values * (side + np.float32(1))
    for level in boxes_of(right).levels:
        for index, (row, column) in enumerate(level.cells or ()):
            field = receptive_field(right, f"{level.name}/offsets", (index, 2))
            part = field.parts[1]
            assert (part.name, part.channels) == (f"{level.name}/fc1", (4, 5))
            assert (part.rows, part.columns) == ((row, row + 1), (column, column + 1))
            assert right[part.name][4, row, column] == right[f"{level.name}/offsets"][index, 2]


@pytest.mark.parametrize(
    ("name", "at", "words"),
    [
        ("rnet/crop000/conv1", (0, 0), "the index 0,0 is not in it"),
        ("rnet/crop000/conv1", (0, 0, 99), "is not in it"),
        ("pnet/boxes", (0, 0), "no receptive field"),
        ("final/boxes", (0, 0), "no receptive field"),
        ("rnet/keep", (0,), "no receptive field"),
    ],
)
def test_what_has_none(right: Trace, name: str, at: tuple[int, ...], words: str) -> None:
    with pytest.raises(TraceError, match=words):
        receptive_field(right, name, at)


def test_without_the_input(right: Trace) -> None:
    """A port's few tensors: sizes follow from the plan; where they do not, that is said."""
    part = right.select("rnet/crop000/conv2", "rnet/boxes_in")
    assert receptive_field(part, "rnet/crop000/conv2", (0, 1, 1)).picture is not None
    alone = Trace.from_arrays({"pnet/level00/conv2": right["pnet/level00/conv2"]})
    with pytest.raises(TraceError, match="is not known"):
        receptive_field(alone, "pnet/level00/conv2", (0, 1, 1))
