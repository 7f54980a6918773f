"""The backend `openface`: equal in every bit where sums are ordered, and faults are found by name."""

from __future__ import annotations

import json
import os
import pickle
import tempfile
from pathlib import Path

import cv2
import gold_results
import numpy as np
import png
import pytest
from images import portrait
from mtcnn_cpp import Detector, FaceDetectorMTCNN, Model
from mtcnn_cpp.backends.openface import check_options, describe, nearest_landmarks
from mtcnn_cpp.cli import app
from mtcnn_cpp.reference.options import Options
from mtcnn_cpp.reference.plan import STAGES
from mtcnn_cpp.trace import Trace, compare
from openface_stub import BOUND, IS_SOURCE, NEEDS_EXACT, NEEDS_OPENFACE, NEEDS_STUB, WHERE
from typer.testing import CliRunner, Result

NOISE = ["--tolerance", "1e-5share"]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)), env={"COLUMNS": "200"})


@pytest.fixture(scope="module")
def image_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("openface") / "face.png"
    path.write_bytes(png.encode(portrait()))
    return path


@NEEDS_EXACT
def test_every_tensor_equals_the_cores(image_path: Path, tmp_path: Path) -> None:
    for backend in ("openface", "core"):
        path = tmp_path / f"{backend}.npz"
        assert run("dump", image_path, "-o", path, "--backend", backend).exit_code == 0
    original, core = (Trace.load(tmp_path / f"{name}.npz") for name in ("openface", "core"))
    assert original.names == core.names
    for name in core:
        assert original[name].dtype == core[name].dtype, name
        assert original[name].tobytes() == core[name].tobytes(), name
    layers = {name.rpartition("/")[2] for name in core if "/crop" in name or "/level" in name}
    assert {layer for names in Model.default().layer_names.values() for layer in names} <= layers
    assert len(core["final/boxes"]) == 1
    made_by = original.manifest.made_by
    what = "source" if IS_SOURCE else f"{describe()['kind']} library"
    assert made_by["openface"].startswith(f"{what} {WHERE}")
    assert made_by["sums"] == describe()["sums"]
    assert describe()["sha256"] in made_by["openface"]
    assert made_by["opencv"][0].isdigit()
    assert made_by["final boxes and scores"] == "OpenFace's DetectFaces"
    assert "OpenFace's ONet" in made_by["final landmarks"]
    assert made_by["blas"]


@NEEDS_EXACT
def test_the_collage_equals_the_record() -> None:
    """Six faces of several sizes, against what the original recorded."""
    case = next(case for case in gold_results.cases() if case["image"] == "collage.png")
    options = {"min_face": case["min_face"]} if "min_face" in case else {}
    image = gold_results.case_image(case)
    faces = Detector(backend="openface", **options).detect(image)
    assert faces == Detector(**options).detect(image)
    assert len(faces) > 1


@NEEDS_EXACT
def test_compare_says_so(image_path: Path, tmp_path: Path) -> None:
    done = run("compare", image_path, "--a", "openface", "--b", "core", "--no-annotated")
    assert done.exit_code == 0
    assert "no divergence in" in done.stdout
    assert "note: according to the manifest of a (not verified), OpenFace computed its layers" in done.stdout


@NEEDS_STUB
@pytest.mark.parametrize(
    ("kernel", "first"),
    [
        ("10x3", "pnet/level00/conv1"),
        ("48x28", "rnet/crop000/conv2"),
        ("64x32", "onet/crop000/conv2"),
    ],
)
def test_a_planted_fault_is_found_by_name(
    image_path: Path, monkeypatch: pytest.MonkeyPatch, kernel: str, first: str
) -> None:
    monkeypatch.setenv("MTCNN_STUB", f"transpose={kernel}")
    done = run("compare", image_path, "--a", "core", "--b", "openface", "--no-annotated")
    assert done.exit_code == 1
    assert f"first divergence: {first} " in done.stdout


@NEEDS_STUB
def test_noise_in_the_last_bits(image_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the documented tolerances it passes, and the report shows the noise; without, it fails."""
    page = (Path(__file__).parents[2] / "docs" / "openface.md").read_text("utf-8")
    assert " ".join(NOISE) in page
    monkeypatch.setenv("MTCNN_STUB", "noise")
    arguments = ["compare", image_path, "--a", "openface", "--b", "core", "--no-annotated"]
    exact = run(*arguments)
    assert exact.exit_code == 1
    assert "first divergence: pnet/level00/conv1" in exact.stdout
    done = run(*arguments, *NOISE, "--format", "json")
    assert done.exit_code == 0
    rows = {row["name"]: row for row in json.loads(done.stdout)["tensors"]}
    assert rows["pnet/level00/input"]["verdict"] == "identical"
    assert rows["pnet/level00/conv1"]["verdict"] == "close"
    assert 0 < rows["pnet/level00/conv1"]["figures"]["absolute"]["maximum"] < 1e-4
    assert rows["final/boxes"]["verdict"] in ("close", "identical")


@NEEDS_EXACT
def test_the_report(image_path: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs mtcnn-cpp[report]")
    pytest.importorskip("jinja2", reason="needs mtcnn-cpp[report]")
    page = tmp_path / "report.html"
    done = run("compare", image_path, "--a", "openface", "--no-annotated", "--html", page)
    assert done.exit_code == 0
    assert "OpenFace&#39;s DetectFaces" in page.read_text("utf-8")


@NEEDS_EXACT
@pytest.mark.parametrize("stage", STAGES)
def test_networks_and_layers(stage: str) -> None:
    """`forward`, and what `layer` can and cannot do."""
    core, original = Detector().engine.backend, Detector(backend="openface").engine.backend
    side = STAGES[stage].side or 30  # type: ignore[index]
    maps = np.random.default_rng(3).normal(size=(2, 3, side, side)).astype(np.float32)
    assert original.forward(stage, maps).tobytes() == core.forward(stage, maps).tobytes()  # type: ignore[arg-type]
    first = original.layer(stage, "conv1", maps[0])  # type: ignore[arg-type]
    assert first.tobytes() == core.layer(stage, "conv1", maps[0]).tobytes()  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"cannot run a single layer.*compare without --isolated"):
        original.layer(stage, "prelu1", first)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="has no layer 'conv9'"):
        original.layer(stage, "conv9", first)  # type: ignore[arg-type]


@NEEDS_OPENFACE
def test_isolated_is_refused(image_path: Path) -> None:
    done = run("compare", image_path, "--b", "openface", "--isolated", "--no-annotated")
    assert done.exit_code == 2
    assert "compare without --isolated" in done.stderr


@NEEDS_OPENFACE
def test_hooks_see_the_original(image_path: Path) -> None:
    seen: dict[str, np.ndarray] = {}
    detector = Detector(backend="openface")
    with detector.hook("*", lambda name, array: seen.update({name: array})):
        faces = detector.detect(image_path)
    assert list(seen) == list(Detector().trace(image_path))
    assert not any(array.flags.writeable for array in seen.values())
    assert seen["final/boxes"].tobytes() == faces.boxes.tobytes()


@NEEDS_OPENFACE
def test_what_the_original_does_not_have(image_path: Path, tmp_path: Path) -> None:
    for options, message in (
        ({"min_face": 60.5}, "min_face: OpenFace needs a whole number of pixels below 2"),
        ({"scale_factor": 0.7}, "scale_factor: OpenFace has the fixed value 0.709, got 0.7"),
    ):
        with pytest.raises(ValueError, match=message):
            Detector(backend="openface", **options).detect(image_path)
    detector = Detector(backend="openface")
    for kind, words in (
        (np.float32, "float32 pixels"),
        (np.float64, "float64 pixels"),
        (np.uint16, r"16 bits per channel \(uint16\)"),
    ):
        with pytest.raises(ValueError, match=f"8 bits per channel, got {words}"):
            detector.detect(portrait().astype(kind) * (256 if kind is np.uint16 else 1))
    path = tmp_path / "deep.png"
    cv2.imwrite(str(path), portrait().astype(np.uint16) * 256)
    with pytest.raises(ValueError, match="got 16 bits per channel"):
        FaceDetectorMTCNN(original=True).detect_faces(path)
    with pytest.raises(ValueError, match="OpenFace ends the program"):
        detector.detect(portrait()[:30])
    four = np.dstack([portrait(), portrait()[..., :1]])
    assert detector.detect(four) == detector.detect(portrait())
    assert detector.detect(portrait()[..., ::-1], color="rgb") == detector.detect(portrait())


@NEEDS_EXACT
def test_own_networks(image_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They reach the original, through a folder that is gone afterwards."""
    arrays = dict(Model.default().arrays())
    arrays["onet/fc2/bias"] = arrays["onet/fc2/bias"] + np.float32(0.125)
    model = Model.from_arrays(arrays)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    faces = Detector(model, backend="openface").detect(image_path)
    assert faces == Detector(model).detect(image_path)
    assert faces != Detector().detect(image_path)
    assert not os.listdir(tmp_path)


@NEEDS_EXACT
def test_pickles_and_streams(image_path: Path) -> None:
    detector = pickle.loads(pickle.dumps(Detector(backend="openface", min_face=40)))
    assert detector.backend == "openface"
    expected = Detector(min_face=40).detect(image_path)
    assert detector.detect_batch([image_path] * 5) == [expected] * 5
    assert detector.replace(min_face=60).detect(image_path) == Detector().detect(image_path)


@NEEDS_OPENFACE
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Python's own, of forks beside threads
def test_a_fork_makes_its_own(image_path: Path) -> None:
    detector = Detector(backend="openface")
    expected = detector.detect(image_path).boxes.tobytes()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, detector.detect(image_path).boxes.tobytes())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 1000) == expected


@NEEDS_EXACT
def test_under_the_originals_name(image_path: Path, tmp_path: Path) -> None:
    ours, original = FaceDetectorMTCNN(), FaceDetectorMTCNN(original=True)
    for found, expected in zip(
        original.detect_faces(image_path, 40), ours.detect_faces(image_path, 40), strict=True
    ):
        assert found.tobytes() == expected.tobytes()
    assert "original=True" in repr(original)
    assert "original=True" in repr(pickle.loads(pickle.dumps(original)))
    Model.default().save(tmp_path)
    original.read(tmp_path)
    with pytest.raises(ValueError, match="whole number of pixels"):
        original.detect_faces(image_path, 60.5)
    names: list[str] = []
    with original.hook("onet/crop*/conv4", lambda name, array: names.append(name)):
        original.detect_faces(image_path)
    assert names


@NEEDS_EXACT
def test_info_and_notes(image_path: Path) -> None:
    found = json.loads(run("info", "--format", "json").stdout)["openface"]
    assert found == {"state": "bound", **describe()}
    assert found["kind"] in (("source",) if IS_SOURCE else ("static", "shared"))
    words = "ordered sums" if found["sums"] == "ordered" else "sums computed by its BLAS"
    assert found["library"].startswith(WHERE)
    assert f"{words}" in " ".join(run("info").stdout.split())
    done = run("detect", image_path, "--backend", "openface", "--format", "json")
    assert done.stderr.startswith("note: landmarks: OpenFace's ONet on the boxes of mtcnn_cpp's cascade")
    assert json.loads(done.stdout) == json.loads(run("detect", image_path, "--format", "json").stdout)


@pytest.mark.skipif(not BOUND, reason="this build is bound to an OpenFace")
def test_a_build_without_it(image_path: Path) -> None:
    message = (
        r"this build has no OpenFace; reinstall with pip install \. "
        r"-C cmake.define.MTCNN_CPP_OPENFACE_SOURCE=FOLDER, a checkout of OpenFace, or "
        r"-C cmake.define.MTCNN_CPP_OPENFACE=PREFIX"
    )
    with pytest.raises(ImportError, match=message):
        Detector(backend="openface")
    with pytest.raises(ImportError, match=message):
        FaceDetectorMTCNN(original=True)
    done = run("detect", image_path, "--backend", "openface")
    assert done.exit_code == 2
    assert done.stderr.startswith("error: this build has no OpenFace; reinstall with ")
    assert json.loads(run("info", "--format", "json").stdout)["openface"]["state"].startswith(
        "this build has"
    )


def test_the_core_carries_no_trace() -> None:
    """Whether or not a build has OpenFace, the module of the core has none of it."""
    from mtcnn_cpp import _core

    data = Path(_core.__file__).read_bytes()
    assert b"mtcnn" in data
    assert not [word for word in (b"OpenFace", b"LandmarkDetector", b"libopencv", b"_ZN2cv") if word in data]


def test_options() -> None:
    check_options(Options(40.0))
    with pytest.raises(ValueError, match="min_face"):
        check_options(Options(2.0**31))


def test_landmarks_of_boxes_that_no_other_is_near() -> None:
    boxes = np.array([[10, 10, 50, 50], [300, 10, 50, 50]], np.float32)
    near = boxes[:1] + np.float32(0.0001)
    points = np.arange(10, dtype=np.float32).reshape(1, 5, 2)
    found = nearest_landmarks(boxes, (near, np.ones(1, np.float32), points))
    assert (found[0] == points[0]).all()
    assert np.isnan(found[1]).all()
    nothing = (np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty((0, 5, 2), np.float32))
    assert np.isnan(nearest_landmarks(boxes, nothing)).all()


def test_a_note_names_the_original() -> None:
    arrays = {"final/scores": np.ones(2, np.float32)}
    trace = Trace.from_arrays(arrays, made_by={"openface": "shared library /opt/x.so"})
    notes = compare(Trace.from_arrays(arrays), trace).notes
    assert any(
        note.startswith("according to the manifest of b (not verified), OpenFace")
        and note.endswith("/opt/x.so")
        for note in notes
    )
