"""Faults that are planted in a port: the first divergence is the planted fault."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from images import FAST, portrait
from mtcnn_cpp import Detector, Model
from mtcnn_cpp.model import Conv2d, FullyConnected, Network
from mtcnn_cpp.reference import cascade, layers
from mtcnn_cpp.reference import plan as shapes
from mtcnn_cpp.trace import Trace, compare
from mtcnn_cpp.trace.replay import compare_isolated


@functools.cache
def right() -> Trace:
    return Detector(backend="reference").trace(portrait())


def with_layer(stage: str, name: str, change: Callable[[Any], Any]) -> Detector:
    """A detector with one changed layer; the layer is dropped if `change` returns None."""
    model = Model.default()
    network = getattr(model, stage)
    number = network.names.index(name)
    changed = change(network.layers[number])
    middle = () if changed is None else (changed,)
    faulty = Network(network.layers[:number] + middle + network.layers[number + 1 :])
    return Detector(dataclasses.replace(model, **{stage: faulty}), backend=FAST)


def first_divergence(faulty: Detector) -> str:
    report = compare(right(), faulty.trace(portrait()))
    assert report.first_divergence is not None
    assert not report.ok
    return report.first_divergence.name


def faulty_layers(faulty: Detector, folder: Path) -> set[str]:
    """Layers that differ if each receives the correct input."""
    report = compare_isolated(right(), faulty.engine, folder)
    assert report.notes[1].startswith("faulty layers: ")
    return {f"{row.name.split('/')[0]}/{row.name.split('/')[-1]}" for row in report.tensors if not row.ok}


def transposed(layer: Conv2d) -> Conv2d:
    return Conv2d(layer.kernel.transpose(0, 1, 3, 2), layer.bias)


@pytest.mark.parametrize(
    ("stage", "layer", "expected"),
    [
        ("pnet", "conv1", "pnet/level00/conv1"),
        ("pnet", "conv3", "pnet/level00/conv3"),
        ("rnet", "conv2", "rnet/crop000/conv2"),
        ("onet", "conv4", "onet/crop000/conv4"),
    ],
)
def test_a_transposed_kernel(stage: str, layer: str, expected: str, tmp_path: Path) -> None:
    faulty = with_layer(stage, layer, transposed)
    assert first_divergence(faulty) == expected
    assert faulty_layers(faulty, tmp_path) == {f"{stage}/{layer}"}


def one_ulp_off(layer: Any) -> Any:
    field = "kernel" if isinstance(layer, Conv2d) else "weights"
    weights = getattr(layer, field).copy()
    place = np.unravel_index(np.argmax(np.abs(weights)), weights.shape)
    weights[place] = np.nextafter(weights[place], np.float32(9))
    return dataclasses.replace(layer, **{field: weights})


@pytest.mark.parametrize(
    ("stage", "layer", "expected"),
    [
        ("pnet", "conv2", "pnet/level00/conv2"),
        ("pnet", "fc1", "pnet/level00/fc1"),
        ("rnet", "conv1", "rnet/crop000/conv1"),
        ("onet", "conv3", "onet/crop000/conv3"),
    ],
)
def test_one_weight_off_by_one_ulp(stage: str, layer: str, expected: str, tmp_path: Path) -> None:
    faulty = with_layer(stage, layer, one_ulp_off)
    assert first_divergence(faulty) == expected
    assert faulty_layers(faulty, tmp_path) == {f"{stage}/{layer}"}


@pytest.mark.parametrize(
    ("stage", "layer", "expected"),
    [
        ("pnet", "prelu2", "pnet/level00/prelu2"),
        ("onet", "prelu1", "onet/crop000/prelu1"),
    ],
)
def test_a_dropped_layer(stage: str, layer: str, expected: str) -> None:
    """The following layers are renumbered, so a layer of this name exists."""
    assert first_divergence(with_layer(stage, layer, lambda _: None)) == expected


@pytest.mark.parametrize(
    ("stage", "layer", "expected", "note"),
    [
        ("pnet", "prelu3", "pnet/level00/fc1", "b does not contain pnet/level*/prelu3"),
        ("rnet", "prelu4", "rnet/crop000/fc2", "b does not contain rnet/crop*/prelu4"),
    ],
)
def test_a_dropped_last_of_its_kind(stage: str, layer: str, expected: str, note: str) -> None:
    """The next tensor is the first that differs, and a note names the missing one."""
    faulty = with_layer(stage, layer, lambda _: None)
    assert first_divergence(faulty) == expected
    assert any(note in text for text in compare(right(), faulty.trace(portrait())).notes)


def test_swapped_red_and_blue_in_one_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """The known error: PNet receives BGR, the other networks RGB."""
    level = cascade.Cascade.level

    def swapped(self: Any, *arguments: Any) -> Any:
        other = cascade.Cascade.__new__(cascade.Cascade)
        other.__dict__.update(self.__dict__, image=self.image[..., ::-1])
        return level(other, *arguments)

    monkeypatch.setattr(cascade.Cascade, "level", swapped)
    report = compare(right(), Detector(backend="reference").trace(portrait()))
    assert report.first_divergence is not None
    assert report.first_divergence.name == "pnet/level00/input"
    assert report.first_divergence.reason.endswith("red and blue are swapped")


def test_swapped_red_and_blue_in_the_weights() -> None:
    faulty = with_layer("onet", "conv1", lambda conv: Conv2d(conv.kernel[:, ::-1], conv.bias))
    assert first_divergence(faulty) == "onet/crop000/conv1"


def test_floored_pooling(monkeypatch: pytest.MonkeyPatch) -> None:
    def floored(size: int, kernel: int, stride: int) -> int:
        return (size - kernel) // stride + 1 if kernel == 2 else shapes_pooled_size(size, kernel, stride)

    shapes_pooled_size = shapes.pooled_size
    for module in (shapes, layers):
        monkeypatch.setattr(module, "pooled_size", floored)
    report = compare(right(), Detector(backend="reference").trace(portrait()))
    expected = next(
        name
        for name in right()
        if name.endswith("prelu1") and name.startswith("pnet") and any(n % 2 for n in right()[name].shape[1:])
    ).replace("prelu1", "pool1")
    assert report.first_divergence is not None
    assert report.first_divergence.name == expected
    assert "different: shape" in report.headline


@pytest.mark.parametrize("name", ["pnet/level01/conv2", "rnet/crop003/fc1", "onet/scores"])
def test_nan_in_one_element(name: str) -> None:
    changed = right()[name].copy()
    changed.flat[-1] = np.nan
    report = compare(right(), right().replace({name: changed}), tolerances=1e3)
    assert report.first_divergence is not None
    assert report.first_divergence.name == name
    assert "NaN or infinities differ in 1 of" in report.headline
    assert sum(not row.ok for row in report.tensors) == 1


@pytest.mark.parametrize(
    ("function", "expected"),
    [("to_faces", "final/boxes"), ("landmarks_in", "onet/landmarks"), ("from_level", "pnet/level00/boxes")],
)
def test_a_late_stage_altered(function: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right()
    original = getattr(cascade, function)
    monkeypatch.setattr(cascade, function, lambda *arguments: original(*arguments) + np.float32(0.25))
    assert first_divergence(Detector(backend="reference")) == expected


def test_fully_connected_inputs_in_another_order(tmp_path: Path) -> None:
    """(channel, y, x) instead of (channel, x, y)."""

    def reordered(layer: FullyConnected) -> FullyConnected:
        weights = layer.weights.reshape(64, 3, 3, -1).transpose(0, 2, 1, 3)
        return FullyConnected(weights.reshape(layer.weights.shape), layer.bias)

    faulty = with_layer("rnet", "fc1", reordered)
    assert first_divergence(faulty) == "rnet/crop000/fc1"
    assert faulty_layers(faulty, tmp_path) == {"rnet/fc1"}
