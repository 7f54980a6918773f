"""Faces drawn into images: changed and unchanged pixels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest
from images import portrait
from mtcnn_cpp import Detections, Detector, annotate, sample_image
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


def test_parts_are_drawn_separately() -> None:
    image, faces = portrait(), faces_at([[40, 50, 60, 70]], (160, 176))
    faces = replace(faces, landmarks=np.full((1, 5, 2), 20, np.float32))
    changed = {
        show: (annotate(image, faces, show=show) != image).any(axis=2)
        for show in ("boxes", "landmarks", "labels", "boxes,landmarks,labels", "boxes, labels")
    }
    assert changed["boxes"][48:122, 38:102].any()
    assert not changed["boxes"][:40].any()
    rows, columns = np.nonzero(changed["landmarks"])
    assert 16 <= min(rows.min(), columns.min()) < max(rows.max(), columns.max()) <= 24
    assert changed["labels"][33:49, 38:90].any()
    assert not changed["labels"][52:].any()
    for show, parts in {
        "boxes,landmarks,labels": ("boxes", "landmarks", "labels"),
        "boxes, labels": ("boxes", "labels"),
    }.items():
        union = np.logical_or.reduce([changed[part] for part in parts])
        assert np.array_equal(changed[show], union) or (changed[show] != union).mean() < 1e-3
        assert np.array_equal(annotate(image, faces, show=show), annotate(image, faces, show=parts))
    assert np.array_equal(annotate(image, faces), annotate(image, faces, show="boxes,landmarks,labels"))
    assert np.array_equal(annotate(image, faces, show="none"), image)


@pytest.mark.parametrize("show", ["", "box", "boxes,blur", "blur,pixelate", "none,", [], ["boxes", "blur"]])
def test_other_parts_are_refused(show: str | list[str]) -> None:
    with pytest.raises(ValueError, match=r"an annotation is boxes, landmarks, labels .*; got"):
        annotate(portrait(), faces_at([], (160, 176)), show=show)


def test_colors_of_ids() -> None:
    """A number always has the same color; the 12 colors differ clearly from each other."""
    image = np.zeros((240, 320, 3), np.uint8)
    faces = faces_at([[20, 100, 90, 90], [200, 100, 90, 90]], (240, 320))
    drawn = annotate(image, faces, box_color="id", face_ids=[3, 14])
    assert (drawn[145, [20, 200]] == [annotation.ID_COLORS[3], annotation.ID_COLORS[2]]).all()
    rgb = annotate(image, faces, box_color="id", face_ids=[3, 14], color="rgb")
    assert np.array_equal(rgb[..., ::-1], drawn)
    colors = np.array([annotation.ID_COLORS], np.float32) / 255
    assert colors.shape == (1, 12, 3)
    lab = cv2.cvtColor(colors, cv2.COLOR_BGR2LAB)[0]
    distances = np.linalg.norm(lab[:, None] - lab, axis=2) + 1000 * np.eye(12)
    assert distances.min() > 20  # CIE 1976; 2.3 is just noticeable
    assert lab[:, 0].min() > 50  # the black text of the labels can be read


HIDDEN = pytest.mark.parametrize("show", ["blur", "pixelate"])


@HIDDEN
@pytest.mark.parametrize("scale", [0.5, 1, 2, 4])
def test_hidden_faces_are_not_found_again(show: str, scale: float) -> None:
    """Also with low thresholds, the detector finds no face in the hidden area."""
    image = cv2.resize(sample_image(), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    faces = Detector(min_face=20).detect(image)
    assert len(faces) == 1
    hidden = annotate(image, faces, show=show)
    x, y, width, height = faces.boxes[0]
    for found in Detector(min_face=20, thresholds=(0.4, 0.4, 0.4)).detect(hidden).boxes:
        center = found[:2] + found[2:] / 2
        assert not (abs(center[0] - x - width / 2) < width and abs(center[1] - y - height / 2) < height)


@HIDDEN
@pytest.mark.parametrize("side", [1, 3, 7, 20, 64, 113, 400])
def test_only_mean_colors_of_blocks_are_kept(show: str, side: int) -> None:
    """Two images whose blocks have the same means give the same result, whatever is in the blocks."""
    rng = np.random.default_rng(side)
    block = max(side / 4, 4)
    count = max(1, round(2 * side / block))
    cell = -(-2 * side // count)  # pixels
    size = count * cell
    left = (size - 2 * side) / 2  # the box with its margin is exactly the area of whole cells
    image = rng.integers(0, 256, (size + 40, size + 40, 3), np.uint8)
    box = [20 + left + side / 2, 20 + left + side / 2, side, side]
    if left:  # the cells are larger than the blocks: enlarge the box
        box = [20 + size / 4, 20 + size / 4, size / 2, size / 2]
        assert round(size / max(size / 8, 4)) == count
    faces = faces_at([box], image.shape[:2])
    mixed = image.copy()
    for row in range(count):
        for column in range(count):
            part = mixed[
                20 + row * cell : 20 + (row + 1) * cell, 20 + column * cell : 20 + (column + 1) * cell
            ]
            part[:] = rng.permutation(part.reshape(-1, 3)).reshape(part.shape)
    assert side < 2 or (mixed != image).any()
    hidden = annotate(image, faces, show=show)
    assert np.array_equal(hidden, annotate(mixed, faces, show=show))
    outside = np.ones(image.shape[:2], bool)
    outside[20 : 20 + size, 20 : 20 + size] = False
    assert np.array_equal(hidden[outside], image[outside])
    if show == "pixelate":
        inside = hidden[20 : 20 + size, 20 : 20 + size]
        assert len(np.unique(inside.reshape(-1, 3), axis=0)) <= count**2 <= 64
        expected = (
            image[20 : 20 + size, 20 : 20 + size].reshape(count, cell, count, cell, 3).mean(axis=(1, 3))
        )
        assert np.abs(inside[::cell, ::cell] - expected).max() <= 0.51


@HIDDEN
def test_hidden_area(show: str) -> None:
    """The area is the box with a margin of half of its longer side; the rest does not change."""
    image = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    hidden = annotate(image, faces_at([100, 120, 40, 60], (300, 300)), show=show)
    changed = (hidden != image).any(axis=2)
    assert changed[90:210, 70:170].mean() > 0.99
    changed[90:210, 70:170] = False
    assert not changed.any()


@HIDDEN
def test_overlapping_faces_are_hidden_with_the_larger_blocks(show: str) -> None:
    """A small face in front of a large one does not show details of the large one, in any order."""
    image = np.random.default_rng(0).integers(0, 256, (400, 400, 3), np.uint8)
    large, small = [100.0, 100.0, 200.0, 200.0], [180.0, 180.0, 20.0, 20.0]
    only = image
    for box in (small, large):
        only = annotate(only, faces_at(box, (400, 400)), show=show)
    for boxes in ([large, small], [small, large]):
        hidden = annotate(image, faces_at(boxes, (400, 400)), show=show)
        assert np.array_equal(hidden, only)
    if show == "pixelate":
        assert len(np.unique(hidden[170:210, 170:210].reshape(-1, 3), axis=0)) <= 4


@HIDDEN
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (40, 50), (5, 4000)])
def test_hiding_faces_at_odd_places(show: str, size: tuple[int, int]) -> None:
    """Partly or completely outside of the image, without a size, huge, and not finite."""
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    for box in (
        *([-20, -20, 30, 30], [size[1] - 5, size[0] - 5, 60, 60], [0, 0, 0, 0], [0, 0, 1, 1], [5, 5, -3, -3]),
        *([-1e30, -1e30, 3e30, 3e30], [-1e5, -1e5, 2e5, 2e5], [0, 0, 1e30, 1e-30], [3e38, 0, 3e38, 1]),
    ):
        hidden = annotate(image, faces_at(box, size), show=show)
        assert hidden.shape == image.shape
        if min(box[2:]) > 1e5 or (size == (1, 1) and box[0] < 1):
            assert len(np.unique(hidden.reshape(-1, 3), axis=0)) <= 1 + 800 * (show == "blur")
    far = annotate(image, faces_at([1e6, 1e6, 50, 50], size), show=show)
    assert np.array_equal(far, image)
    for value in (np.nan, np.inf, -np.inf):
        hidden = annotate(image, faces_at([value, 5, 5, 5], size), show="pixelate")
        assert len(np.unique(hidden.reshape(-1, 3), axis=0)) <= 16
