"""Display of faces in notebooks: the image, a small copy, or a caption with the reason."""

from __future__ import annotations

import gc
import pickle
import subprocess
import sys
import weakref
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import png
import pytest
from images import portrait
from mtcnn_cpp import Detections, Detector
from mtcnn_cpp.detections.notebook import faces

DETECTOR = Detector()


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove ipykernel, which another test may have imported."""
    monkeypatch.setattr(faces, "in_notebook", lambda: False)


@pytest.fixture
def in_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faces, "in_notebook", lambda: True)


def shown(found: Detections) -> np.ndarray:
    data = found._repr_png_()
    assert data is not None
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR))


def is_drawn_in(found: Detections, image: np.ndarray) -> bool:
    """Return whether the displayed output begins with this image, apart from the annotation."""
    height, width = image.shape[:2]
    return bool((shown(found)[:height, :width] == image).all(axis=2).mean() > 0.6)


def caption(found: Detections, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the caption below the image, or an empty text."""
    captions = [""]
    add_caption = faces._add_caption

    def spy(module: object, image: np.ndarray, text: str) -> np.ndarray:
        captions.append(text)
        result = add_caption(cv2, image, text)
        strip = result[image.shape[0] :]
        assert 20 <= len(strip) <= 40
        assert (strip > 150).any(axis=(1, 2)).sum() >= 8  # letters, and space to the right of them
        assert (strip[:, -4:] == 32).all()
        return result

    monkeypatch.setattr(faces, "_add_caption", spy)
    found._repr_png_()
    return captions[-1]


def gray(image: np.ndarray) -> np.ndarray:
    return np.full_like(image, faces.GRAY)


def test_the_image_is_not_kept_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    image = portrait().copy()
    alive = weakref.ref(image)
    found = DETECTOR.detect(image)
    assert is_drawn_in(found, image)
    assert is_drawn_in(found[:1], image)
    assert shown(found).shape == image.shape
    del image
    gc.collect()
    assert alive() is None
    assert is_drawn_in(found, gray(portrait()))
    assert caption(found, monkeypatch) == faces.IMAGE_GONE
    assert caption(pickle.loads(pickle.dumps(found)), monkeypatch) == faces.NO_IMAGE


def test_other_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rgb = np.ascontiguousarray(portrait()[..., ::-1])
    assert is_drawn_in(DETECTOR.detect(rgb, color="rgb"), portrait())
    image = PIL.Image.fromarray(rgb)
    assert is_drawn_in(DETECTOR.detect(image), portrait())
    path = tmp_path / "face.png"
    path.write_bytes(png.encode(portrait()))
    found = DETECTOR.detect(path)
    assert is_drawn_in(found, portrait())
    path.write_bytes(png.encode(portrait()[:100]))  # changed image
    assert is_drawn_in(found, gray(portrait()))
    path.unlink()
    assert is_drawn_in(found, gray(portrait()))
    assert caption(found, monkeypatch) == faces.FILE_GONE


def test_a_large_image_is_thinned_out() -> None:
    image = np.zeros((30, 4000, 3), np.uint8)
    image[:, ::3] = 200
    nothing = (np.zeros(shape, np.float32) for shape in ((0, 4), (0,), (0, 5, 2)))
    found = Detections(*nothing, image.shape[:2], image=weakref.ref(image))
    assert (shown(found)[:10] == 200).all()
    assert shown(found).shape[1] == 1334


def test_no_faces_message(monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.full((90, 100, 3), 30, np.uint8)
    found = DETECTOR.detect(image)
    assert len(found) == 0
    assert caption(found, monkeypatch) == faces.NO_FACES
    assert (shown(found)[:90, :100] == 30).all()
    del image
    gc.collect()
    assert caption(found, monkeypatch) == f"{faces.NO_FACES}; {faces.IMAGE_GONE}"
    image = PIL.Image.new("RGB", (100, 90))
    found = DETECTOR.detect(image)
    image.thumbnail((50, 50))
    assert caption(found, monkeypatch) == f"{faces.NO_FACES}; {faces.IMAGE_CHANGED}"


def pieces(image: np.ndarray) -> np.ndarray:
    """Return the mean colors of 4 x 4 parts of the image."""
    return cv2.resize(image, (4, 4), interpolation=cv2.INTER_AREA).astype(int)


@pytest.mark.usefixtures("in_a_notebook")
@pytest.mark.parametrize("kind", ["bgr", "rgb", "four channels", "mirrored", "uint16", "float", "PIL"])
def test_a_notebook_keeps_a_small_copy(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """For temporary images of each type, the copy has the same colors and face positions."""
    large = cv2.resize(portrait(), None, fx=4, fy=4)
    image, color = large, "bgr"
    if kind == "rgb":
        image, color = large[..., ::-1].copy(), "rgb"
    elif kind == "four channels":
        image = np.dstack([large, np.zeros_like(large[..., 0])])
    elif kind == "mirrored":
        image = large[:, ::-1][:, ::-1]
    elif kind == "uint16":
        image = large.astype(np.uint16) * 256
    elif kind == "float":
        image = large.astype(np.float64)
    detector = DETECTOR.replace(min_face=300)
    if kind == "PIL":
        found = detector.detect(PIL.Image.fromarray(large[..., ::-1].copy()))
    else:
        found = detector.detect(image.copy(), color=color)  # type: ignore[arg-type]
    gc.collect()
    assert found == detector.detect(large)
    assert found.preview is not None
    assert found.preview.shape == (291, 320, 3)
    assert found.preview.nbytes <= 3 * 320 * 320
    assert caption(found, monkeypatch) == faces.SMALL_COPY
    seen = shown(found)[: round(640 * 160 / 176)]
    assert seen.shape[1] == 640
    assert np.abs(pieces(seen) - pieces(shown(detector.detect(large)))).max() < 12
    assert caption(found[:0], monkeypatch) == f"{faces.NO_FACES}; {faces.SMALL_COPY}"
    assert pickle.loads(pickle.dumps(found)).preview is None


@pytest.mark.usefixtures("in_a_notebook")
def test_copy_of_a_small_image_is_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    found = DETECTOR.detect(portrait().copy())
    gc.collect()
    assert is_drawn_in(found, portrait())
    assert caption(found, monkeypatch) == ""


@pytest.mark.usefixtures("in_a_notebook")
def test_available_image_is_shown_completely(tmp_path: Path) -> None:
    image = portrait().copy()
    assert is_drawn_in(DETECTOR.detect(image), image)
    path = tmp_path / "face.png"
    path.write_bytes(png.encode(portrait()))
    assert DETECTOR.detect(path).preview is None  # it can be read again


def test_the_content_of_a_file_leaves_a_small_copy(
    in_a_notebook: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = np.tile(portrait(), (3, 3, 1))
    found = DETECTOR.detect(png.encode(image))
    assert found.image is None
    assert found.preview is not None
    assert caption(found, monkeypatch) == faces.SMALL_COPY_OF_FILE
    assert caption(DETECTOR.detect(png.encode(portrait())), monkeypatch) == ""  # all pixels


@pytest.mark.usefixtures("in_a_notebook")
@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 5000, 3), (5000, 2, 3), (321, 320, 3)])
def test_previews_of_odd_shapes(shape: tuple[int, ...]) -> None:
    found = DETECTOR.replace(min_face=20000).detect(np.full(shape, 77, np.uint8))
    assert found.preview is not None
    assert max(found.preview.shape) <= 320
    assert (found.preview == 77).all()
    assert shown(found).shape[1] >= 50


def test_nothing_is_copied_outside_of_notebooks() -> None:
    """Runs in a new process without ipykernel."""
    code = """
import mtcnn_cpp, sys
found = mtcnn_cpp.Detector(backend="reference").detect(mtcnn_cpp.sample_image()[52:212, 136:312].copy())
assert len(found) == 1 and found.preview is None
assert not {"cv2", "IPython", "ipykernel"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
