"""Faces drawn into pictures: where something is drawn, and where nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from mtcnn_cpp import Detections, draw, sample_image
from pictures import portrait


def faces_at(boxes: object, size: tuple[int, int]) -> Detections:
    """Faces with score 1 and all landmarks at (1, 1)."""
    array = np.array(boxes, np.float32).reshape(-1, 4)
    count = len(array)
    return Detections(array, np.ones(count, np.float32), np.ones((count, 5, 2), np.float32), size)


def test_draw_leaves_the_rest_alone() -> None:
    image = sample_image()
    faces = faces_at([100, 150, 60, 70], (512, 512))
    drawn = draw(image, faces)
    assert np.array_equal(image, sample_image())
    changed = (drawn != image).any(axis=2)
    assert changed[150, 120:140].all()
    assert changed[219:221, 120:140].any(axis=0).all()
    assert changed[160:210, 100].all()
    assert changed[160:210, 159:161].any(axis=1).all()
    assert not changed[160:210, 110:150].any()  # within the box
    assert (drawn[1, 1] == 255).all()  # the landmarks
    changed[100:226, 94:166] = False
    changed[100:152, 94:210] = False  # the label
    changed[:8, :8] = False
    assert not changed.any()


def test_draw_line_colour() -> None:
    image = np.zeros((200, 200, 3), np.uint8)
    faces = faces_at([50, 80, 100, 100], (200, 200))
    red = draw(image, faces, line=(0, 0, 255))
    assert (red[120, 50] == (0, 0, 255)).all()
    assert (red[..., :2] <= red[..., 2:]).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -1e30, 1e30, -50.0, 1e-30])
def test_draw_survives_odd_boxes(value: float) -> None:
    """Faces that reach out of the picture, or were never in it."""
    boxes = np.full((4, 4), 20, np.float32)
    np.fill_diagonal(boxes, value)
    faces = Detections(boxes, np.ones(4, np.float32), np.full((4, 5, 2), value, np.float32), (40, 50))
    assert draw(np.zeros((40, 50), np.uint8), faces).shape == (40, 50, 3)


def test_draw_in_a_tiny_picture() -> None:
    faces = faces_at([0, 0, 1, 1], (1, 1))
    assert draw(np.zeros((1, 1), np.uint8), faces).shape == (1, 1, 3)


def test_labels_tell_faces_apart() -> None:
    """Numbers and all five decimals are seen: what differs in one of them looks different."""
    image = np.zeros((240, 320, 3), np.uint8)

    def label(score: float, *ids: int) -> np.ndarray:
        face = faces_at([100, 100, 90, 90], (240, 320))
        faces = replace(face, scores=np.array([score], np.float32))
        return draw(image, faces, face_ids=ids or None)

    assert np.array_equal(label(0.99992), label(0.99992, 0))
    assert np.array_equal(label(0.99992), label(0.999921))
    for other in (label(0.99993), label(0.99992, 1), label(0.99992, 10)):
        changed = (other != label(0.99992)).any(axis=2)
        assert changed.any()
        assert not changed[100:].any()  # the box is the same
    with pytest.raises(ValueError, match=r"face_ids must have one number for each of 1 faces, got 2"):
        label(0.5, 1, 2)
    assert label(np.nan).any()


def test_a_drawing_of_no_faces_is_a_copy() -> None:
    image = sample_image()
    drawn = draw(image, faces_at([], (512, 512)))
    assert np.array_equal(drawn, image)
    assert not np.shares_memory(drawn, image)


def test_draw_into_other_kinds_of_pictures() -> None:
    faces, image = faces_at([[20, 30, 60, 70], [90, 80, 50, 50]], (160, 176)), portrait()
    expected = draw(image, faces)
    assert np.array_equal(draw(np.ascontiguousarray(image[..., ::-1]), faces, color="rgb"), expected)
    beside = np.where(image > 0, image - np.float32(0.25), np.float32(0.25))  # rounded, not cut off
    assert np.array_equal(draw(beside, faces), expected)
    assert np.array_equal(draw(image.astype(np.uint16) * 256, faces), expected)
