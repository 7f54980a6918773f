"""Messages of the progress callback of a job."""

from __future__ import annotations

import pytest
from mtcnn_cpp.cli.progress import ProgressBar
from mtcnn_cpp.jobs.run import JobCounters

TOTAL = "error: {} failed in total; the column `error` of the table contains all messages"


@pytest.mark.parametrize("step", [1, 7, 2000])
@pytest.mark.parametrize("count", [0, 1, 19, 20, 21, 22, 1999])
def test_first_twenty_failures_are_reported(
    capsys: pytest.CaptureFixture[str], count: int, step: int
) -> None:
    """The total is reported only if messages are missing. `step`: failures that are counted in one call."""
    messages = [f"{number}.jpg is empty" for number in range(count)]
    with ProgressBar(None, shown=False) as progress:
        for first in range(0, count, step):
            group = messages[first : first + step]
            progress(JobCounters(results=len(group), failed=len(group), errors=group))
    expected = [f"error: {message}" for message in messages[:20]]
    if count > 20:
        expected.append(TOTAL.format(f"{count:,}"))
    assert capsys.readouterr().err.splitlines() == expected


def test_failures_without_messages_count(capsys: pytest.CaptureFixture[str]) -> None:
    """A part of a job keeps only its first messages, but all its failures."""
    with ProgressBar(None, shown=False) as progress:
        progress(JobCounters(results=500, failed=21, errors=["a"]))
        progress(JobCounters(results=500, failed=0, errors=[]))
        progress(JobCounters(results=1, failed=1, errors=["b"]))
    assert capsys.readouterr().err.splitlines() == ["error: a", "error: b", TOTAL.format(22)]
