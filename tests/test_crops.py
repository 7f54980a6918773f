"""Faces cut out of pictures, as they are and aligned."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from mtcnn_cpp import Detections, Detector, sample_image
from mtcnn_cpp.crops import TEMPLATE, similarity
from pictures import portrait


def test_the_template_is_that_of_arcface() -> None:
    published = """38.2946 51.6963 73.5318 51.5014 56.0252 71.7366 41.5493 92.3655 70.7299 92.2041"""
    assert TEMPLATE.ravel().tolist() == [float(text) for text in published.split()]


def detections(boxes: object, landmarks: object = None, size: tuple[int, int] = (40, 50)) -> Detections:
    array = np.array(boxes, np.float32).reshape(-1, 4)
    points = np.ones((len(array), 5, 2)) if landmarks is None else np.asarray(landmarks)
    return Detections(array, np.ones(len(array), np.float32), points.astype(np.float32), size)


def picture(height: int = 40, width: int = 50) -> np.ndarray:
    return np.random.default_rng(2).integers(1, 256, (height, width, 3), np.uint8)


def test_a_crop_has_the_pixels_that_the_box_touches() -> None:
    image = picture()
    one, two = detections([[10.25, 5, 20.5, 10.75], [3, 4, 5, 6]]).crops(image)
    assert np.array_equal(one, image[5:16, 10:31])
    assert np.array_equal(two, image[4:10, 3:8])
    one[...] = 0
    assert image.all()  # a copy


def test_margin() -> None:
    image = picture()
    (crop,) = detections([[20, 10, 10, 8]]).crops(image, margin=0.5)
    assert np.array_equal(crop, image[6:22, 15:35])


def test_outside_of_the_picture_is_black() -> None:
    image = picture()
    corner, over, away = detections([[-3, -2, 10, 10], [45, 35, 10, 10], [100, 100, 4, 5]]).crops(image)
    assert corner.shape == over.shape == (10, 10, 3)
    assert not corner[:2].any()
    assert not corner[:, :3].any()
    assert np.array_equal(corner[2:, 3:], image[:8, :7])
    assert np.array_equal(over[:5, :5], image[35:, 45:])
    assert not over[5:].any()
    assert not over[:, 5:].any()
    assert away.shape == (5, 4, 3)
    assert not away.any()


def test_size_gives_squares_without_distortion() -> None:
    image = picture(200, 200)
    one, two = detections([[60, 50, 40, 80], [0, 0, 20, 20]], size=(200, 200)).crops(image, size=40)
    assert one.shape == two.shape == (40, 40, 3)
    expected = cv2.resize(image[50:130, 40:120], (40, 40), interpolation=cv2.INTER_AREA)
    assert np.array_equal(one, expected)


@pytest.mark.parametrize("scale", [1, 256])
def test_pictures_of_other_kinds(scale: int) -> None:
    faces = detections([[10, 5, 20, 10]])
    image = picture()
    expected = image[5:15, 10:30]
    assert np.array_equal(faces.crops(image[..., ::-1], color="rgb")[0], expected)
    assert np.array_equal(faces.crops(image.astype(np.float32))[0], expected)
    assert np.array_equal(faces.crops(image.astype(np.uint16) * 256)[0], expected)
    aligned = detections([[1, 1, 1, 1]], TEMPLATE[None] / 4 + 5)
    expected = aligned.chips(image)[0]
    assert expected.any()
    assert np.array_equal(aligned.chips(image[..., ::-1], color="rgb")[0], expected)
    assert np.array_equal(aligned.chips(image.astype(np.uint16) * 256)[0], expected)


@pytest.mark.parametrize("box", [[np.nan, 0, 1, 1], [0, 0, np.inf, 1], [0, 0, 0, 5], [0, 0, 5, -1]])
def test_boxes_that_cannot_be_cut_out(box: list[float]) -> None:
    with pytest.raises(ValueError, match="face 1 has no box that can be cut out: "):
        detections([[1, 1, 5, 5], box]).crops(picture())


def test_wrong_arguments() -> None:
    faces = detections([[1, 1, 5, 5]])
    with pytest.raises(ValueError, match=r"face 0 is too large to be cut out: 1000000 x 1000000 pixels"):
        detections([[0, 0, 1e6, 1e6]]).crops(picture())
    for margin in (-0.1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="margin must be 0 or more"):
            faces.crops(picture(), margin=margin)
    for size in (0, -1, 10**6):
        with pytest.raises(ValueError, match=r"size must be 1…8192 pixels, got"):
            faces.crops(picture(), size=size)
        with pytest.raises(ValueError, match=r"size must be 1…8192 pixels, got"):
            faces.chips(picture(), size)
    assert detections([]).crops(picture()) == detections([]).chips(picture()) == []


def test_similarity_is_the_best_in_the_sense_of_least_squares() -> None:
    """Against a general solver, for points that no similarity fits exactly."""
    rng = np.random.default_rng(4)
    for _ in range(20):
        points = rng.uniform(-100, 100, (5, 2))
        x, y, one, zero = points[:, 0], points[:, 1], np.ones(5), np.zeros(5)
        system = np.concatenate([np.stack([x, -y, one, zero], 1), np.stack([y, x, zero, one], 1)])
        a, b, dx, dy = np.linalg.lstsq(system, TEMPLATE.T.ravel(), rcond=None)[0]
        assert np.allclose(similarity(points, TEMPLATE), [[a, -b, dx], [b, a, dy]], atol=1e-9)


@pytest.mark.parametrize("size", [112, 224, 50])
def test_landmarks_lie_where_the_template_has_them(size: int) -> None:
    """A dot at each landmark of a turned and scaled template appears in the chip at the template's place."""
    turn = 1.6 * np.array([[np.cos(0.7), -np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]])
    points = TEMPLATE @ turn.T + (150, 40)
    for index in range(5):
        image = np.zeros((400, 400, 3), np.uint8)
        center = tuple(round(value * 16) for value in points[index].tolist())
        cv2.circle(image, center, 6 * 16, (255, 255, 255), -1, cv2.LINE_AA, 4)
        (chip,) = detections([[0, 0, 9, 9]], points[None], (400, 400)).chips(image, size)
        assert chip.shape == (size, size, 3)
        rows, columns = np.nonzero(np.ones(chip.shape[:2]))
        weights = chip[..., 0].ravel().astype(float)
        place = np.average(np.stack([columns, rows], 1), axis=0, weights=weights)
        assert np.allclose(place, TEMPLATE[index] * size / 112, atol=0.15)


def test_a_chip_of_a_face_is_upright() -> None:
    """A face and the same face turned by 90 degrees give nearly the same chip."""
    faces = Detector(backend="reference").detect(portrait())[:1]
    (upright,) = faces.chips(portrait())
    turned = np.ascontiguousarray(np.rot90(portrait()))
    points = np.stack([faces.landmarks[..., 1], portrait().shape[1] - 1 - faces.landmarks[..., 0]], axis=-1)
    (again,) = detections(faces.boxes, points, turned.shape[:2]).chips(turned)
    assert np.abs(upright.astype(int) - again).mean() < 1


def test_chips_of_a_very_wide_picture() -> None:
    """Wider than OpenCV can warp."""
    image = np.zeros((120, 40_000, 3), np.uint8)
    image[:, -512:] = sample_image()[52:172]
    points = np.rint(TEMPLATE * 2) / 4 + (212, 5)  # in float32 exact with the shift, too
    (near,) = detections([[0, 0, 9, 9]], points[None]).chips(sample_image()[52:172])
    (chip,) = detections([[0, 0, 9, 9]], np.add(points, (39_488, 0))[None]).chips(image)
    assert np.array_equal(chip, near)
    assert chip.std() > 20


@pytest.mark.parametrize("value", [np.nan, np.inf, 3.0])
def test_landmarks_that_cannot_be_aligned(value: float) -> None:
    points = np.full((1, 5, 2), value)
    with pytest.raises(ValueError, match="face 0 cannot be aligned, its landmarks are"):
        detections([[1, 1, 5, 5]], points).chips(picture())
