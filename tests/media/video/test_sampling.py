"""Selection of frames: the arguments of `Sampling`, and the frames that it selects from times."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from mtcnn_cpp.media.video import Sampling
from mtcnn_cpp.media.video.sampling import parse_frame_range


@pytest.mark.parametrize(
    ("time", "seconds"),
    [
        (90, 90),
        (np.float32(2.5), 2.5),
        (np.int64(3), 3),
        ("90", 90),
        ("0", 0),
        ("70.5", 70.5),
        (".5", 0.5),
        ("1e2", 100),
        ("2:30", 150),
        ("2:05.25", 125.25),
        ("90:00", 5400),  # only fields after a colon must be below 60
        ("1:02:03.5", 3723.5),
        ("01:02:03.", 3723),
        ("100:00:00", 360_000),
        (" 0:00 ", 0),
    ],
)
def test_times(time: float | str, seconds: float) -> None:
    for name in ("start", "end"):
        value = getattr(Sampling(**{name: time}), name)  # type: ignore[arg-type]
        assert value == seconds
        assert isinstance(value, float)
    assert Sampling(start=time) == Sampling(start=seconds)


@pytest.mark.parametrize(
    "time",
    [
        *("", "x", "1:99:00", "0:60:00", "1:60", "1:2:3:4", "1:", ":1", "1::2", "-1:30", "1:-30", "1.5:30"),
        *("1:30s", "1h", "1:2,5", "1:nan", "1e1:00", "1:٣", "9" * 5000 + ":00"),
    ],
)
def test_text_that_is_no_time(time: str) -> None:
    message = (
        "start must be a time (seconds, m:s or h:m:s, with minutes and seconds below 60 after a colon), such "
        f"as 90, 2:30 or 1:02:03.5, got {time!r}"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        Sampling(start=time)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"every": 0}, ValueError, "'every' must be 1 (each frame) or more, got 0"),
        ({"every": 1.5}, TypeError, "'every' must be a whole number, got 1.5"),
        ({"start": -1}, ValueError, "start must be 0 or more seconds, got -1"),
        ({"start": "-1"}, ValueError, "start must be 0 or more seconds, got -1"),
        ({"end": float("nan")}, ValueError, "end must be 0 or more seconds, got nan"),
        ({"end": "inf"}, ValueError, "end must be 0 or more seconds, got inf"),
        ({"end": 10**400}, ValueError, "end must be a time"),
        ({"start": [1]}, TypeError, "start must be a time (seconds, m:s or h:m:s, with minutes and seconds"),
        ({"start": 2, "end": 1}, ValueError, "'end' must not lie before 'start', got start=2, end=1"),
        ({"frames": (5, 3)}, ValueError, "must not end before they begin, got 5:3"),
        ({"frames": (0, 4)}, ValueError, "frames must begin with frame 1 or later"),
        ({"frames": (None, 0)}, ValueError, "got :0"),
        ({"frames": (-1, None)}, ValueError, "got -1:"),
        (
            {"frames": (1.5, 3)},
            TypeError,
            "frames must be (first, last), two whole numbers or None, got (1.5, 3)",
        ),
        ({"frames": (1, 2, 3)}, TypeError, "got (1, 2, 3)"),
        ({"frames": 7}, TypeError, "got 7"),
        ({"frames": "1:2"}, TypeError, "got '1:2'"),
        ({"fps": 0}, ValueError, "fps must be more than 0 and at most 100000 frames per second, got 0"),
        ({"fps": -5.0}, ValueError, "per second, got -5.0"),
        ({"fps": float("nan")}, ValueError, "per second, got nan"),
        ({"fps": float("inf")}, ValueError, "per second, got inf"),
        ({"fps": 10**400}, ValueError, "per second, got 1000"),
        ({"fps": "5"}, TypeError, "fps must be a number of frames per second, got '5'"),
        ({"fps": 5, "every": 2}, ValueError, "'every' and 'fps' exclude each other, got every=2 and fps=5"),
        ({"start": "2:00", "end": 119}, ValueError, "'start', got start=2:00, end=119"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        Sampling(**arguments)


@pytest.mark.parametrize(
    ("text", "frames"),
    [("100:200", (100, 200)), ("100:", (100, None)), (":200", (None, 200)), (" 1:1 ", (1, 1))],
)
def test_frame_ranges(text: str, frames: tuple[int | None, int | None]) -> None:
    assert parse_frame_range(text) == frames
    assert str(Sampling(frames=frames)) == f"frames={text.strip()}"


@pytest.mark.parametrize(
    "text", ["", ":", "5", "a:b", "1:2:3", "1-5", "-1:5", "1.5:2", "1:٣", "9" * 5000 + ":"]
)
def test_text_that_is_no_frame_range(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"such as 100:200, 100: or :200, got {text!r}")):
        parse_frame_range(text)


def test_numbers_of_numpy() -> None:
    sampling = Sampling(np.int64(2), frames=(np.int32(1), None))  # type: ignore[arg-type]
    assert sampling.describe() == {"every": 2, "start": None, "end": None, "frames": [1, None], "fps": None}
    assert json.loads(json.dumps(Sampling(fps=np.float32(5), start=np.float32(1)).describe()))["fps"] == 5
    assert replace(sampling, every=3) == Sampling(3, frames=(1, None))


def test_no_limit() -> None:
    assert Sampling(frames=(None, None)) == Sampling()
    assert str(Sampling()) == ""


def nearest_frames(times: Sequence[int], sampling: Sampling) -> list[int]:
    """Search the frame that is nearest to each time with exact numbers. `times` are in ms."""
    start = round(1000 * (sampling.start or 0))
    later = [index for index, time in enumerate(times) if time >= start]
    if not later:
        return []
    different = sorted({times[index] for index in later})
    shown = different[-1] - different[-2] if len(different) > 1 else 0
    selected, target = set(), Fraction(start)
    while target <= times[later[-1]] + Fraction(shown, 2):
        selected.add(min(later, key=lambda index: (abs(times[index] - target), index)))
        target += Fraction(1000) / Fraction(sampling.fps or 0)
    first, last = sampling.frames or (None, None)
    return sorted(
        index
        for index in selected
        if (first or 1) <= index + 1 <= (last or len(times))
        and (sampling.end is None or times[index] <= 1000 * sampling.end)
    )


def test_nearest_frames_of_random_times() -> None:
    chance, counts = random.Random(3), set()
    for _ in range(400):
        steps = chance.choice([(40,), (33, 34), (1, 500), (7, 40, 300), (0, 20)])
        times = [0]
        for _ in range(chance.randrange(40)):
            times.append(times[-1] + chance.choice(steps))
        start = chance.choice([None, None, chance.randrange(1 + times[-1]) / 1000])
        end = chance.choice([None, None, (start or 0) + chance.randrange(1 + times[-1]) / 1000])
        first = chance.choice([None, None, chance.randrange(1, 30)])
        last = chance.choice([None, None, (first or 1) + chance.randrange(20)])
        fps = chance.choice([0.5, 1, 3, 5, 7, 10, 12.5, 24, 25, 30, 100])
        sampling = Sampling(start=start, end=end, frames=(first, last), fps=fps)
        selected = sampling.select(time / 1000 for time in times)
        assert selected == nearest_frames(times, sampling), (times, sampling)
        counts.add(len(selected))
    assert len(counts) > 15


@pytest.mark.parametrize(
    ("options", "selected"),
    [
        ({"fps": 5}, [0, 5, 10, 15, 20]),
        ({"fps": 25}, range(25)),
        ({"fps": 26}, range(25)),  # above the rate of the video
        ({"fps": 100_000}, range(25)),
        ({"fps": 1}, [0]),
        ({"fps": 1e-300}, [0]),
        ({"fps": 10}, [0, 2, 5, 7, 10, 12, 15, 17, 20, 22]),  # of two that are equally near: the earlier one
        ({"fps": 2, "start": 0.3}, [8, 20]),  # the first frame that is not before the start, and 0.8 s
        ({"fps": 5, "start": 0.4, "end": 0.8}, [10, 15, 20]),
        ({"fps": 5, "frames": (6, 15)}, [5, 10]),
        ({"fps": 5, "frames": (1, 1)}, [0]),
        ({"fps": 5, "frames": (2, 5)}, []),
    ],
)
def test_a_rate_of_a_second_at_25_frames(options: dict[str, Any], selected: Sequence[int]) -> None:
    assert Sampling(**options).select(index / 25 for index in range(25)) == list(selected)


def test_a_rate_with_the_rounded_times_of_readers() -> None:
    """Times are rounded to 1e-9 s, which changes no frame."""
    for rate in (Fraction(30), Fraction(30000, 1001), Fraction(24000, 1001), Fraction(60), Fraction(7)):
        for digits in (9, 6):
            times = [round(float(index / rate), digits) for index in range(3000)]
            assert Sampling(fps=float(rate)).select(times) == list(range(3000)), rate
            thirds = Sampling(fps=float(rate / 3)).select(times)
            assert thirds == list(range(0, 3000, 3)), rate


def test_a_rate_if_times_go_back() -> None:
    """A step back of more than a second is a new recording, which begins with its first frame."""
    times = [index / 10 for index in range(30)]
    thirds = [0, 5, 10, 15, 20, 25]
    both = Sampling(fps=2).select([*times, *times])
    assert both == [*thirds, *(30 + index for index in thirds)]
    jitter = [time - 0.03 * (index % 2) for index, time in enumerate(times)]
    assert len(Sampling(fps=2).select(jitter)) == 6
    later = Sampling(fps=2, start=1).select([*times, *times])  # the second recording begins before the start
    assert later == [10, 15, 20, 25, 40, 45, 50, 55]
    assert Sampling(fps=2).select([]) == []
    assert Sampling(fps=2).select([0.0] * 9) == [0]


def test_estimated_count_of_a_rate() -> None:
    chance = random.Random(4)
    for _ in range(300):
        rate, count = chance.choice([10, 24, 25, 30, 60]), chance.randrange(1, 200)
        start = chance.choice([None, chance.randrange(count) / rate, chance.uniform(0, count / rate)])
        end = chance.choice([None, (start or 0) + chance.uniform(0, 5)])
        frames = chance.choice(
            [None, (chance.randrange(1, count + 1), None), (None, chance.randrange(1, count + 1))]
        )
        sampling = Sampling(start=start, end=end, frames=frames, fps=chance.choice([1, 3.3, 5, 12.5, 25, 40]))
        selected = sampling.select(index / rate for index in range(count))
        assert abs(sampling.estimate_count(count, rate) - len(selected)) <= 1, (sampling, rate, count)
