"""Crops and aligned faces."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest
from images import portrait
from mtcnn_cpp import Detections, Detector, sample_image
from mtcnn_cpp.media.crops import TEMPLATE, fit_similarity


def test_template_equals_arcface() -> None:
    published = """38.2946 51.6963 73.5318 51.5014 56.0252 71.7366 41.5493 92.3655 70.7299 92.2041"""
    assert TEMPLATE.ravel().tolist() == [float(text) for text in published.split()]


def detections(boxes: object, landmarks: object = None, size: tuple[int, int] = (40, 50)) -> Detections:
    array = np.array(boxes, np.float32).reshape(-1, 4)
    points = np.ones((len(array), 5, 2)) if landmarks is None else np.asarray(landmarks)
    return Detections(array, np.ones(len(array), np.float32), points.astype(np.float32), size)


def make_image(height: int = 40, width: int = 50) -> np.ndarray:
    return np.random.default_rng(2).integers(1, 256, (height, width, 3), np.uint8)


def test_crop_contains_all_pixels_of_the_box() -> None:
    image = make_image()
    one, two = detections([[10.25, 5, 20.5, 10.75], [3, 4, 5, 6]]).crops(image)
    assert np.array_equal(one, image[5:16, 10:31])
    assert np.array_equal(two, image[4:10, 3:8])
    one[...] = 0
    assert image.all()  # a copy


def test_margin() -> None:
    image = make_image()
    (crop,) = detections([[20, 10, 10, 8]]).crops(image, margin=0.5)
    assert np.array_equal(crop, image[6:22, 15:35])


def test_outside_of_the_image_is_black() -> None:
    image = make_image()
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
    image = make_image(200, 200)
    one, two = detections([[60, 50, 40, 80], [0, 0, 20, 20]], size=(200, 200)).crops(image, size=40)
    assert one.shape == two.shape == (40, 40, 3)
    expected = cv2.resize(image[50:130, 40:120], (40, 40), interpolation=cv2.INTER_AREA)
    assert np.array_equal(one, expected)


@pytest.mark.parametrize("scale", [1, 256])
def test_other_image_types(scale: int) -> None:
    faces = detections([[10, 5, 20, 10]])
    image = make_image()
    expected = image[5:15, 10:30]
    assert np.array_equal(faces.crops(image.astype(np.float32))[0], expected)
    assert np.array_equal(faces.crops(image.astype(np.uint16) * 256)[0], expected)
    aligned = detections([[1, 1, 1, 1]], TEMPLATE[None] / 4 + 5)
    expected = aligned.aligned(image)[0]
    assert expected.any()
    assert np.array_equal(aligned.aligned(image.astype(np.uint16) * 256)[0], expected)


@pytest.mark.parametrize("size", [None, 31])
def test_the_channel_order_of_the_image_is_that_of_the_crops(size: int | None, tmp_path: Path) -> None:
    """For files and PIL images, `color` gives the order of the result."""
    faces = replace(detections([[10, 5, 20, 10]]), landmarks=(TEMPLATE[None] / 4 + 5).astype(np.float32))
    bgr = make_image()
    rgb = np.ascontiguousarray(bgr[..., ::-1])
    cv2.imwrite(str(tmp_path / "a.png"), bgr)
    for cut in (
        lambda image, color: faces.crops(image, size=size, color=color)[0],
        lambda image, color: faces.aligned(image, size or 112, color=color)[0],
    ):
        expected = cut(bgr, "bgr")
        assert (expected[..., 0] != expected[..., 2]).any()
        for image in (rgb, bgr[..., ::-1], rgb * 1.0, tmp_path / "a.png", PIL.Image.fromarray(rgb)):
            found = cut(image, "rgb")
            assert np.array_equal(found, expected[..., ::-1])
            assert found.flags.c_contiguous
        for image in (tmp_path / "a.png", PIL.Image.fromarray(rgb)):
            assert np.array_equal(cut(image, "bgr"), expected)


@pytest.mark.parametrize(
    "box",
    [[np.nan, 0, 1, 1], [0, np.nan, 1, 1], [0, 0, np.inf, 1], [0, 0, 1, np.inf],
     [0, 0, 0, 5], [0, 0, -1, 5], [0, 0, 5, 0], [0, 0, 5, -1]],
)  # fmt: skip
def test_boxes_without_a_crop(box: list[float]) -> None:
    with pytest.raises(
        ValueError, match="face 1: expected a box of finite numbers, width and height above 0, found "
    ):
        detections([[1, 1, 5, 5], box]).crops(make_image())


def test_wrong_arguments() -> None:
    faces = detections([[1, 1, 5, 5]])
    with pytest.raises(ValueError, match=r"face 0 is too large to be cut out: 1000000 x 1000000 pixels"):
        detections([[0, 0, 1e6, 1e6]]).crops(make_image())
    for margin in (-0.1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="margin must be 0 or more"):
            faces.crops(make_image(), margin=margin)
        with pytest.raises(ValueError, match="margin must be 0 or more"):
            faces.aligned(make_image(), margin=margin)
    for size in (0, -1, 10**6):
        with pytest.raises(ValueError, match=r"size must be 1…8192 pixels, got"):
            faces.crops(make_image(), size=size)
        with pytest.raises(ValueError, match=r"size must be 1…8192 pixels, got"):
            faces.aligned(make_image(), size)
    assert detections([]).crops(make_image()) == detections([]).aligned(make_image()) == []


def test_margin_of_aligned_faces_shows_more_of_the_head() -> None:
    """The middle of the larger region is the region without margin."""
    image = make_image(300, 300)
    faces = detections([[0, 0, 9, 9]], (TEMPLATE + 90)[None], (300, 300))
    (face,), (wide,) = faces.aligned(image), faces.aligned(image, size=168, margin=0.25)
    assert np.array_equal(face, image[90:202, 90:202])
    assert np.array_equal(wide, image[62:230, 62:230])
    assert np.array_equal(faces.aligned(image, margin=0)[0], face)
    (small,) = faces.aligned(image, margin=0.25)
    assert small.shape == (112, 112, 3)


@pytest.mark.parametrize(("margin", "pixels"), [(0.0, 0), (0.125, 32)])
def test_facenet_faces_are_those_of_facenet_pytorch(margin: float, pixels: int) -> None:
    pytest.importorskip("torch", reason="needs PyTorch")
    from mtcnn_cpp.compat.facenet_pytorch import MTCNN

    rgb = np.ascontiguousarray(portrait()[..., ::-1])
    expected = MTCNN(image_size=160, margin=pixels, post_process=False, keep_all=True)(rgb)
    found = Detector(min_face=20, thresholds=(0.6, 0.7, 0.7)).detect(rgb, color="rgb")
    faces = found.aligned(rgb, template="facenet", margin=margin, color="rgb")
    assert len(faces) == len(expected) == 1
    assert np.array_equal(faces[0], expected[0].permute(1, 2, 0).numpy())
    (half,) = found.aligned(rgb, 80, template="facenet", margin=margin, color="rgb")
    assert half.shape == (80, 80, 3)


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ([np.nan, 0, 1, 1], "face 1: expected a box of finite numbers, found nan"),
        ([0, 0, np.inf, 1], "face 1: expected a box of finite numbers, found 0.0, 0.0, inf"),
        ([100, 0, 5, 5], "face 1: box must contain at least one pixel of the image"),
        ([5, 5, 0, 5], "face 1: box must contain at least one pixel of the image"),
    ],
)
def test_boxes_without_a_facenet_face(box: list[float], message: str) -> None:
    faces = detections([[1, 1, 5, 5], box])
    with pytest.raises(ValueError, match=message):
        faces.aligned(make_image(), template="facenet")
    with pytest.raises(ValueError, match="template must be one of arcface, facenet, got 'vgg'"):
        faces.aligned(make_image(), template="vgg")  # type: ignore[arg-type]


def test_similarity_is_the_least_squares_solution() -> None:
    """Comparison with a general solver, for points that no similarity transform maps exactly."""
    rng = np.random.default_rng(4)
    for _ in range(20):
        points = rng.uniform(-100, 100, (5, 2))
        x, y, one, zero = points[:, 0], points[:, 1], np.ones(5), np.zeros(5)
        system = np.concatenate([np.stack([x, -y, one, zero], 1), np.stack([y, x, zero, one], 1)])
        a, b, dx, dy = np.linalg.lstsq(system, TEMPLATE.T.ravel(), rcond=None)[0]
        assert np.allclose(fit_similarity(points, TEMPLATE), [[a, -b, dx], [b, a, dy]], atol=1e-9)


@pytest.mark.parametrize("size", [112, 224, 50])
def test_aligned_landmarks_match_the_template(size: int) -> None:
    """Dots at the landmarks of a rotated, scaled template lie at the template's landmarks after alignment."""
    turn = 1.6 * np.array([[np.cos(0.7), -np.sin(0.7)], [np.sin(0.7), np.cos(0.7)]])
    points = TEMPLATE @ turn.T + (150, 40)
    for index in range(5):
        image = np.zeros((400, 400, 3), np.uint8)
        center = tuple(round(value * 16) for value in points[index].tolist())
        cv2.circle(image, center, 6 * 16, (255, 255, 255), -1, cv2.LINE_AA, 4)
        (face,) = detections([[0, 0, 9, 9]], points[None], (400, 400)).aligned(image, size)
        assert face.shape == (size, size, 3)
        rows, columns = np.nonzero(np.ones(face.shape[:2]))
        weights = face[..., 0].ravel().astype(float)
        place = np.average(np.stack([columns, rows], 1), axis=0, weights=weights)
        assert np.allclose(place, TEMPLATE[index] * size / 112, atol=0.15)


def test_aligned_face_is_upright() -> None:
    """A face and the same face rotated by 90 degrees give nearly the same aligned face."""
    faces = Detector(backend="reference").detect(portrait())[:1]
    (upright,) = faces.aligned(portrait())
    turned = np.ascontiguousarray(np.rot90(portrait()))
    points = np.stack([faces.landmarks[..., 1], portrait().shape[1] - 1 - faces.landmarks[..., 0]], axis=-1)
    (again,) = detections(faces.boxes, points, turned.shape[:2]).aligned(turned)
    assert np.abs(upright.astype(int) - again).mean() < 1


def test_aligned_faces_of_a_very_wide_image() -> None:
    """The image is wider than OpenCV can warp."""
    image = np.zeros((120, 40_000, 3), np.uint8)
    image[:, -512:] = sample_image()[52:172]
    points = np.rint(TEMPLATE * 2) / 4 + (212, 5)  # exact in float32, including the shift
    (near,) = detections([[0, 0, 9, 9]], points[None]).aligned(sample_image()[52:172])
    (face,) = detections([[0, 0, 9, 9]], np.add(points, (39_488, 0))[None]).aligned(image)
    assert np.array_equal(face, near)
    assert face.std() > 20


@pytest.mark.parametrize("value", [np.nan, np.inf, 3.0])
def test_landmarks_that_cannot_be_aligned(value: float) -> None:
    points = np.full((1, 5, 2), value)
    with pytest.raises(ValueError, match="face 0 cannot be aligned with the landmarks"):
        detections([[1, 1, 5, 5]], points).aligned(make_image())
