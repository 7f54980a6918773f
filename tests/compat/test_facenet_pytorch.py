"""`compat.facenet_pytorch` and the real package on the same images."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from compat_images import describe, differences, rgb_images, summary
from mtcnn_cpp import Detector
from mtcnn_cpp.compat.facenet_pytorch import MTCNN, extract_face
from mtcnn_cpp.media.crops import onet_boxes
from torchvision_stub import torchvision

Image = pytest.importorskip("PIL.Image", reason="needs pip install pillow")
torch = pytest.importorskip("torch", reason="needs mtcnn-cpp[torch]")

# All faces, and those that do not touch the border: facenet-pytorch stretches the part of a square that is
# in the image, and OpenFace fills the rest with black.
OVERLAP, OVERLAP_INSIDE = 0.74, 0.84


@pytest.fixture(scope="module")
def peer() -> Iterator[Any]:
    pytest.importorskip("requests", reason="facenet-pytorch needs pip install requests tqdm")
    pytest.importorskip("tqdm", reason="facenet-pytorch needs pip install requests tqdm")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # its images are small, and more threads wait for each other
    with torchvision():
        yield pytest.importorskip(
            "facenet_pytorch", reason="needs pip install --no-deps facenet-pytorch==2.6.0"
        )
    torch.set_num_threads(threads)


def pil(name: str) -> Any:
    return Image.fromarray(rgb_images()[name])


def blank() -> Any:
    """An image of the size of `crowd`, without a face."""
    return Image.new("RGB", (250, 176), "gray")


def one_face() -> Any:
    """An image of the size of `crowd`, with one face."""
    return Image.fromarray(rgb_images()["sample"][20:196, 100:350])


def crowds() -> np.ndarray:
    return np.stack([rgb_images()["crowd"]] * 2)


INPUTS: dict[str, Callable[[], Any]] = {
    "PIL": lambda: pil("sample"),
    "array": lambda: rgb_images()["crowd"],
    "tensor": lambda: torch.from_numpy(rgb_images()["crowd"].copy()),
    "no face": blank,
    "list of one": lambda: [pil("crowd")],
    "list": lambda: [pil("crowd"), pil("crowd")],
    "tuple": lambda: (one_face(), one_face()),
    "list, other numbers of faces": lambda: [pil("crowd"), one_face()],
    "list, one without": lambda: [one_face(), blank()],
    "list, three and none": lambda: [blank(), pil("crowd")],
    "list, none": lambda: [blank(), blank()],
    "array of images": crowds,
    "tensor of images": lambda: torch.from_numpy(crowds()),
}


def rows(result: Any) -> np.ndarray:
    """One row per face: box, score, landmarks."""
    boxes, scores, points = result
    if boxes is None:
        return np.empty((0, 15))
    columns = [np.asarray(part, np.float64) for part in (boxes, scores, points)]
    return np.column_stack([columns[0], columns[1], columns[2].reshape(-1, 10)])


def test_differences(peer: Any) -> None:
    """The same faces, close boxes; their statistics are in docs/coming-from.md."""
    everything, inside = [], []
    other, own = peer.MTCNN(keep_all=True), MTCNN(keep_all=True)
    for name, image in rgb_images().items():
        expected = rows(other.detect(Image.fromarray(image), landmarks=True))
        found = rows(own.detect(Image.fromarray(image), landmarks=True))
        assert len(found) == len(expected), name
        for face, difference in zip(expected, differences(found, expected), strict=True):
            everything.append(difference)
            height, width, _ = image.shape
            if face[:2].min() > 0 and face[2] < width and face[3] < height:
                inside.append(difference)
    print("all:", summary(everything), "", "inside:", summary(inside), sep="\n")
    assert len(everything) == 25
    assert min(row.overlap for row in everything) > OVERLAP
    assert min(row.overlap for row in inside) > OVERLAP_INSIDE
    assert max(row.landmarks for row in everything) < 0.11
    assert max(row.landmarks for row in inside) < 0.06
    assert max(row.score for row in everything) < 0.004


@pytest.mark.parametrize("name", INPUTS)
def test_types_shapes_and_dtypes(peer: Any, name: str) -> None:
    image = INPUTS[name]()
    for keep_all in (True, False):
        other, own = (kind(min_face_size=30, keep_all=keep_all) for kind in (peer.MTCNN, MTCNN))
        found = other.detect(image, landmarks=True)
        assert describe(own.detect(image, landmarks=True)) == describe(found)
        assert describe(own.detect(image)) == describe(found[:2])
        if keep_all or name not in ("list, one without", "list, three and none"):
            # otherwise facenet-pytorch raises an error, see test_batch_with_an_image_without_face
            faces = other(image, return_prob=True)
            assert describe(own(image, return_prob=True)) == describe(faces)
            assert describe(own(image)) == describe(own.forward(image)) == describe(faces[0])


def test_batch_with_an_image_without_face(peer: Any) -> None:
    images = [one_face(), blank()]
    with pytest.raises(ValueError, match="inhomogeneous"):
        peer.MTCNN()(images)
    faces, scores = MTCNN()(images, return_prob=True)
    assert describe(faces) == describe([MTCNN()(images[0]), None])
    assert scores.shape == (2, 1)
    assert scores[1, 0] is None


def test_order() -> None:
    boxes, scores = MTCNN().detect(pil("collage"))
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    assert (np.diff(areas) <= 0).all()
    assert (np.diff(scores) > 0).any()
    _, scores = MTCNN(select_largest=False).detect(pil("collage"))
    assert (np.diff(scores) <= 0).all()


def test_boxes_are_those_of_onet() -> None:
    """The boxes before OpenFace's final correction."""
    image = rgb_images()["collage"]
    recorded: list[np.ndarray] = []
    detector = Detector(min_face=20)
    with detector.hook("onet/boxes_out", lambda _, boxes: recorded.append(boxes)):
        faces = detector.detect(image, color="rgb")
    np.testing.assert_allclose(onet_boxes(faces.boxes), recorded[0], rtol=0, atol=1e-3)
    boxes, scores, points = MTCNN(select_largest=False).detect(image, landmarks=True)
    corners = np.column_stack([recorded[0][:, :2], recorded[0][:, :2] + recorded[0][:, 2:]])
    np.testing.assert_allclose(boxes.astype(float), corners, rtol=0, atol=1e-3)
    assert scores.tolist() == faces.scores.tolist()
    assert points.tolist() == faces.landmarks.tolist()


@pytest.mark.parametrize("kind", ["PIL", "array", "tensor"])
@pytest.mark.parametrize(("size", "margin"), [(160, 0), (112, 30), (40, 7)])
def test_faces_are_equal_for_equal_boxes(
    peer: Any, kind: str, size: int, margin: int, tmp_path: Path
) -> None:
    """Every bit of the tensors, for boxes inside of the image and at its border."""
    array = rgb_images()["crowd"]
    image = {"PIL": pil("crowd"), "array": array, "tensor": torch.from_numpy(array.copy())}[kind]
    for post_process in (True, False):
        options = {
            "image_size": size,
            "margin": margin,
            "post_process": post_process,
            "keep_all": True,
        }
        other, own = peer.MTCNN(**options), MTCNN(**options)
        boxes, _ = other.detect(image)
        expected = other.extract(image, boxes, None)
        found = own.extract(image, boxes, None)
        assert found.dtype == expected.dtype == torch.float32
        assert torch.equal(found, expected)
    face = extract_face(image, boxes[0], size, margin)
    assert face.is_contiguous()
    assert torch.equal(face, peer.extract_face(image, boxes[0], size, margin))
    if kind != "tensor":  # facenet-pytorch cannot save faces of tensors
        other.extract(image, boxes, str(tmp_path / "other" / "face.png"))
        own.extract(image, boxes, str(tmp_path / "own" / "face.png"))
        names = {file.name for file in (tmp_path / "own").iterdir()}
        assert names == {"face.png", "face_2.png", "face_3.png"}
        for name in names:
            written = [np.asarray(Image.open(tmp_path / folder / name)) for folder in ("own", "other")]
            assert np.array_equal(*written)


def test_saving(tmp_path: Path) -> None:
    """The saved pixels are those of the tensor; a batch has one path for each image."""
    mtcnn = MTCNN(post_process=False, image_size=50)
    image = torch.from_numpy(rgb_images()["crowd"].copy())
    faces = mtcnn([image, image], save_path=[tmp_path / "a.png", tmp_path / "b.png"])
    for name, face in zip("ab", faces, strict=True):
        assert np.array_equal(np.asarray(Image.open(tmp_path / f"{name}.png")), face.permute(1, 2, 0))
    with pytest.raises(ValueError, match="one path per image, got 1 for 2"):
        mtcnn([image, image], save_path="a.png")


@pytest.mark.parametrize(
    "method", ["probability", "largest", "largest_over_threshold", "center_weighted_size"]
)
def test_selection(peer: Any, method: str) -> None:
    """The same face of the same list."""
    image = pil("collage")
    other, own = peer.MTCNN(selection_method=method), MTCNN(selection_method=method)
    assert own.selection_method == other.selection_method == method
    found = other.detect(image, landmarks=True)
    expected = other.select_boxes(*found, image, method=method)
    selected = own.select_boxes(*found, image, method=method)
    assert describe(selected) == describe(expected)
    for a, b in zip(selected, expected, strict=True):
        assert np.array_equal(a, b)
    none = own.select_boxes(None, [None], None, image, method=method)
    assert none == (None, None, None)


def test_selection_over_a_threshold() -> None:
    """facenet-pytorch returns the probability of another face here, so there is no comparison."""
    boxes = np.array([[0, 0, 9, 9], [0, 0, 5, 5], [0, 0, 7, 7.0]])
    scores, points = np.array([0.8, 0.95, 0.97]), np.arange(30.0).reshape(3, 5, 2)
    select = MTCNN().select_boxes
    box, score, point = select(boxes, scores, points, blank(), method="largest_over_threshold")
    assert np.array_equal(box, boxes[2:])
    assert score == 0.97
    assert np.array_equal(point, points[2:])
    nothing = select(boxes, scores, points, blank(), method="largest_over_threshold", threshold=0.99)
    assert nothing == (None, None, None)


def test_default_selection() -> None:
    _, scores = MTCNN().detect(pil("collage"))
    for select_largest, expected in ((True, scores[0]), (False, scores.max())):
        _, score = MTCNN(select_largest=select_largest)(pil("collage"), return_prob=True)
        assert score == expected
    assert scores[0] != scores.max()


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK"])
def test_other_modes_of_pil(mode: str) -> None:
    """facenet-pytorch raises errors for these."""
    assert MTCNN()(pil("sample").convert(mode)).shape == (3, 160, 160)


def test_stored_pixels_of_pil_images(tmp_path: Path) -> None:
    """The Exif orientation is ignored, as in facenet-pytorch."""
    exif = Image.Exif()
    exif[0x0112] = 6
    pil("sample").rotate(90).save(tmp_path / "a.png", exif=exif)
    assert MTCNN().detect(Image.open(tmp_path / "a.png"))[0] is None
    pil("sample").save(tmp_path / "b.png", exif=exif)
    boxes, _ = MTCNN().detect(Image.open(tmp_path / "b.png"))
    assert boxes.tolist() == MTCNN().detect(pil("sample"))[0].tolist()


def test_options_reach_the_detector() -> None:
    image = rgb_images()["collage"]
    for options, expected in (
        ({"min_face_size": 60}, {"min_face": 60}),
        ({"thresholds": [0.6, 0.7, 0.9998]}, {"thresholds": (0.6, 0.7, 0.9998)}),
        ({"factor": 0.5}, {"scale_factor": 0.5}),
    ):
        faces = Detector(**{"min_face": 20, **expected}).detect(image, color="rgb")  # type: ignore[arg-type]
        created = MTCNN(select_largest=False, **options)  # type: ignore[arg-type]
        changed = MTCNN(select_largest=False)
        for name, value in options.items():
            setattr(changed, name, value)
        for mtcnn in (created, changed):
            assert mtcnn.detect(image)[1].tolist() == faces.scores.tolist()


def test_device() -> None:
    assert MTCNN().device == torch.device("cpu")
    for device in ("cpu", torch.device("cpu"), torch.device("cpu:0")):
        assert MTCNN(device=device).device == device
    for device in ("cuda", "cuda:0", torch.device("cuda"), "mps"):
        with pytest.raises(ValueError, match=f"device must be the CPU, got '{device}'.* pass device='cpu'"):
            MTCNN(device=device)


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"must be one of largest, probability.*, got 'best'"):
        MTCNN(selection_method="best")
    with pytest.raises(ValueError, match="must be one of largest"):
        MTCNN().select_boxes(None, [None], None, blank(), method="best")
    with pytest.raises(TypeError, match=r"got the path 'photo.jpg'; pass PIL.Image.open\(path\)"):
        MTCNN().detect("photo.jpg")
    with pytest.raises(ValueError, match=r"channels first use np.moveaxis"):
        MTCNN().detect(torch.zeros(3, 50, 50))
    with pytest.raises(ValueError, match=r"less than image_size \(160\), got 160"):
        MTCNN(margin=160)(pil("sample"))
    with pytest.raises(ValueError, match=r"shape \(H, W, 3\), got \(9, 9\)"):
        extract_face(np.zeros((9, 9), np.uint8), [0, 0, 5, 5])
    with pytest.raises(ValueError, match="box must contain at least one pixel of the image"):
        extract_face(pil("sample"), [600, 0, 700, 100])


def test_detect_does_not_need_pytorch() -> None:
    code = """
import sys
sys.modules["torch"] = None
from mtcnn_cpp import sample_image
from mtcnn_cpp.compat.facenet_pytorch import MTCNN
rgb = sample_image()[..., ::-1]
assert MTCNN().detect(rgb)[0].shape == (1, 4)
assert "PIL" not in sys.modules
try:
    MTCNN()(rgb)
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "returning faces as tensors needs the package 'torch'" in done.stdout
    assert "pip install 'mtcnn-cpp[torch]'" in done.stdout
