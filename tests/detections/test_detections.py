"""Detections: sequence of faces, JSON, pickling and display."""

from __future__ import annotations

import copy
import json
import math
import pickle
from dataclasses import replace

import numpy as np
import pytest
from images import portrait
from mtcnn_cpp import Detection, Detections, Detector, sample_image


def three_faces(seed: int = 7) -> Detections:
    rng = np.random.default_rng(seed)
    return Detections(
        rng.uniform(20, 60, (3, 4)).astype(np.float32),
        rng.uniform(0, 1, 3).astype(np.float32),
        rng.uniform(0, 100, (3, 5, 2)).astype(np.float32),
        (100, 120),
    )


def no_faces() -> Detections:
    return Detections.empty((100, 120))


def faces_with(boxes: object, scores: object = None) -> Detections:
    array = np.array(boxes, np.float32).reshape(-1, 4)
    count = len(array)
    given = np.ones(count, np.float32) if scores is None else np.array(scores, np.float32)
    landmarks = np.arange(count * 10, dtype=np.float32).reshape(count, 5, 2)
    return Detections(array, given, landmarks, (100, 120))


def test_sequence_of_faces() -> None:
    faces = three_faces()
    assert len(faces) == 3
    assert len(list(faces)) == 3
    for index, face in enumerate(faces):
        assert isinstance(face, Detection)
        assert np.array_equal(face.box, faces.boxes[index])
        assert face.score == faces.scores[index]
        assert np.array_equal(face.landmarks, faces.landmarks[index])
        assert not face.box.flags.writeable
        assert face == faces[index] == faces[index - 3]
    with pytest.raises(IndexError):
        faces[3]
    assert not no_faces()
    assert list(no_faces()) == []


def test_selection() -> None:
    faces = three_faces()
    assert faces[:2].image_size == faces.image_size
    assert list(faces[1:]) == [faces[1], faces[2]]
    assert list(faces[faces.scores > faces.scores.min()]) == [
        face for face in faces if face.score > min(faces.scores)
    ]
    assert list(faces[[2, 0]]) == [faces[2], faces[0]]
    assert list(faces[[-1]]) == [faces[2]]
    for mask in ([True, False, True], np.array([True, False, True])):
        assert list(faces[mask]) == [faces[0], faces[2]]
    assert list(faces[[False] * 3]) == list(faces[[]]) == []
    assert list(faces[::-1]) == list(faces)[::-1]
    assert list(faces[-2:]) == [faces[1], faces[2]]
    assert list(faces[5:]) == []
    with pytest.raises(IndexError):
        faces[[True, False]]


def test_empty() -> None:
    faces = Detections.empty((480, 640))
    assert (len(faces), faces.image_size) == (0, (480, 640))
    assert faces == three_faces_of_size((480, 640))[:0]
    assert faces.largest() == faces.filter(min_score=0.5, min_size=5) == faces.clip() == faces


def three_faces_of_size(image_size: tuple[int, int]) -> Detections:
    return replace(three_faces(), image_size=image_size)


def test_largest() -> None:
    faces = faces_with([[0, 0, 30, 5], [0, 0, 9, 20], [0, 0, 15, 10], [0, 0, 20, 9]])  # areas 150 180 150 180
    assert faces.largest() == faces[[1]]  # of equal areas, the higher score
    assert faces.largest(2) == faces[[1, 3]]
    assert faces.largest(3) == faces[[0, 1, 3]]  # in the order of the scores
    assert faces.largest(4) == faces.largest(9) == faces
    assert faces.largest(0) == faces[:0]
    assert faces_with([[0, 0, 1e30, 1e30], [0, 0, 2e30, 1e30]]).largest().boxes[0, 2] == np.float32(2e30)
    with pytest.raises(ValueError, match="count must be 0 or more, got -1"):
        faces.largest(-1)


def test_filter() -> None:
    scores = [1, np.float32(0.9), np.nextafter(np.float32(0.9), np.float32(0))]
    faces = faces_with([[0, 0, 30, 20], [0, 0, 20, 30], [0, 0, 40, 40]], scores)
    assert faces.filter() == faces
    assert faces.filter(min_score=0.9) == faces[:2]
    assert faces.filter(min_size=20) == faces
    assert faces.filter(min_size=20.5) == faces[[2]]
    assert faces.filter(min_score=0.95, min_size=20) == faces[:1]
    assert faces.filter(min_score=1.0, min_size=41) == faces[:0]
    for wrong in (-0.1, 90, math.nan):
        with pytest.raises(ValueError, match="min_score must be from 0 to 1, got"):
            faces.filter(min_score=wrong)
    for wrong in (-1, math.nan):
        with pytest.raises(ValueError, match="min_size must be a number of pixels, 0 or more, got"):
            faces.filter(min_size=wrong)


def test_clip() -> None:
    faces = faces_with([
        [-5, 10, 20, 30], [110, 90, 20, 30], [-1, -2, 200, 300],
        [10, 20, 30, 40], [130, 5, 9, 9], [5, -9, 3, 9],
    ])  # fmt: skip
    clipped = faces.clip()
    assert clipped.boxes.tolist() == [
        [0, 10, 15, 30], [110, 90, 10, 10], [0, 0, 120, 100], [10, 20, 30, 40], [120, 5, 0, 9], [5, 0, 3, 0]
    ]  # fmt: skip
    assert np.array_equal(clipped.landmarks, faces.landmarks)
    assert np.array_equal(clipped.scores, faces.scores)
    assert clipped.image_size == faces.image_size
    assert faces_with([[np.nan, -2, 5, 5]]).clip().boxes[0, 1::2].tolist() == [0, 3]


def test_clipped_boxes_are_inside_and_others_keep_their_bits() -> None:
    rng = np.random.default_rng(5)
    for size in ((100, 120), (777, 1023), (4001, 2999)):
        boxes = rng.uniform(-200, 1.2 * max(size), (5000, 4)).astype(np.float32)
        boxes[:, 2:] = np.abs(boxes[:, 2:])
        boxes[:50, :2], boxes[:50, 2:] = (-0.0, 1e-3), 1e-30
        faces = replace(faces_with(boxes), image_size=size)
        clipped = faces.clip()
        xyxy, limit = clipped.xyxy, np.array(size[::-1] * 2)
        assert ((xyxy >= 0) & (xyxy <= limit)).all()
        start, sides = boxes[:, :2].astype(float), boxes[:, 2:]
        keeps = np.tile((start >= 0) & (start + sides <= limit[:2]), 2)
        assert keeps[:, :2].all(axis=1).any()
        assert (~keeps).any()
        assert (clipped.boxes.view(np.uint32) == boxes.view(np.uint32))[keeps].all()
        assert clipped.clip() == clipped


def test_equality_compares_bits() -> None:
    faces = three_faces()
    assert faces == three_faces()
    assert hash(faces) == hash(three_faces())
    assert hash(faces[0]) == hash(three_faces()[0])
    assert faces != faces[:2]
    assert faces != 3
    for name in ("boxes", "scores", "landmarks"):
        arrays = {part: getattr(faces, part).copy() for part in ("boxes", "scores", "landmarks")}
        arrays[name].reshape(-1)[0] = np.nextafter(arrays[name].reshape(-1)[0], np.float32(0))
        other = Detections(**arrays, image_size=faces.image_size)
        assert faces != other
        assert faces[0] != other[0]
        assert faces[1] == other[1]


def test_zeros_with_different_signs_differ() -> None:
    zero = no_faces()
    plus, minus = (
        Detections(np.full((1, 4), v, np.float32), *_rest(1), zero.image_size) for v in (0.0, -0.0)
    )
    assert plus != minus


def _rest(count: int) -> tuple[np.ndarray, np.ndarray]:
    return np.ones(count, np.float32), np.ones((count, 5, 2), np.float32)


def test_read_only() -> None:
    faces = three_faces()
    for array in (faces.boxes, faces.scores, faces.landmarks):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    with pytest.raises(AttributeError):
        faces.boxes = faces.boxes  # type: ignore[misc]


def test_arrays_of_the_caller_stay_writeable() -> None:
    boxes = np.zeros((1, 4), np.float32)
    Detections(boxes, *_rest(1), (10, 10))
    assert boxes.flags.writeable


def test_wrong_arrays() -> None:
    scores, landmarks = _rest(2)
    with pytest.raises(ValueError, match=r"boxes must be \(2, 4\) float32, got \(3, 4\) float32"):
        Detections(np.zeros((3, 4), np.float32), scores, landmarks, (1, 1))
    with pytest.raises(ValueError, match=r"boxes must be \(2, 4\) float32, got \(2, 4\) float64"):
        Detections(np.zeros((2, 4)), scores, landmarks, (1, 1))  # type: ignore[arg-type]


def test_to_dict_json_roundtrip_is_exact() -> None:
    faces = three_faces()
    data = json.loads(json.dumps(faces.to_dict(), allow_nan=False))
    assert (data["width"], data["height"]) == (120, 100)
    assert set(data["faces"][0]["landmarks"]) == {
        "left_eye",
        "right_eye",
        "nose",
        "left_mouth_corner",
        "right_mouth_corner",
    }
    again = Detections(
        np.array([face["box"] for face in data["faces"]], np.float32),
        np.array([face["score"] for face in data["faces"]], np.float32),
        np.array([list(face["landmarks"].values()) for face in data["faces"]], np.float32),
        (100, 120),
    )
    assert again == faces


def test_to_dict_has_the_shortest_numbers() -> None:
    face = Detection(np.array([0.1, 1e-9, 16777216, -2.5], np.float32), np.float32(0.7), _rest(1)[1][0])
    assert face.to_dict()["box"] == [0.1, 1e-9, 16777216.0, -2.5]
    assert face.to_dict()["score"] == 0.7


def test_not_finite_is_null() -> None:
    """User networks can produce infinite landmarks; JSON has no infinity."""
    landmarks = np.full((5, 2), np.nan, np.float32)
    landmarks[0] = math.inf, 1
    face = Detection(np.ones(4, np.float32), np.float32(1), landmarks)
    assert face.to_dict()["landmarks"]["left_eye"] == [None, 1.0]
    assert face.to_dict()["landmarks"]["nose"] == [None, None]


def test_repr() -> None:
    faces = Detections(np.array([[10, 20, 30.25, 40]], np.float32), *_rest(1), (100, 120))
    assert repr(faces) == (
        "<Detections: 1 face in 120 x 100 pixels>\n  0: score 1.00000, 30.2 x 40.0 at (10.0, 20.0)"
    )
    assert repr(faces[0]) == "<Detection: score 1.00000, 30.2 x 40.0 at (10.0, 20.0)>"
    assert repr(no_faces()) == "<Detections: 0 faces in 120 x 100 pixels>"
    many = Detections(np.ones((25, 4), np.float32), *_rest(25), (9, 9))
    assert repr(many).endswith("… and 15 more")
    assert len(repr(many).splitlines()) == 12


def test_pickle_and_copy() -> None:
    faces = Detector(backend="reference").detect(portrait())
    data = pickle.dumps(faces)
    assert len(data) < 2000  # no image in it
    for same in (pickle.loads(data), copy.copy(faces), copy.deepcopy(faces)):
        assert same == faces
        assert same.image_size == faces.image_size
        assert not same.boxes.flags.writeable


def test_by_name() -> None:
    faces = Detector(min_face=40).detect(sample_image())
    x, y, width, height = faces.boxes.T
    assert np.array_equal(faces.xyxy, np.stack([x, y, x + width, y + height], axis=1))
    assert np.array_equal(faces[0].xyxy, faces.xyxy[0])
    names = ("left_eye", "right_eye", "nose", "left_mouth_corner", "right_mouth_corner")
    for index, name in enumerate(names):
        assert np.array_equal(getattr(faces, name), faces.landmarks[:, index])
        assert np.array_equal(getattr(faces[0], name), faces.landmarks[0, index])
    assert faces[:0].xyxy.shape == (0, 4)
    assert faces[:0].nose.shape == (0, 2)


def test_detections_of_different_image_sizes_differ() -> None:
    empty = (np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros((0, 5, 2), np.float32))
    small, large = Detections(*empty, (10, 20)), Detections(*empty, (20, 10))
    assert small != large
    assert small == Detections(*empty, (10, 20))
    assert hash(small) == hash(Detections(*empty, (np.int64(10), np.int64(20))))  # type: ignore[arg-type]
    assert len({small, large}) == 2
