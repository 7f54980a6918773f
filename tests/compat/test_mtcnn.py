"""`compat.mtcnn` and the recorded results of the real package on the same images."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from compat_images import differences, rgb_images, summary
from mtcnn_cpp import Detector
from mtcnn_cpp.compat.mtcnn import MTCNN
from mtcnn_cpp.reference.options import Options
from recorded_mtcnn import FILE, call_all

RECORDED = json.loads(FILE.read_text(encoding="utf-8"))


@pytest.mark.skipif(
    not (find_spec("mtcnn") and find_spec("tensorflow")),
    reason="needs pip install mtcnn==1.0.0 tensorflow-cpu; the other tests use its recorded results",
)
def test_record() -> None:
    from mtcnn import MTCNN as Peer  # type: ignore[import-untyped]

    found = call_all(Peer())
    assert found["kinds"] == RECORDED["kinds"]
    for name, expected in RECORDED["faces"].items():
        np.testing.assert_allclose(found["faces"][name], expected, rtol=0, atol=0.05)


def test_types_shapes_and_dtypes() -> None:
    found = call_all(MTCNN())["kinds"]
    assert found.keys() == RECORDED["kinds"].keys()
    for name, kinds in RECORDED["kinds"].items():
        assert found[name] == kinds, name


def test_differences() -> None:
    """The same faces, close boxes; their statistics are in docs/coming-from.md."""
    found, rows = call_all(MTCNN())["faces"], []
    for name, expected in RECORDED["faces"].items():
        assert len(found[name]) == len(expected), name
        if expected:
            rows += differences(np.array(found[name]), np.array(expected))
    print(summary(rows))
    assert len(rows) == 25
    assert min(row.overlap for row in rows) > 0.81
    assert max(row.landmarks for row in rows) < 0.05
    assert max(row.score for row in rows) < 0.012


def test_values() -> None:
    """Every number is that of the table, and the table is that of the detector."""
    image, mtcnn = rgb_images()["collage"], MTCNN()
    faces = Detector(min_face=20, thresholds=(0.6, 0.7, 0.8)).detect(image, color="rgb")
    table = mtcnn.detect_faces(image, output_type="numpy", box_format="xyxy", fit_to_image=False)
    assert np.array_equal(table[:, 0], np.zeros(8))
    assert np.array_equal(table[:, 5], faces.scores)
    assert (np.diff(table[:, 5]) <= 0).all()
    assert np.array_equal(table[:, 6:11], faces.landmarks[..., 0])
    assert np.array_equal(table[:, 11:], faces.landmarks[..., 1])
    sizes = mtcnn.detect_faces(image, output_type="numpy", fit_to_image=False)
    assert np.array_equal(sizes[:, 1:3], table[:, 1:3])
    assert np.array_equal(sizes[:, 3:5], table[:, 3:5] - table[:, 1:3])
    for options, rows in (({}, sizes), ({"box_format": "xyxy"}, table)):
        for face, row in zip(mtcnn.detect_faces(image, fit_to_image=False, **options), rows, strict=True):
            assert face["box"] == row[1:5].round().astype(int).tolist()
            assert face["confidence"] == row[5]
            for index, name in enumerate(("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")):
                assert face["keypoints"][name] == row[[6 + index, 11 + index]].round().astype(int).tolist()


def test_limits() -> None:
    """Boxes and, on request, landmarks end at the last pixel of the image."""
    height, width = 65, 110
    image = rgb_images()["portrait"][30 : 30 + height, 35 : 35 + width]
    options: dict[str, Any] = {"output_type": "numpy", "box_format": "xyxy", "threshold_onet": 0.5}
    mtcnn = MTCNN()
    free = mtcnn.detect_faces(image, fit_to_image=False, **options)
    assert len(free) == 1
    last = np.array([width - 1, height - 1])
    assert (free[0, 1:5] < 0).any() or (free[0, 3:5] > last).any()
    assert (free[0, 11:] > height - 1).any()
    boxes = free.copy()
    boxes[:, [1, 3]], boxes[:, [2, 4]] = boxes[:, [1, 3]].clip(0, last[0]), boxes[:, [2, 4]].clip(0, last[1])
    assert np.array_equal(mtcnn.detect_faces(image, **options), boxes)
    boxes[:, 6:11], boxes[:, 11:] = boxes[:, 6:11].clip(0, last[0]), boxes[:, 11:].clip(0, last[1])
    found = mtcnn.detect_faces(image, limit_boundaries_landmarks=True, **options)
    assert np.array_equal(found, boxes)
    found = mtcnn.detect_faces(image, limit_boundaries_landmarks=True, postprocess=False, **options)
    assert np.array_equal(found, free)


def test_kinds_of_images(tmp_path: Path) -> None:
    image, mtcnn = rgb_images()["sample"], MTCNN()
    expected = mtcnn.detect_faces(image)
    assert len(expected) == 1
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), image[..., ::-1])
    for other in (str(path), path, path.read_bytes(), image.astype(np.float32)):
        assert mtcnn.detect_faces(other) == mtcnn.predict(other) == expected
        assert mtcnn.detect_faces([other]) == [expected]


def test_batch_of_several_sizes() -> None:
    """The coordinates are those of each image."""
    images, mtcnn = list(rgb_images().values()), MTCNN()
    assert mtcnn.detect_faces(images) == [mtcnn.detect_faces(image) for image in images]
    table = mtcnn.detect_faces(images, output_type="numpy", batch_stack_justification="topleft")
    for index, image in enumerate(images):
        rows = table[table[:, 0] == index]
        assert np.array_equal(rows[:, 1:], mtcnn.detect_faces(image, output_type="numpy")[:, 1:])
    assert mtcnn.detect_faces([]) == []


def test_options_reach_the_detector() -> None:
    image, mtcnn = rgb_images()["collage"], MTCNN()
    base = {"min_face": 20, "thresholds": (0.6, 0.7, 0.8)}
    for options, expected in (
        ({}, {}),
        ({"min_face_size": 60}, {"min_face": 60}),
        ({"scale_factor": 0.5}, {"scale_factor": 0.5}),
        ({"threshold_pnet": 0.9}, {"thresholds": (0.9, 0.7, 0.8)}),
        ({"threshold_rnet": 0.99}, {"thresholds": (0.6, 0.99, 0.8)}),
        ({"threshold_onet": 0.9998}, {"thresholds": (0.6, 0.7, 0.9998)}),
        ({"min_size": 12, "nms_pnet1": 0.5, "nms_pnet2": 0.7, "nms_rnet": 0.7, "nms_onet": 0.7}, {}),
    ):
        faces = Detector(**{**base, **expected}).detect(image, color="rgb")  # type: ignore[arg-type]
        found = mtcnn.detect_faces(image, output_type="numpy", **options)  # type: ignore[arg-type]
        assert np.array_equal(found[:, 5], faces.scores), options


def test_default_options(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of mtcnn 1.0.0; the docstring of its `detect_faces` lists them."""
    used: list[Options] = []

    def record(detector: Detector, images: list[Any]) -> list[Any]:
        used.append(detector.options)
        return images

    monkeypatch.setattr("mtcnn_cpp.compat.mtcnn.detect_whole_faces", record)
    MTCNN().detect_faces([])
    assert used == [Options(min_face=20, thresholds=(0.6, 0.7, 0.8), scale_factor=0.709)]


def test_devices() -> None:
    for device in ("CPU:0", "cpu", "/CPU:0", "/device:CPU:1"):
        assert MTCNN(device=device).device == device
    for device in ("GPU:0", "/device:GPU:1", "cuda"):
        with pytest.raises(ValueError, match=f"the CPU, got '{device}'.* pass device='CPU:0'"):
            MTCNN(device=device)


def test_errors() -> None:
    image, mtcnn = rgb_images()["portrait"], MTCNN()
    with pytest.raises(ValueError, match="got 'face_detection_only'; mtcnn_cpp always runs PNet, RNet"):
        MTCNN(stages="face_detection_only")
    with pytest.raises(ValueError, match=r"nms_onet must be 0\.7 \(a fixed value in mtcnn_cpp\), got 0\.5"):
        mtcnn.detect_faces(image, nms_onet=0.5)
    with pytest.raises(TypeError, match=r"no argument 'threshold'; it has min_face_size, .*threshold_onet"):
        mtcnn.detect_faces(image, threshold=0.5)
    with pytest.raises(ValueError, match="box_format must be 'xywh' or 'xyxy', got 'xy'"):
        mtcnn.detect_faces(image, box_format="xy")
    with pytest.raises(ValueError, match="output_type must be 'json' or 'numpy', got 'dict'"):
        mtcnn.detect_faces(image, output_type="dict")
    with pytest.raises(FileNotFoundError, match=r"missing\.jpg"):
        mtcnn.detect_faces("missing.jpg")
    with pytest.raises(ValueError, match="the image in `image`"):
        mtcnn.detect_faces(b"no image")
