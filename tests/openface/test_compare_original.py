"""`compare-original`: the counts, the random cases, and the command on the original that is bound."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import png
import pytest
from images import portrait
from mtcnn_cpp import Model, sample_image
from mtcnn_cpp.cli import app
from mtcnn_cpp.ports.compare_original.cases import Case, make_cases
from mtcnn_cpp.ports.compare_original.result import CaseResult, Comparison, Count, Spread
from mtcnn_cpp.ports.compare_original.run import model_of
from mtcnn_cpp.reference.options import Options
from openface_stub import BOUND, NEEDS_EXACT, NEEDS_OPENFACE, NEEDS_STUB
from typer.testing import CliRunner, Result


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["compare-original", *map(str, arguments)], env={"COLUMNS": "200"})


def test_counts() -> None:
    count = Count()
    values = np.array([1.0, -0.0, np.nan, 5.0], np.float32)
    count.add("same", values, values.copy())
    assert (count.tensors, count.values, count.values_differing, count.bits, count.first) == (1, 4, 0, 0, "")
    other = values.copy()
    other[1] = 0.0  # a signed zero is another bit
    other[3] = np.nextafter(np.float32(5), np.float32(9))
    count.add("other", values, other)
    assert (count.tensors, count.tensors_differing, count.values, count.values_differing) == (2, 1, 8, 2)
    assert (count.bits, count.first) == (2, "other")
    count.add("longer", values, np.ones(6, np.float32))
    assert (count.values, count.values_differing, count.bits, count.first) == (14, 8, 2 + 6 * 32, "other")
    whole = Count()
    whole.merge(count)
    whole.merge(count)
    assert (whole.values, whole.bits, whole.first, whole.share) == (28, 2 * count.bits, "other", np.inf)


def result(faces: tuple[int, int] = (1, 1), differing: int = 0, error: str = "") -> CaseResult:
    made = CaseResult(Case("a.png", portrait(), Options()), faces, error=error)
    if not error:
        values = np.ones(5, np.float32)
        other = values.copy()
        other[:differing] = 2
        made.detection.add("final/boxes", values[:4], other[:4])
        made.detection.add("final/scores", values[4:], other[4:])
        made.tensors.add("pnet/level00/conv1", values, values)
        made.differences = np.array([0.0, 1e-5]), np.array([1e-7])
    return made


def test_the_headline_counts_what_was_compared() -> None:
    equal = Comparison((result(), result((2, 2))), {}, True)
    assert equal.is_equal
    assert not equal.is_different
    assert equal.headline == (
        "equal in every bit: 2 detections, 3 faces and 2 tensors (20 values) compared, 0 bits differ"
    )
    assert equal.remarks == []
    different = Comparison((result(), result(differing=1)), {}, True)
    assert different.is_different
    assert different.headline.startswith(
        "different: 2 detections, 2 faces and 2 tensors (20 values) compared; "
    )
    assert different.headline.endswith(
        "; boxes or scores differ in 1 detections, and values differ in 0 tensors (1 values, 8 bits in "
        "total); the first difference is in a.png, final/boxes"
    )
    assert not any("not expected" in words for words in different.remarks)
    stock = Comparison((result(differing=1),), {}, False)
    assert any("equality is not expected" in words for words in stock.remarks)


def test_what_was_not_compared_is_no_equality() -> None:
    partial = Comparison((result(), result(error="too small")), {}, True)
    assert not partial.is_equal
    assert not partial.is_different
    assert partial.headline.endswith("0 bits differ; 1 of 2 cases could not be compared")
    nothing = Comparison((result(error="too small"),), {}, True)
    assert not nothing.is_equal
    assert nothing.headline == "nothing was compared: all 1 cases failed"
    assert not Comparison((), {}, True).is_equal


def test_the_report_names_both_numbers_of_faces() -> None:
    report = Comparison((result((2, 3)),), {}, True).to_dict()
    assert report["cases"][0]["faces"] == {"original": 2, "mtcnn_cpp": 3}


def test_a_spread() -> None:
    spread = Spread.of(np.arange(101) / 100.0)
    assert (spread.count, spread.median, spread.percentile_99, spread.maximum) == (101, 0.5, 0.99, 1.0)
    assert str(spread) == "median 0.5, 99 % 0.99, maximum 1"
    assert Spread.of(np.empty(0)).maximum == 0


def test_random_cases() -> None:
    """The same seed gives the same cases; each is one that the original takes."""
    images = {"sample": sample_image(), "small": portrait()[:50, :60], "wide": portrait()[:70]}

    def described(count: int, seed: int) -> list[Any]:
        return [
            (case.image, case.crop, case.options, case.sha256)
            for case in make_cases(images, Options(), count, seed)
        ]

    assert described(30, 1) == described(30, 1)
    assert described(30, 1)[:13] == described(10, 1)  # more cases begin with the same ones
    assert described(30, 1)[3:] != described(30, 2)[3:]
    for case in list(make_cases(images, Options(), 200, 5))[3:]:
        height, width = case.pixels.shape[:2]
        assert case.options.min_face == int(case.options.min_face) <= min(height, width)
        assert case.options.scale_factor == 0.709
        assert case.crop is not None
        row, column, *size = case.crop
        assert size == [height, width]
        part = images[case.image][row : row + height, column : column + width]
        assert (part == case.pixels).all()
        assert case.pixels.flags.c_contiguous


def test_the_networks_of_the_checkout(tmp_path: Path) -> None:
    """They are used if they are there; else those of this package."""
    arrays = dict(Model.default().arrays())
    arrays["onet/fc2/bias"] = arrays["onet/fc2/bias"] + np.float32(0.125)
    model = Model.from_arrays(arrays)
    model.save(tmp_path)
    assert model_of({"model": str(tmp_path / "MTCNN_detector.txt")}).hashes() == model.hashes()
    assert model_of({"model": ""}).hashes() == Model.default().hashes()
    assert model_of({"model": str(tmp_path / "gone.txt")}).hashes() == Model.default().hashes()


@pytest.mark.skipif(not BOUND, reason="this build is bound to an OpenFace")
def test_without_openface() -> None:
    done = run()
    assert done.exit_code == 2
    assert done.stderr.startswith("error: this build has no OpenFace; reinstall with pip install . -C ")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("original") / "face & <b>.png"
    path.write_bytes(png.encode(portrait()))
    return path


@NEEDS_EXACT
def test_equal(image: Path, tmp_path: Path) -> None:
    pytest.importorskip("jinja2", reason="needs mtcnn-cpp[report]")
    page = tmp_path / "report.html"
    done = run(image, "--random", 3, "--seed", 7, "--report", page)
    assert done.exit_code == 0, done.stdout + done.stderr
    assert "equal in every bit: 5 detections, " in done.stdout
    assert "0 bits differ" in done.stdout
    text = page.read_text("utf-8")
    assert "equal in every bit: 5 detections, " in text
    assert "face &amp; &lt;b&gt;.png" in text
    for words in (
        "order of its sums",
        "processor",
        "compiler",
        "glibc",
        "pnet SHA-256",
        "SHA-256 of the pixels",
    ):
        assert words in text, words
    found = json.loads(run(image, "--random", 3, "--seed", 7, "--format", "json").stdout)
    assert found["equal"] is True
    assert len(found["cases"]) == 5
    assert found["total"]["bits"] == 0
    assert found["total"]["values"] > 1_000_000
    heat_maps = sum(case["heat_maps"]["tensors"] for case in found["cases"])
    levels = sum(case["tensors"]["tensors"] for case in found["cases"])
    assert 5 <= heat_maps < levels
    assert f"{sum(case['faces']['original'] for case in found['cases'])} faces" in found["headline"]


@NEEDS_STUB
@pytest.mark.parametrize(
    ("kernel", "first"),
    [("10x3", "pnet/level00/conv1"), ("48x28", "rnet/crop000/conv2"), ("128x64", "onet/crop000/conv4")],
)
def test_a_planted_fault(monkeypatch: pytest.MonkeyPatch, kernel: str, first: str) -> None:
    monkeypatch.setenv("MTCNN_STUB", f"transpose={kernel}")
    found = json.loads(run("--random", 0, "--format", "json").stdout)
    assert found["equal"] is False
    assert found["cases"][0]["tensors"]["first"] == first
    assert run("--random", 0).exit_code == 1


@NEEDS_STUB
def test_noise_has_a_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MTCNN_STUB", "noise")
    done = run("--random", 3)
    assert done.exit_code == 1
    assert "boxes and scores are equal in every bit in " in done.stdout
    assert "boxes differ by median " in done.stdout
    assert "the number of faces differs in 0" in done.stdout


@NEEDS_OPENFACE
def test_what_cannot_be_compared(tmp_path: Path) -> None:
    small = tmp_path / "small.png"
    small.write_bytes(png.encode(portrait()[:30]))
    done = run(small, "--random", 0)
    assert done.exit_code in (1, 2)
    assert "not compared: small.png: image: expected sides of more than 0.709 x min_face" in done.stdout
    assert "1 of 2 cases could not be compared" in done.stdout
    deep = tmp_path / "deep.png"
    cv2.imwrite(str(deep), portrait().astype(np.uint16) * 256)
    for arguments, message in (
        ([deep], f"error: {deep}: image: OpenFace needs images with 8 bits per channel, got 16 bits"),
        ([tmp_path / "none.png"], "error: "),
        (["--scale-factor", 0.8], "error: scale_factor: OpenFace has the fixed value 0.709"),
        (["--random", -1], "error: random: expected 0 or more"),
    ):
        done = run(*arguments)
        assert done.exit_code == 2
        assert done.stderr.startswith(message)
