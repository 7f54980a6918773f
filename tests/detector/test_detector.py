"""The detector: options, pickling, use by several threads."""

from __future__ import annotations

import concurrent.futures
import copy
import functools
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from bad_options import BAD_OPTIONS
from images import BACKENDS, OTHER_BACKEND, portrait
from mtcnn_cpp import Detections, Detector, Model, sample_image
from mtcnn_cpp.types import BackendName, StageName, VariantName


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("options", "kind", "message"), BAD_OPTIONS)
def test_bad_option(options: dict[str, Any], kind: type[Exception], message: str, backend: str) -> None:
    with pytest.raises(kind, match=message):
        Detector(**options, backend=backend)


def test_bad_backend() -> None:
    with pytest.raises(ValueError, match=r"backend must be one of core, .*reference.*, got 'gpu'"):
        Detector(backend="gpu")


@pytest.mark.parametrize("backend", BACKENDS)
def test_sample_image_gives_the_box_of_the_original(backend: str) -> None:
    """Values of `astronaut.png` with min_face 60. Uses only files of the package."""
    faces = Detector(backend=backend).detect(sample_image())
    if OTHER_BACKEND:
        assert faces == Detector().detect(sample_image())
        return
    assert [value.hex() for value in faces.boxes[0].tolist()] == [
        "0x1.66a3980000000p+7",
        "0x1.5d1d200000000p+6",
        "0x1.6ed3580000000p+6",
        "0x1.6ddd640000000p+6",
    ]
    assert [value.hex() for value in faces.scores.tolist()] == ["0x1.fff5120000000p-1"]
    assert faces.landmarks.shape == (1, 5, 2)


@pytest.mark.parametrize("backend", BACKENDS)
def test_backend_name(backend: str) -> None:
    name = Detector(backend=backend).backend
    assert name == backend or (backend == "core" and name in get_args(VariantName))


@pytest.mark.parametrize("backend", BACKENDS)
def test_shapes_and_dtypes_of_results(backend: str) -> None:
    faces = Detector(backend=backend).detect(portrait())
    for name, shape in (("boxes", (1, 4)), ("scores", (1,)), ("landmarks", (1, 5, 2))):
        array = getattr(faces, name)
        assert array.shape == shape
        assert array.dtype == np.float32
        assert not array.flags.writeable
    assert faces.image_size == portrait().shape[:2]


@pytest.mark.parametrize("backend", BACKENDS)
def test_options_reach_the_cascade(backend: str) -> None:
    """Each option changes the result."""
    standard = faces_of_portrait(backend)
    assert len(Detector(backend=backend, min_face=161).detect(portrait())) == 0
    assert len(Detector(backend=backend, thresholds=(1, 0.7, 0.7)).detect(portrait())) == 0
    assert len(Detector(backend=backend, thresholds=(0.6, 1, 0.7)).detect(portrait())) == 0
    assert len(Detector(backend=backend, thresholds=(0.6, 0.7, 1)).detect(portrait())) == 0
    assert Detector(backend=backend, scale_factor=0.8).detect(portrait()) != standard


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("threads", [None, 1, 2, 7, np.int64(3)])
def test_threads_do_not_change_results(threads: int | None, backend: str) -> None:
    assert Detector(threads=threads, backend=backend).detect(portrait()) == faces_of_portrait(backend)


@functools.cache
def faces_of_portrait(backend: str) -> Detections:
    return Detector(threads=1, backend=backend).detect(portrait())


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_detector_in_many_threads(backend: str) -> None:
    detector = Detector(backend=backend, threads=1)
    images = [portrait(), portrait()[:, ::-1], portrait()[::-1], portrait()[:90]]
    expected = [detector.detect(image) for image in images]
    times = 1 if backend == "reference" else 2
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert list(pool.map(detector.detect, images * times)) == expected * times


@pytest.mark.parametrize("backend", BACKENDS)
def test_pickle_and_copy(backend: str, tmp_path: Path) -> None:
    options = {"min_face": 80, "thresholds": (0.5, 0.6, 0.7), "scale_factor": 0.6, "threads": 2}
    detector = Detector(**options, backend=backend)
    data = pickle.dumps(detector)
    assert len(data) < 1000  # the bundled networks are not in the pickle
    for same in (pickle.loads(data), copy.copy(detector), copy.deepcopy(detector)):
        assert repr(same) == repr(detector)
        assert same.options == detector.options
    assert pickle.loads(data).detect(portrait()) == detector.detect(portrait())


def test_defaults_are_none() -> None:
    detector = Detector()
    for same in (detector, pickle.loads(pickle.dumps(detector)), detector.replace(min_face=30)):
        assert (same.threads, same.memory_limit) == (None, None)
        assert "threads" not in repr(same)
        assert "memory_limit" not in repr(same)
    limited = detector.replace(threads=1, memory_limit=10**9)
    assert (limited.threads, limited.memory_limit) == (1, 10**9)
    assert limited.replace(threads=None, memory_limit=None).engine.threads == detector.engine.threads


def model_with_other_bias() -> Model:
    arrays = dict(Model.default().arrays())
    arrays["pnet/conv1/bias"] = arrays["pnet/conv1/bias"] + np.float32(0.125)
    return Model.from_arrays(arrays)


@pytest.mark.parametrize("backend", BACKENDS)
def test_own_model(backend: str, tmp_path: Path) -> None:
    """A model object, its folder and its index file give the same results, also after pickling."""
    model = model_with_other_bias()
    model.save(tmp_path)
    detector = Detector(model, backend=backend, min_face=100)
    faces = detector.detect(portrait())
    assert len(faces) == 1
    assert faces != Detector(backend=backend, min_face=100).detect(portrait())
    for same in (
        Detector(tmp_path, backend=backend, min_face=100),
        Detector(str(tmp_path / "MTCNN_detector.txt"), backend=backend, min_face=100),
        pickle.loads(pickle.dumps(detector)),
    ):
        assert same.model.hashes() == model.hashes()
        assert same.detect(portrait()) == faces


@pytest.mark.parametrize("backend", BACKENDS)
def test_backend_runs_layers_and_networks(backend: str) -> None:
    """The layers in sequence give the same bits as the complete network."""
    detector = Detector(backend=backend)
    running_backend = detector.engine.backend
    rng = np.random.default_rng(5)
    stages: tuple[tuple[StageName, int], ...] = (("pnet", 25), ("rnet", 24), ("onet", 48))
    for stage, side in stages:
        batch = rng.uniform(-1, 1, (2, 3, side, side)).astype(np.float32)
        whole = running_backend.forward(stage, batch)
        for maps, expected in zip(batch, whole, strict=True):
            for name in getattr(detector.model, stage).names:
                maps = running_backend.layer(stage, name, maps)
            assert np.array_equal(maps.view(np.uint32), expected.view(np.uint32))


def test_repr() -> None:
    options = "min_face=60.0, thresholds=(0.6, 0.7, 0.7), scale_factor=0.709"
    assert repr(Detector(backend="reference")) == f"Detector({options}, backend='reference')"
    assert (
        repr(Detector(backend="reference", threads=2))
        == f"Detector({options}, threads=2, backend='reference')"
    )


def test_attributes_are_read_only() -> None:
    detector = Detector(backend="reference")
    for name in ("model", "options", "threads", "backend", "workers"):
        with pytest.raises(AttributeError):
            setattr(detector, name, None)


@pytest.mark.parametrize("backend", BACKENDS)
def test_works_without_opencv(backend: str) -> None:
    """Without OpenCV, arrays and the sample work and a notebook shows text; other uses raise ImportError."""
    script = f"""
import sys
sys.modules["cv2"] = None  # any import of it now fails
import mtcnn_cpp
faces = mtcnn_cpp.Detector(backend={backend!r}).detect(mtcnn_cpp.sample_image()[52:212, 136:312])
assert len(faces) == 1
assert faces._repr_png_() is None
assert [crop.shape for crop in faces.crops(mtcnn_cpp.sample_image())]
for needs_it in (
    lambda: mtcnn_cpp.Detector(backend={backend!r}).detect({__file__!r}),
    lambda: mtcnn_cpp.annotate(mtcnn_cpp.sample_image(), faces),
    lambda: faces.aligned(mtcnn_cpp.sample_image()),
):
    try:
        needs_it()
    except ImportError as error:
        assert "needs OpenCV, but `import cv2` failed" in str(error), error
        assert "opencv-python-headless" in str(error), error
    else:
        raise AssertionError("no error")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_immutable() -> None:
    detector = Detector(min_face=50, thresholds=[0.5, 0.6, 0.7], threads=2)
    assert detector.min_face == 50.0
    assert detector.thresholds == (0.5, 0.6, 0.7)
    assert detector.scale_factor == 0.709
    assert detector.threads == 2
    assert detector.providers is None
    with pytest.raises(
        AttributeError, match=r"is immutable; create a changed one: detector.replace\(min_face=…\)"
    ):
        detector.min_face = 200  # type: ignore[misc]
    with pytest.raises(AttributeError, match="is immutable"):
        del detector.min_face
    assert detector.min_face == 50.0


@pytest.mark.parametrize("backend", BACKENDS)
def test_replace(backend: BackendName) -> None:
    detector = Detector(backend=backend)
    larger = detector.replace(min_face=100)
    assert (detector.min_face, larger.min_face) == (60, 100)
    assert larger.engine.backend is detector.engine.backend  # the networks are not loaded again
    assert larger.detect(portrait()) == Detector(min_face=100, backend=backend).detect(portrait())
    assert pickle.loads(pickle.dumps(larger)).min_face == 100
    assert detector.replace(threads=1).threads == 1
    assert detector.replace(backend="reference").backend == "reference"
    with pytest.raises(TypeError, match=r"replace expects the arguments model, min_face, .*, got minface"):
        detector.replace(minface=3)
    with pytest.raises(ValueError, match=r"min_face must be .* got 0"):
        detector.replace(min_face=0)


def test_replace_does_not_copy_hooks() -> None:
    detector = Detector()
    other = detector.replace(min_face=40)
    seen: list[str] = []
    with detector.hook("final/*", lambda name, array: seen.append(name)):
        other.detect(portrait())
        assert not seen
        detector.detect(portrait())
    assert seen


def test_detector_is_callable() -> None:
    assert Detector()(portrait()) == Detector().detect(portrait())


def test_memory_limit() -> None:
    """12 megapixels with thresholds of 0 raise MemoryError at once; the detector is usable afterwards."""
    everything = Detector(min_face=1, thresholds=(0, 0, 0), memory_limit=2 * 10**9)
    assert everything.memory_limit == 2 * 10**9
    assert "memory_limit=2000000000" in repr(everything)
    with pytest.raises(MemoryError, match=r"need .* GB of memory or more, the limit is 2\.0 GB"):
        everything.detect(np.zeros((3000, 4000, 3), np.uint8))
    usual = everything.replace(min_face=60, thresholds=(0.6, 0.7, 0.7))
    assert usual.detect(portrait()) == Detector().detect(portrait())
