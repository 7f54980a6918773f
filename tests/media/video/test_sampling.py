"""Selection of frames: the arguments of `Sampling`."""

from __future__ import annotations

import re
from typing import Any

import pytest
from mtcnn_cpp.media.video import Sampling
from mtcnn_cpp.media.video.sampling import parse_frame_range


@pytest.mark.parametrize(
    ("time", "seconds"),
    [
        (90, 90),
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


def test_no_limit() -> None:
    assert Sampling(frames=(None, None)) == Sampling()
    assert str(Sampling()) == ""
