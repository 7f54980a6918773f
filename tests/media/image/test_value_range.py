"""16-bit images with values of fewer bits: one warning for each source."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from images import portrait
from mtcnn_cpp import Detector, FaceDetectorMTCNN
from mtcnn_cpp.media.image.pixels import to_pixels

cv2 = pytest.importorskip("cv2")

WIDE = portrait().astype(np.uint16)
FEW_BITS = {8: WIDE, 10: WIDE << 2, 12: WIDE << 4, 14: WIDE << 6}
ADVICE = {8: "Pass it as uint8", 10: "by 64", 12: "by 16", 14: "by 4"}
FINE: dict[str, np.ndarray] = {
    "whole range": WIDE << 8,
    "half of it": WIDE << 7,
    "dark": (WIDE.astype(np.float64) * 256 * 0.2).astype(np.uint16),
    "very dark": (WIDE.astype(np.float64) * 256 * 0.07).astype(np.uint16),
    "zeros": WIDE * 0,
    "12 bits, shifted up": (WIDE << 4) << 4,
    "uint8": portrait(),
    "dark uint8": portrait() // 32,
}


@pytest.mark.parametrize("bits", FEW_BITS)
def test_arrays_of_few_bits(bits: int) -> None:
    for image in (FEW_BITS[bits], FEW_BITS[bits][..., 1], FEW_BITS[bits].astype(">u2")):
        with pytest.warns(
            UserWarning, match=rf"has values in 0…{(1 << bits) - 1} only, as {bits}-bit"
        ) as caught:
            Detector(backend="reference").detect(image)
        assert len(caught) == 1
        assert ADVICE[bits] in str(caught[0].message)
        assert caught[0].filename == __file__


@pytest.mark.parametrize("name", FINE)
def test_no_warning_for_other_images(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        to_pixels(FINE[name])


def test_alpha_is_ignored() -> None:
    opaque = np.dstack([FEW_BITS[12], np.full(WIDE.shape[:2], 65535, np.uint16)])
    with pytest.warns(UserWarning, match="12-bit"):
        to_pixels(opaque)


def test_every_input_warns(tmp_path: Path) -> None:
    image = FEW_BITS[12]
    detector = Detector()
    cv2.imwrite(str(tmp_path / "a.png"), image)
    cv2.imwrite(str(tmp_path / "a.tif"), image)
    grey = PIL.Image.fromarray(np.ascontiguousarray(image[..., 0]))
    ways: list[tuple[str, Any]] = [
        ("uint16 image", lambda: detector.detect_batch([image, image, image])),
        ("uint16 image", lambda: list(detector.detect_stream(iter([image] * 3)))),
        ("uint16 image", lambda: detector.trace(image, capture="names")),
        ("uint16 image", lambda: FaceDetectorMTCNN().detect_faces(image)),
        ("uint16 image", lambda: detector.detect(grey)),
        (f"{tmp_path / 'a.png'}: uint16 image", lambda: detector.detect(tmp_path / "a.png")),
        (
            f"{tmp_path / 'a.tif'}: uint16 image",
            lambda: list(detector.detect_files([tmp_path / "a.tif"] * 3)),
        ),
    ]
    for name, way in ways:
        with pytest.warns(UserWarning, match="16-bit") as caught:
            way()
        assert [str(one.message).partition(" has values")[0] for one in caught] == [name]


def test_many_files_are_not_reported_one_by_one(tmp_path: Path) -> None:
    for index in range(40):
        cv2.imwrite(str(tmp_path / f"{index:02d}.png"), FEW_BITS[12][:20, :20])
    with pytest.warns(UserWarning, match="16-bit|there are more warnings") as caught:
        list(Detector().detect_files(sorted(tmp_path.iterdir())))
    assert len(caught) == 21
    assert "no more of these warnings are shown" in str(caught[20].message)


def test_annotation_does_not_warn_again() -> None:
    with pytest.warns(UserWarning, match="14-bit"):
        faces = Detector().detect(FEW_BITS[14])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        faces.crops(FEW_BITS[14])


def test_arrow_names_the_row(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from mtcnn_cpp.jobs import arrow

    path = str(tmp_path / "a.png")
    cv2.imwrite(path, FEW_BITS[10])
    with pytest.warns(UserWarning, match="10-bit") as caught:
        arrow.detect(pyarrow.table({"path": [path, path]}))
    assert [str(one.message).partition(" has values")[0] for one in caught] == [f"{path}: uint16 image"]


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    code = "from mtcnn_cpp.cli import app; app()"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("output", ["t.csv", "parts/"])
def test_the_command_warns_once_for_each_source(output: str, tmp_path: Path) -> None:
    pages = [PIL.Image.fromarray(np.ascontiguousarray(FEW_BITS[12][..., 0]))] * 3
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    cv2.imwrite(str(tmp_path / "eight.png"), FEW_BITS[8])
    cv2.imwrite(str(tmp_path / "fine.png"), FINE["whole range"])
    done = command("detect", *sorted(tmp_path.iterdir()), "-o", tmp_path / output)
    assert done.returncode == 0
    lines = [line for line in done.stderr.splitlines() if "warning" in line]
    assert sorted(line.partition(" only")[0] for line in lines) == [
        f"warning: {tmp_path / 'eight.png'}: uint16 image has values in 0…255",
        f"warning: {tmp_path / 'pages.tif'}: uint16 image has values in 0…4095",
    ]
    assert "value_range.py" not in done.stderr


def test_other_commands_warn_in_one_line(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), FEW_BITS[12])
    done = command("dump", tmp_path / "a.png", "--capture", "names", "-o", tmp_path / "t.npz")
    lines = [line for line in done.stderr.splitlines() if "warning:" in line.lower()]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("warning: uint16 image has values in 0…4095 only")


def test_floats_of_a_file_get_advice_for_files(tmp_path: Path) -> None:
    """The command, Arrow tables and paths give advice for files, not for arrays (multiply by 255)."""
    path = tmp_path / "float.tif"
    cv2.imwrite(str(path), portrait().astype(np.float32) / 255)
    expected = f"{path}: float image must have values in 0…255, but all lie in 0…1"
    advice = "save it with 8 or 16 bits per channel"
    done = command("detect", path, "-o", tmp_path / "t.csv")
    assert done.returncode == 1
    assert f"error: {expected}" in done.stderr
    with pytest.raises(ValueError, match="float image") as caught:
        Detector().detect(path)
    messages = [done.stderr.strip().splitlines()[-2], str(caught.value)]
    if pytest.importorskip("pyarrow"):
        import pyarrow
        from mtcnn_cpp.jobs import arrow

        (error,) = arrow.detect(pyarrow.table({"path": [str(path)]}))["error"].to_pylist()
        messages.append(error)
    for message in messages:
        assert expected in message, message
        assert advice in message
        assert "multiply" not in message
