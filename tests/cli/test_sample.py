"""`mtcnn-cpp sample`: an image and a video with a face in every frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mtcnn_cpp import Detector, read_image, sample_image
from mtcnn_cpp.cli import app
from typer.testing import CliRunner, Result

pytest.importorskip("cv2")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["sample", *map(str, arguments)])


def test_sample_video(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    assert run(path).exit_code == 0
    frames = list(Detector().detect_video(path))
    assert len(frames) == 100
    assert [frame.time for frame in frames] == [index / 25 for index in range(100)]
    assert {len(frame.faces) for frame in frames} == {1}
    assert [file.name for file in tmp_path.iterdir()] == ["clip.mp4"]


def test_sample_image_file(tmp_path: Path) -> None:
    assert run(tmp_path / "a.PNG").exit_code == 0
    assert np.array_equal(read_image(tmp_path / "a.PNG"), sample_image())


def test_existing_files_and_bad_names_are_errors(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_text("precious")
    for name, message in (
        (path, "already exists and was not changed"),
        (tmp_path / "a.gif", "the file name must end in .mp4 (a video) or .png (an image)"),
        (tmp_path / "none" / "a.mp4", "does not exist"),
    ):
        result = run(name)
        assert result.exit_code == 2
        assert message in result.stderr
    assert path.read_text() == "precious"
    assert run(path, "--overwrite").exit_code == 0
    assert path.read_bytes()[4:8] == b"ftyp"
