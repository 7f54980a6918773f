"""Traces of real detections: equal on every backend, and equal to the values of the original program."""

from __future__ import annotations

import functools
import pickle
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gold_results import load_image, tensors
from images import BACKENDS, FAST, portrait
from mtcnn_cpp import Detector
from mtcnn_cpp.media.image.pixels import to_pixels
from mtcnn_cpp.trace import Trace, TraceError, capture, compare
from mtcnn_cpp.trace.capture import estimate_size

GOLD = Path(__file__).parents[1] / "gold"


@functools.cache
def detector(backend: str) -> Detector:
    return Detector(backend=backend)


@functools.cache
def collage(backend: str) -> Trace:
    return detector(backend).trace(load_image("collage.png"))


@functools.cache
def small(backend: str) -> Trace:
    return detector(backend).trace(portrait())


@pytest.mark.parametrize("backend", BACKENDS)
def test_trace_of_collage_equals_the_original_in_every_tensor(backend: str) -> None:
    trace = collage(backend)
    gold = tensors()
    assert len(gold) > 100
    report = compare(Trace.from_arrays(gold), trace, only=list(gold))
    assert report.counts == {"identical": len(gold)}


@pytest.mark.parametrize("backend", BACKENDS)
def test_trace_of_collage_equals_the_reference_in_every_tensor(backend: str) -> None:
    report = compare(collage("reference"), collage(backend))
    assert report.counts == {"identical": len(collage("reference"))}
    assert len(report.tensors) > 1500
    assert not any("order" in note for note in report.notes)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ["collage", "astronaut"])
def test_gold_traces_in_the_repository(backend: str, name: str) -> None:
    gold = Trace.load(GOLD / f"{name}.trace.npz")
    assert gold.manifest.capture == "hash"
    found = collage(backend) if name == "collage" else detector(backend).trace(load_image("astronaut.png"))
    report = compare(gold, found)
    assert report.counts == {"identical": len(gold)}


def test_gold_trace_of_collage_is_the_original() -> None:
    gold = Trace.load(GOLD / "collage.trace.npz")
    hashes = Trace.from_arrays(tensors(), capture="hash")
    report = compare(hashes, gold, only=hashes.names)
    assert report.counts == {"identical": len(hashes)}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("threads", [1, 2, 7])
def test_threads_make_no_difference(backend: str, threads: int) -> None:
    trace = Detector(backend=backend, threads=threads).trace(portrait(), capture="hash")
    assert trace.names == small("reference").names
    assert compare(small("reference"), trace).ok


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_hook_does_not_change_the_result(backend: str) -> None:
    faces, trace = detector(backend).detect(portrait()), small(backend)
    assert len(faces) == 1
    for name in ("boxes", "scores", "landmarks"):
        assert getattr(faces, name).tobytes() == trace[f"final/{name}"].tobytes()


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_path_without_a_hook_has_the_same_bits(backend: str) -> None:
    """Whole networks and whole detections without a hook equal the layers that a hook receives."""
    image, make = load_image("collage.png"), collage
    if backend == "reference":  # slow
        image, make = portrait(), small
    trace, run = make(backend), detector(backend)
    faces = run.detect(image)
    assert len(faces) == (1 if backend == "reference" else 6)
    for name in ("boxes", "scores", "landmarks"):
        assert getattr(faces, name).tobytes() == trace[f"final/{name}"].tobytes()
    places = {name.rpartition("/")[0] for name in trace if name.endswith("/input")}
    for stage, last, count in (("pnet", "fc1", 3), ("rnet", "fc2", 7), ("onet", "fc2", 7)):
        chosen = sorted(place for place in places if place.startswith(stage))[-count:]
        inputs = [np.ascontiguousarray(trace[f"{place}/input"]) for place in chosen]
        batches = [part[None] for part in inputs] if stage == "pnet" else [np.stack(inputs)]
        outputs = [part for batch in batches for part in run.engine.backend.forward(stage, batch)]  # type: ignore[arg-type]
        for place, output in zip(chosen, outputs, strict=True):
            assert output.tobytes() == trace[f"{place}/{last}"].tobytes(), place


@pytest.mark.parametrize("backend", BACKENDS)
def test_hooks_receive_the_tensors_of_the_trace(backend: str) -> None:
    received: dict[str, np.ndarray] = {}
    others: list[str] = []

    def receive(name: str, array: np.ndarray) -> None:
        assert not array.flags.writeable
        received[name] = array.copy()

    with detector(backend).hook("rnet/*/conv2", receive), detector(backend).hook("final/*", receive):
        with detector(backend).hook("final/boxes", lambda name, array: others.append(name)):
            detector(backend).detect(portrait()[:70])
        detector(backend).detect(portrait()[:70])
        assert others == ["final/boxes"]
        received.clear()
        detector(backend).detect(portrait())
    detector(backend).detect(portrait()[:70])
    trace = small(backend)
    expected = [
        name for name in trace if name.startswith("final/") or (name.endswith("conv2") and "rnet" in name)
    ]
    assert list(received) == expected
    assert all(array.tobytes() == trace[name].tobytes() for name, array in received.items())


@pytest.mark.parametrize("backend", BACKENDS)
def test_arrays_that_a_hook_keeps_do_not_change(backend: str) -> None:
    kept: dict[str, np.ndarray] = {}
    with detector(backend).hook("*", kept.__setitem__):
        detector(backend).detect(portrait())
    detector(backend).detect(portrait()[:100:-1])
    trace = small(backend)
    assert list(kept) == list(trace)
    assert all(array.tobytes() == trace[name].tobytes() for name, array in kept.items())


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_caller_receives_the_exception_of_a_hook(backend: str) -> None:
    class HookError(Exception):
        pass

    error, received = HookError("enough"), []

    def receive(name: str, array: np.ndarray) -> None:
        received.append(name)
        if name == "pnet/level01/conv2":
            raise error

    with pytest.raises(HookError) as caught, detector(backend).hook("*", receive):
        detector(backend).detect(portrait())
    assert caught.value is error
    assert received[-1] == "pnet/level01/conv2"
    assert len(detector(backend).detect(portrait())) == 1


def test_a_hook_belongs_to_its_detector_and_thread() -> None:
    shared, other, received = detector(FAST), Detector(backend=FAST), []
    with shared.hook("final/boxes", lambda name, array: received.append(name)):
        other.detect(portrait())
        thread = threading.Thread(target=shared.detect, args=[portrait()])
        thread.start()
        thread.join()
        assert not received
        shared.trace(portrait())
        assert received == ["final/boxes"]


@pytest.mark.parametrize(
    ("pattern", "nearest"),
    [
        ("pnet/level02/covn1", r"pnet/level\*/conv1"),
        ("pnet/*/conv9", r"pnet/level\*/conv"),
        ("final/box", "final/boxes"),
        ("RNET/*", r"rnet/"),
    ],
)
def test_patterns_that_match_no_name(pattern: str, nearest: str) -> None:
    message = rf"pattern '{pattern.replace('*', '.*')}' matches no tensor name; the nearest: .*{nearest}"
    with pytest.raises(TraceError, match=message), detector(FAST).hook(pattern, print):
        pass
    with pytest.raises(TraceError, match=message):
        detector(FAST).trace(portrait(), only=["final/*", pattern])


@pytest.mark.parametrize(
    "pattern", ["pnet/level77/conv1", "rnet/crop1234/fc1", "*", "*/*_keep", "onet/crop9?9/conv4"]
)
def test_patterns_that_can_match_a_name(pattern: str) -> None:
    with detector(FAST).hook(pattern, print):
        pass


def test_only_and_capture_levels(tmp_path: Path) -> None:
    trace = detector(FAST).trace(portrait(), only=["pnet/level01/*", "*/boxes"], capture="stats")
    matching = [name for name in small(FAST) if name.startswith("pnet/level01/") or name.endswith("/boxes")]
    assert list(trace) == matching
    entry = trace.info("pnet/level01/conv1")
    values = small(FAST)["pnet/level01/conv1"]
    assert entry.statistics is not None
    assert entry.statistics.maximum == values.max()
    with pytest.raises(
        TypeError, match=r"'only' must be a sequence of patterns, got the string .* write \['\*'\]"
    ):
        detector(FAST).trace(portrait(), only="*")
    with pytest.raises(TraceError, match="capture must be one of names, stats, hash, full, got 'some'"):
        detector(FAST).trace(portrait(), capture="some")


def test_dump_writes_the_same_trace(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    manifest = capture.dump(detector("reference").engine, to_pixels(portrait()), path)
    found = Trace.load(path)
    assert found.manifest == manifest == small("reference").manifest
    assert compare(small("reference"), found).ok
    assert np.array_equal(found.image, portrait())
    assert manifest.options == {"min_face": 60.0, "thresholds": [0.6, 0.7, 0.7], "scale_factor": 0.709}
    assert manifest.model == detector("reference").model.hashes()
    assert manifest.made_by["backend"] == "reference"
    assert manifest.made_by["compiler"] == "none (NumPy)"
    again = tmp_path / "b.npz"
    found.save(again)
    assert again.read_bytes() == path.read_bytes()


def test_the_image_is_stored_as_bgr() -> None:
    rgb = np.ascontiguousarray(portrait()[..., ::-1])
    trace = detector(FAST).trace(rgb, color="rgb", only=["final/*"])
    assert trace.manifest == detector(FAST).trace(portrait(), only=["final/*"]).manifest
    assert np.array_equal(trace.image, portrait())


def test_the_wrong_color_is_reported() -> None:
    wrong = detector(FAST).trace(portrait(), color="rgb")
    with pytest.raises(TraceError, match="equal if red and blue are swapped: check the argument `color`"):
        compare(small(FAST), wrong)


def test_a_capture_beyond_the_limit_stops_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"exceeds .* GiB at pnet/level00/pool1; allow it"):
        capture.dump(detector(FAST).engine, to_pixels(portrait()), tmp_path / "a.npz", limit=100_000)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("height", "width"), [(160, 176), (97, 143)])
def test_the_estimate_equals_the_written_size(height: int, width: int) -> None:
    guess = estimate_size(detector(FAST).engine, height, width)
    trace = detector(FAST).trace(portrait()[:height, :width])
    maps = [entry for entry in trace.manifest.tensors if entry.layout not in _LISTS or "crop" in entry.name]
    found = {
        stage: sum(entry.nbytes for entry in maps if entry.name.startswith(stage))
        for stage in ("pnet/", "rnet/crop000", "onet/crop000")
    }
    assert guess.pnet == found["pnet/"] + height * width * 3
    assert found["rnet/crop000"] in (0, guess.rnet)
    assert found["onet/crop000"] in (0, guess.onet)
    assert guess.rnet > 0


_LISTS = {"box", "pick", "box, (x y width height)", "box, (dx1 dy1 dx2 dy2)"}


def test_traces_pickle(tmp_path: Path) -> None:
    back: Any = pickle.loads(pickle.dumps(small(FAST)))
    assert compare(small(FAST), back).ok
