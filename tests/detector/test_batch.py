"""Batches and streams: results equal single detections, keep their order, and errors have an index."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mtcnn_cpp
import numpy as np
import PIL.Image
import pytest
from images import portrait
from mtcnn_cpp import BatchError, Detector


@pytest.fixture(scope="module")
def images() -> list[Any]:
    """Return images of several sizes, with and without a face."""
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
def test_batch_equals_single_detections(images: list[Any], threads: int) -> None:
    expected = [Detector(threads=1).detect(image) for image in images]
    assert any(expected)
    assert Detector(threads=threads).detect_batch(images) == expected


def test_stream_equals_batch_for_any_iterable(images: list[Any]) -> None:
    detector = Detector(threads=2)
    assert list(detector.detect_stream(iter(images))) == detector.detect_batch(images)
    assert detector.detect_batch([]) == []


@pytest.mark.parametrize("threads", [1, 3])
def test_invalid_image_raises_with_its_index(images: list[Any], threads: int) -> None:
    with pytest.raises(BatchError, match=r"^image 2: image must be .* got \(3, 40, 40\)") as caught:
        Detector(threads=threads).detect_batch([*images[:2], np.zeros((3, 40, 40), np.uint8), *images[2:]])
    assert caught.value.index == 2
    assert isinstance(caught.value.__cause__, ValueError)


@pytest.mark.parametrize("threads", [1, 3])
def test_errors_are_returned_or_skipped(images: list[Any], threads: int) -> None:
    detector = Detector(threads=threads)
    given = [images[0], None, images[1]]
    results = detector.detect_batch(given, on_error="return")
    assert results[0] == detector.detect(images[0])
    assert isinstance(results[1], TypeError)
    assert results[2] == detector.detect(images[1])
    assert detector.detect_batch(given, on_error="skip") == [results[0], results[2]]
    assert list(detector.detect_stream(iter(given), on_error="skip")) == [results[0], results[2]]
    assert detector.detect_batch([None, None], on_error="skip") == []  # type: ignore[list-item]
    with pytest.raises(BatchError, match="image 1: "):
        detector.detect_batch(given)


def test_unknown_on_error_raises_at_once(images: list[Any]) -> None:
    with pytest.raises(ValueError, match="on_error must be one of raise, return, skip, got 'ignore'"):
        Detector().detect_stream(images, on_error="ignore")  # type: ignore[call-overload]


def test_stream_reads_few_images_ahead(images: list[Any]) -> None:
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


def test_error_of_the_iterable_ends_the_threads(images: list[Any]) -> None:
    def broken() -> Iterator[Any]:
        yield images[0]
        raise OSError("no more images")

    with pytest.raises(OSError, match="no more images"):
        Detector(threads=2).detect_batch(broken())
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("mtcnn_cpp")]


def test_hooks_of_a_batch_run_in_order_on_the_calling_thread(images: list[Any]) -> None:
    detector = Detector(threads=3)
    seen: list[tuple[int, int]] = []
    with detector.hook("final/scores", lambda name, array: seen.append((threading.get_ident(), len(array)))):
        results = detector.detect_batch(images)
    assert seen == [(threading.get_ident(), len(result)) for result in results]


@pytest.mark.parametrize("threads", [1, 3])
def test_a_hook_applies_to_detections_that_start_inside_the_block(images: list[Any], threads: int) -> None:
    """A stream starts a detection when it takes the image; where the stream was created does not matter."""
    detector = Detector(threads=threads)
    given, expected, seen = images * 3, detector.detect_batch(images * 3), []
    before = detector.detect_stream(iter(given))
    found = [next(before)]
    with detector.hook("final/scores", lambda name, array: seen.append(threading.get_ident())):
        inside = detector.detect_stream(iter(given))
        found += [next(before) for _ in range(4)]
    assert seen == [threading.get_ident()] * 4  # one image is taken for each result
    assert found + list(before) == expected
    assert list(inside) == expected
    assert detector.detect_batch(given) == expected
    assert len(seen) == 4  # nothing after the block


def test_detections_of_other_threads_do_not_call_the_hook(images: list[Any]) -> None:
    detector = Detector(threads=2)
    begin, found, seen = threading.Event(), [], []

    def run() -> None:
        begin.wait()
        found.extend([detector.detect(images[0]), *stream])

    other = threading.Thread(target=run)
    other.start()  # before the block, because a new thread of Python 3.14t inherits the context
    with detector.hook("final/scores", lambda name, array: seen.append(name)):
        stream = detector.detect_stream(images)
        begin.set()
        other.join()
    assert len(found) == 1 + len(images)
    assert seen == []


def test_hooks_in_asyncio(images: list[Any]) -> None:
    detector = Detector(threads=2)
    seen: list[str] = []

    async def detections(start: asyncio.Event, ready: asyncio.Event) -> None:
        await start.wait()
        assert detector.detect(images[0])
        assert detector.detect_batch(images[:2])
        ready.set()

    async def main() -> None:
        start, ready = asyncio.Event(), asyncio.Event()
        other = asyncio.create_task(detections(start, ready))
        with detector.hook("final/scores", lambda name, array: seen.append(name)):
            start.set()
            await ready.wait()  # the task from before the block ran in the meantime, without the hook
            assert seen == []
            await asyncio.to_thread(detector.detect, images[0])
            assert len(seen) == 1
            now, later = asyncio.Event(), asyncio.Event()
            inside = asyncio.create_task(detections(now, asyncio.Event()))
            after = asyncio.create_task(detections(later, asyncio.Event()))
            now.set()
            await inside
            assert len(seen) == 4
        later.set()
        await after
        await other
        assert len(seen) == 4

    asyncio.run(main())


@pytest.mark.parametrize("threads", [1, 3])
def test_an_exception_of_a_hook_is_that_of_the_image(images: list[Any], threads: int) -> None:
    detector = Detector(threads=threads)

    def fail(name: str, array: Any) -> None:
        raise LookupError(name)

    stream = detector.detect_stream(images, on_error="return")
    with detector.hook("final/scores", fail):
        found = [next(stream)]
    found += stream
    assert isinstance(found[0], LookupError)
    assert found[1:] == detector.detect_batch(images[1:])


@pytest.mark.parametrize(
    "image",
    [portrait(), portrait()[..., 0], "face.png", Path("face.png"), b"face.png", PIL.Image.new("RGB", (9, 9))],
    ids=lambda image: type(image).__name__,
)
def test_single_image_is_not_a_batch(image: Any) -> None:
    for method in (Detector().detect_batch, Detector().detect_stream):
        with pytest.raises(TypeError, match=r"got one image \(\w+\); use detect\(image\), or \[image\]"):
            method(image)


def test_array_of_images_is_a_batch() -> None:
    assert Detector().detect_batch(np.stack([portrait(), portrait()])) == [Detector().detect(portrait())] * 2
