"""`FaceDetectorMTCNN`, the detector with the API of the original."""

from __future__ import annotations

import copy
import pickle
import threading
from pathlib import Path

import numpy as np
import pytest
from gold_results import same_bits
from images import portrait
from mtcnn_cpp import Detector, FaceDetectorMTCNN, Model
from mtcnn_cpp.model import Conv2d, Network


def other_model() -> Model:
    """Return a model that finds no face: the first layer of PNet is zero."""
    model = Model.default()
    first, *rest = model.pnet.layers
    assert isinstance(first, Conv2d)
    blind = Conv2d(np.zeros_like(first.kernel), first.bias)
    return Model(Network((blind, *rest)), model.rnet, model.onet)


def test_same_results_as_detector() -> None:
    detector = FaceDetectorMTCNN()
    assert not detector.empty()
    regions, confidences = detector.detect_faces(portrait())
    faces = Detector().detect(portrait())
    assert len(faces) == 1
    assert same_bits(regions, faces.boxes)
    assert same_bits(confidences, faces.scores)
    regions, _ = detector.detect_faces(portrait(), 20, 0.1, 0.2, 0.3)
    faces = Detector(min_face=20, thresholds=(0.1, 0.2, 0.3)).detect(portrait())
    assert same_bits(regions, faces.boxes)
    gray = np.ascontiguousarray(portrait()[..., 1])
    assert same_bits(detector.detect_faces(gray)[0], Detector().detect(gray).boxes)


def test_reads_other_networks(tmp_path: Path) -> None:
    other_model().save(tmp_path)
    detector = FaceDetectorMTCNN(tmp_path / "MTCNN_detector.txt")
    assert len(detector.detect_faces(portrait())[0]) == 0
    Model.default().save(tmp_path / "default")
    detector.read(tmp_path / "default")
    assert len(detector.detect_faces(portrait())[0]) == 1
    with pytest.raises(FileNotFoundError, match="nowhere"):
        detector.read("nowhere")
    assert len(detector.detect_faces(portrait())[0]) == 1  # unchanged
    with pytest.raises(FileNotFoundError, match="nowhere"):
        FaceDetectorMTCNN("nowhere")


def test_read_during_detections_on_other_threads(tmp_path: Path) -> None:
    """Each detection uses one model or the other completely."""
    Model.default().save(tmp_path / "default")
    other_model().save(tmp_path / "blind")
    detector = FaceDetectorMTCNN()
    (box,) = detector.detect_faces(portrait())[0]
    done = threading.Event()
    wrong: list[object] = []

    def detect() -> None:
        while not done.is_set():
            regions, _ = detector.detect_faces(portrait())
            if len(regions) and not same_bits(regions, box[None]):
                wrong.append(regions)

    threads = [threading.Thread(target=detect) for _ in range(3)]
    for thread in threads:
        thread.start()
    for name in ("default", "blind") * 30:
        detector.read(tmp_path / name)
    done.set()
    for thread in threads:
        thread.join()
    assert not wrong


def test_layers_and_hooks() -> None:
    detector = FaceDetectorMTCNN()
    layers = detector.layers()
    assert list(layers)[:3] == ["pnet/conv1", "pnet/prelu1", "pnet/pool1"]
    assert len(layers) == 33
    assert layers["onet/fc2"] is Model.default().onet.layers[-1]
    seen: dict[str, np.ndarray] = {}
    with detector.hook("onet/crop*/fc2", seen.__setitem__):
        detector.detect_faces(portrait(), 40)
    assert seen
    expected = Detector(min_face=40).trace(portrait(), only=["onet/crop*/fc2"])
    assert list(seen) == list(expected)
    assert all(same_bits(seen[name], expected[name]) for name in seen)
    seen.clear()
    detector.detect_faces(portrait())
    assert not seen
    with pytest.raises(ValueError, match="matches no tensor name"), detector.hook("onet/nope", print):
        pass


def test_copies_and_pickles() -> None:
    detector = FaceDetectorMTCNN()
    regions, _ = detector.detect_faces(portrait())
    for same in (copy.copy(detector), copy.deepcopy(detector), pickle.loads(pickle.dumps(detector))):
        assert same_bits(same.detect_faces(portrait())[0], regions)
        assert repr(same) == repr(detector)
