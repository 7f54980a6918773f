"""Many pictures at a time: the results of one at a time, in order, and errors with their index."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mtcnn_cpp
import numpy as np
import PIL.Image
import pytest
from mtcnn_cpp import BatchError, Detector
from pictures import portrait


@pytest.fixture(scope="module")
def images() -> list[Any]:
    """Pictures of several sizes, with and without a face."""
    portrait = mtcnn_cpp.sample_image()
    flat = np.full((90, 130, 3), 127, np.uint8)
    return [
        portrait,
        flat,
        portrait[:300, :400],
        portrait[:, ::-1],
        flat[:20, :20],
        portrait[100:420, 60:380],
    ]


@pytest.mark.parametrize("threads", [1, 2, 3, 7, 16])
def test_a_batch_equals_one_at_a_time(images: list[Any], threads: int) -> None:
    expected = [Detector(threads=1).detect(image) for image in images]
    assert any(expected)
    assert Detector(threads=threads).detect_batch(images) == expected


def test_a_stream_equals_a_batch_and_takes_any_iterable(images: list[Any]) -> None:
    detector = Detector(threads=2)
    assert list(detector.detect_stream(iter(images))) == detector.detect_batch(images)
    assert detector.detect_batch([]) == []


@pytest.mark.parametrize("threads", [1, 3])
def test_a_bad_picture_raises_with_its_index(images: list[Any], threads: int) -> None:
    with pytest.raises(BatchError, match=r"^image 2: image must be .* got \(3, 40, 40\)") as caught:
        Detector(threads=threads).detect_batch([*images[:2], np.zeros((3, 40, 40), np.uint8), *images[2:]])
    assert caught.value.index == 2
    assert isinstance(caught.value.__cause__, ValueError)


@pytest.mark.parametrize("threads", [1, 3])
def test_skip_yields_the_error_in_its_place(images: list[Any], threads: int) -> None:
    detector = Detector(threads=threads)
    results = detector.detect_batch([images[0], None, images[1]], on_error="skip")
    assert results[0] == detector.detect(images[0])
    assert isinstance(results[1], TypeError)
    assert results[2] == detector.detect(images[1])


def test_an_unknown_on_error_is_refused_at_once(images: list[Any]) -> None:
    with pytest.raises(ValueError, match="on_error must be 'raise' or 'skip', got 'ignore'"):
        Detector().detect_stream(images, on_error="ignore")  # type: ignore[call-overload]


def test_a_stream_reads_only_a_few_pictures_ahead(images: list[Any]) -> None:
    taken = 0

    def endless() -> Iterator[Any]:
        nonlocal taken
        while True:
            taken += 1
            yield images[1]

    results = Detector(threads=2).detect_stream(endless())
    for done in range(1, 50):
        next(results)
        assert taken <= done + 4
    results.close()  # type: ignore[attr-defined]  # a generator
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("mtcnn_cpp")]


def test_an_error_of_the_iterable_reaches_the_caller_and_ends_the_threads(images: list[Any]) -> None:
    def broken() -> Iterator[Any]:
        yield images[0]
        raise OSError("no more pictures")

    with pytest.raises(OSError, match="no more pictures"):
        Detector(threads=2).detect_batch(broken())
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("mtcnn_cpp")]


def test_hooks_see_a_batch_in_order_on_the_calling_thread(images: list[Any]) -> None:
    detector = Detector(threads=3)
    seen: list[tuple[int, int]] = []
    with detector.hook("final/scores", lambda name, array: seen.append((threading.get_ident(), len(array)))):
        results = detector.detect_batch(images)
    assert seen == [(threading.get_ident(), len(result)) for result in results]


@pytest.mark.parametrize(
    "one",
    [portrait(), portrait()[..., 0], "face.png", Path("face.png"), b"face.png", PIL.Image.new("RGB", (9, 9))],
    ids=lambda one: type(one).__name__,
)
def test_one_picture_is_no_batch(one: Any) -> None:
    for many in (Detector().detect_batch, Detector().detect_stream):
        with pytest.raises(TypeError, match=r"got one picture \(\w+\); use detect\(image\), or \[image\]"):
            many(one)


def test_an_array_of_pictures_is_a_batch() -> None:
    assert Detector().detect_batch(np.stack([portrait(), portrait()])) == [Detector().detect(portrait())] * 2
