"""Faces drawn into images: changed and unchanged pixels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest
from images import portrait
from mtcnn_cpp import Detections, annotate, sample_image
from mtcnn_cpp.media import annotation
from mtcnn_cpp.media.image.opencv import encode_png


def faces_at(boxes: object, size: tuple[int, int]) -> Detections:
    """Return faces with score 1 and all landmarks at (1, 1)."""
    array = np.array(boxes, np.float32).reshape(-1, 4)
    count = len(array)
    return Detections(array, np.ones(count, np.float32), np.ones((count, 5, 2), np.float32), size)


def test_annotate_changes_only_the_faces() -> None:
    image = sample_image()
    faces = faces_at([100, 150, 60, 70], (512, 512))
    drawn = annotate(image, faces)
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


def test_annotate_line_color() -> None:
    image = np.zeros((200, 200, 3), np.uint8)
    faces = faces_at([50, 80, 100, 100], (200, 200))
    red = annotate(image, faces, box_color=(0, 0, 255))
    assert (red[120, 50] == (0, 0, 255)).all()
    assert (red[..., :2] <= red[..., 2:]).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -1e30, 1e30, -50.0, 1e-30])
def test_annotate_odd_boxes(value: float) -> None:
    """Faces that are partly or completely outside the image."""
    boxes = np.full((4, 4), 20, np.float32)
    np.fill_diagonal(boxes, value)
    faces = Detections(boxes, np.ones(4, np.float32), np.full((4, 5, 2), value, np.float32), (40, 50))
    assert annotate(np.zeros((40, 50), np.uint8), faces).shape == (40, 50, 3)


def test_annotate_a_tiny_image() -> None:
    faces = faces_at([0, 0, 1, 1], (1, 1))
    assert annotate(np.zeros((1, 1), np.uint8), faces).shape == (1, 1, 3)


def test_labels_distinguish_faces() -> None:
    """Labels show numbers and all five decimals: a difference in one of them changes pixels."""
    image = np.zeros((240, 320, 3), np.uint8)

    def label(score: float, *ids: int) -> np.ndarray:
        face = faces_at([100, 100, 90, 90], (240, 320))
        faces = replace(face, scores=np.array([score], np.float32))
        return annotate(image, faces, face_ids=ids or None)

    assert np.array_equal(label(0.99992), label(0.99992, 0))
    assert np.array_equal(label(0.99992), label(0.999921))
    for other in (label(0.99993), label(0.99992, 1), label(0.99992, 10)):
        changed = (other != label(0.99992)).any(axis=2)
        assert changed.any()
        assert not changed[100:].any()  # the box is the same
    with pytest.raises(ValueError, match=r"face_ids must have one number for each of 1 faces, got 2"):
        label(0.5, 1, 2)
    assert label(np.nan).any()


def test_shadows_are_around_lines_and_dots_and_below_them() -> None:
    """White lines have dark edges, also on a bright image; they stay white where a shadow crosses them."""
    image = np.full((240, 320, 3), 200, np.uint8)
    one = replace(faces_at([100, 100, 90, 90], (240, 320)), landmarks=np.full((1, 5, 2), 150, np.float32))
    drawn = annotate(image, one, box_color=(255, 255, 255))
    dark, bright = (drawn < 200).all(axis=2), (drawn == 255).all(axis=2)
    for line in (
        [170, slice(96, 105)],
        [170, slice(186, 195)],
        [slice(96, 105), 180],
        [slice(186, 195), 170],
    ):
        place = tuple(line)
        assert dark[place].tolist() == [False, True, True, False, False, False, True, True, False]
        assert bright[place].tolist() == [False, False, False, True, True, True, False, False, False]
    assert dark[150, [146, 154]].all()  # the landmarks
    assert bright[150, 148:153].all()
    assert 90 < drawn[98:].min() < 140  # half as bright; above is the text
    # The shadow of the second box crosses the first box, and the shadow of the first crosses the second.
    two = faces_at([[100, 100, 90, 90], [140, 60, 90, 90]], (240, 320))
    bright = (annotate(image, two, box_color=(255, 255, 255)) == 255).all(axis=2)
    assert bright[100, 130:180].all()
    assert bright[110:145, 140].all()


@pytest.mark.parametrize(
    ("size", "radius"),
    [((100, 100), 4.0), ((16, 100), 4.0), ((8, 100), 2.0), ((100, 2), 0.5), ((0, 0), 0.0), ((-4, -4), 0.0)],
)
def test_radius_of_corners(monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], radius: float) -> None:
    """It is 4 pixels in a small image, and at most a quarter of the box."""
    radii = []
    rounded = annotation._rounded_rectangle

    def record(left: float, top: float, right: float, bottom: float, radius: float) -> np.ndarray:
        radii.append(radius)
        return rounded(left, top, right, bottom, radius)

    monkeypatch.setattr(annotation, "_rounded_rectangle", record)
    annotate(np.zeros((240, 320, 3), np.uint8), faces_at([100, 100, *size], (240, 320)))
    assert radii[:2] == [radius, radius]  # the shadow and the box; then the label


PLATE = (9, 99, 199)
FONT = cv2.FONT_HERSHEY_SIMPLEX


def text_width(text: str, height: int, thickness: int) -> int:
    scale = cv2.getFontScaleFromHeight(FONT, height, 1)
    return int(cv2.getTextSize(text, FONT, scale, thickness)[0][0])


@pytest.mark.parametrize(
    ("box", "top", "left"),
    [
        ([100, 100, 90, 90], 82, 99),
        ([100.6, 101.6, 90, 90], 84, 100),
        ([100, 2, 90, 90], 0, 99),  # at the upper border
        ([-40, 100, 90, 90], 82, 0),  # at the left border
        ([300, 100, 90, 90], 82, None),  # at the right border
        ([100, 400, 90, 90], 225, 99),  # below the image
    ],
)
def test_pixels_of_a_label(box: list[float], top: int, left: int | None) -> None:
    """The plate is 15 pixels high and 6 pixels wider than the text. It lies in the image, at the box."""
    image = np.full((240, 320, 3), 255, np.uint8)
    faces = replace(faces_at(box, (240, 320)), landmarks=np.full((1, 5, 2), np.nan, np.float32))
    drawn = annotate(image, faces, box_color=PLATE)
    width = text_width("0  1.00000", 9, 1) + 6
    left = 320 - width if left is None else left
    bottom, right = top + 15, left + width
    covered = (np.abs(drawn.astype(int) - PLATE) < 64).all(axis=2)  # the edges are smoothed
    if box[1] > 15:  # the plate does not touch the box
        rows, columns = np.nonzero(covered[: int(box[1]) - 2])
        assert (rows.min(), rows.max(), columns.min(), columns.max()) == (top, bottom - 1, left, right - 1)
    expected = np.full((9 + 2, width - 6, 3), PLATE, np.uint8)
    cv2.putText(
        expected,
        "0  1.00000",
        (0, 9),
        FONT,
        cv2.getFontScaleFromHeight(FONT, 9, 1),
        (0, 0, 0),
        1,
        cv2.LINE_AA,
    )
    assert np.array_equal(drawn[top + 3 : bottom - 1, left + 3 : right - 3], expected)
    for line in (covered[top], covered[bottom - 1]):
        assert line[left + 3 : right - 3].all()
    for line in (covered[:, left], covered[:, right - 1]):
        assert line[top + 3 : bottom - 3].all()
    assert not covered[top, [left, right - 1]].any()  # the corners are rounded


def test_annotation_without_faces_is_a_copy() -> None:
    image = sample_image()
    drawn = annotate(image, faces_at([], (512, 512)))
    assert np.array_equal(drawn, image)
    assert not np.shares_memory(drawn, image)


def test_annotate_other_image_types() -> None:
    faces, image = faces_at([[20, 30, 60, 70], [90, 80, 50, 50]], (160, 176)), portrait()
    expected = annotate(image, faces)
    beside = np.where(image > 0, image - np.float32(0.25), np.float32(0.25))  # rounded, not truncated
    assert np.array_equal(annotate(beside, faces), expected)
    assert np.array_equal(annotate(image.astype(np.uint16) * 256, faces), expected)


def test_the_channel_order_of_the_image_is_that_of_the_annotated_image(tmp_path: Path) -> None:
    """For files and PIL images, `color` gives the order of the result."""
    faces, bgr = faces_at([[20, 30, 60, 70], [90, 80, 50, 50]], (160, 176)), portrait()
    rgb = np.ascontiguousarray(bgr[..., ::-1])
    (tmp_path / "a.png").write_bytes(encode_png(bgr))
    for image in (rgb, bgr[..., ::-1], tmp_path / "a.png", PIL.Image.fromarray(rgb)):
        drawn = annotate(image, faces, color="rgb")
        assert np.array_equal(drawn, annotate(bgr, faces)[..., ::-1])
        assert drawn.flags.c_contiguous
        red = annotate(image, faces, color="rgb", box_color=(255, 10, 0))
        assert np.array_equal(red, annotate(bgr, faces, box_color=(0, 10, 255))[..., ::-1])
    for image in (tmp_path / "a.png", PIL.Image.fromarray(rgb)):
        assert np.array_equal(annotate(image, faces), annotate(bgr, faces))
