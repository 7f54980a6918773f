"""Annotated files: their paths, and files that are never replaced."""

from __future__ import annotations

import os
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePath

import cv2
import numpy as np
import pytest
from images import portrait
from mtcnn_cpp import annotate, sample_image
from mtcnn_cpp.detections.result import Detections
from mtcnn_cpp.media.annotated_files import AnnotatedImageFolder, output_names, write_annotated_image
from mtcnn_cpp.media.markers import has_marker


def names(*relatives: str, suffix: str = "_faces.png") -> list[str]:
    return [name.as_posix() for name in output_names([PurePath(text) for text in relatives], suffix)]


@pytest.mark.parametrize(
    ("relatives", "expected"),
    [
        (["a/b.jpg", "c.png", "b.jpg"], ["a/b_faces.png", "c_faces.png", "b_faces.png"]),
        (["a/b.jpg", "a/b.png"], ["a/b.jpg_faces.png", "a/b.png_faces.png"]),
        (["b.jpg", "B.png"], ["b.jpg_faces.png", "B.png_faces.png"]),
        (["b.jpg", "B.JPG"], ["b_2_faces.png", "B_faces.png"]),
        (["p.png", "p.png", "p.png"], ["p_faces.png", "p_2_faces.png", "p_3_faces.png"]),
        (["p.png", "p_2.png", "p.png"], ["p_faces.png", "p_2_faces.png", "p_3_faces.png"]),
        (["p.png", "p.png", "p.jpg"], ["p.png_faces.png", "p.png_2_faces.png", "p.jpg_faces.png"]),
        (["b.jpg", "b.jpg.png"], ["b_faces.png", "b.jpg.png_faces.png"]),
        (["b", "b.jpg"], ["b_faces.png", "b.jpg_faces.png"]),
        (["b", "c"], ["b_faces.png", "c_faces.png"]),
        (["c.mp4", "c/1.png"], ["c.mp4_faces.png", "c/1_faces.png"]),  # c/ contains the frames of c.mp4
        (["C.mp4", "a/c/d/1.png", "a/c.gif"], ["C_faces.png", "a/c/d/1_faces.png", "a/c.gif_faces.png"]),
        (["c", "c/1.png"], ["c_2_faces.png", "c/1_faces.png"]),
        (["e\u0301.png", "\u00e9.jpg"], ["e\u0301.png_faces.png", "\u00e9.jpg_faces.png"]),
        ([], []),
    ],
)
def test_names(relatives: list[str], expected: list[str]) -> None:
    assert names(*relatives) == expected


def test_names_of_other_annotated_files() -> None:
    assert names("a/clip.avi", suffix="_faces.mp4") == ["a/clip_faces.mp4"]
    assert names("b.jpg", "b.png", suffix="") == ["b.jpg", "b.png"]


def test_names_are_unique_and_independent_of_order() -> None:
    rng = random.Random(5)
    endings = ["", ".jpg", ".JPG", ".png", ".jpg.png", "_2", "_2.jpg", ".jpg_2"]
    for _ in range(300):
        sources = [rng.choice("aAb") + rng.choice(endings) for _ in range(rng.randint(1, 8))]
        found = names(*sources)
        assert len({name.casefold() for name in found}) == len(found)
        shuffled = rng.sample(range(len(sources)), len(sources))
        again = names(*(sources[index] for index in shuffled))
        assert sorted(zip((sources[index] for index in shuffled), again, strict=True)) == (
            sorted(zip(sources, found, strict=True))
        )


@pytest.mark.parametrize("format", ["png", "jpg"])
def test_mirrored_and_marked(tmp_path: Path, format: str) -> None:
    annotated = AnnotatedImageFolder(tmp_path / "new" / "seen", [], format=format)  # type: ignore[arg-type]
    (name,) = annotated.names([PurePath("a/b.tif")])
    assert name == PurePath(f"a/b_faces.{format}")
    for _ in range(2):  # replaces its own file
        annotated.save(name, portrait())
    assert annotated.count == 2
    path = tmp_path / "new" / "seen" / name
    assert has_marker(path)
    assert os.listdir(path.parent) == [path.name]
    found = cv2.imread(str(path))
    assert found is not None
    if format == "png":
        assert np.array_equal(found, portrait())
    else:
        assert path.read_bytes().startswith(b"\xff\xd8")
        assert np.abs(found.astype(int) - portrait()).mean() < 4


def test_user_files_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.png").write_text("thesis")
    (tmp_path / "input.png").write_text("input")
    for overwrite in (False, True):
        annotated = AnnotatedImageFolder(
            tmp_path, [tmp_path / "input.png", tmp_path / "gone.png"], overwrite=overwrite
        )
        with pytest.raises(
            FileExistsError, match=r"input.png is one of the input files and was not replaced"
        ):
            annotated.save(PurePath("input.png"), portrait())
        assert (tmp_path / "input.png").read_text() == "input"
        if not overwrite:
            with pytest.raises(
                FileExistsError, match=r"thesis.png exists and was not written by this program"
            ):
                annotated.save(PurePath("thesis.png"), portrait())
            assert (tmp_path / "thesis.png").read_text() == "thesis"
    annotated.save(PurePath("thesis.png"), portrait())
    assert has_marker(tmp_path / "thesis.png")


def test_annotated_input_is_kept(tmp_path: Path) -> None:
    write_annotated_image(tmp_path / "a_faces.png", portrait(), inputs=[], overwrite=False)
    annotated = AnnotatedImageFolder(tmp_path, [tmp_path / "a_faces.png"], overwrite=True)
    with pytest.raises(FileExistsError, match="is one of the input files"):
        annotated.save(PurePath("a_faces.png"), portrait()[:9])
    assert cv2.imread(str(tmp_path / "a_faces.png")).shape == portrait().shape


@pytest.mark.parametrize("relative", [PurePath("../a.png"), PurePath("a/../../b.png"), Path.cwd() / "a.png"])
def test_nothing_is_written_outside_the_folder(tmp_path: Path, relative: PurePath) -> None:
    with pytest.raises(ValueError, match=r"the name of an output file must lie below .*, got "):
        AnnotatedImageFolder(tmp_path / "seen", []).save(relative, portrait())
    assert os.listdir(tmp_path) == ["seen"]


def test_unsupported_image_formats(tmp_path: Path) -> None:
    wide = np.zeros((1, 70000, 3), np.uint8)
    with pytest.raises(ValueError, match=r"a.jpg: OpenCV cannot write an image of 70000 x 1 pixels as JPG"):
        write_annotated_image(tmp_path / "a.jpg", wide, inputs=[], overwrite=False)
    assert os.listdir(tmp_path) == []
    write_annotated_image(tmp_path / "a.png", wide, inputs=[], overwrite=False)


def test_threads_do_not_change_results(tmp_path: Path) -> None:
    image = sample_image()
    boxes = np.array([[20 * index, 15 * index, 80, 90] for index in range(12)], np.float32)
    faces = Detections(
        boxes,
        np.linspace(1, 0.7, 12).astype(np.float32),
        np.repeat(boxes[:, None, :2] + 30, 5, axis=1),
        (512, 512),
    )
    annotated = AnnotatedImageFolder(tmp_path, [])

    def one(index: int) -> None:
        marked = annotate(image, faces[index % 12 :], face_ids=range(index, index + 12 - index % 12))
        annotated.save(PurePath(f"{index % 7}/{index}.png"), marked)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(60)))
    assert annotated.count == 60
    for index in range(60):
        marked = annotate(image, faces[index % 12 :], face_ids=range(index, index + 12 - index % 12))
        assert np.array_equal(cv2.imread(str(tmp_path / f"{index % 7}/{index}.png")), marked)
