"""The table on a terminal."""

from __future__ import annotations

import io

import pytest
from mtcnn_cpp.jobs.table.rows import FrameResult
from mtcnn_cpp.jobs.table.terminal import TerminalTable
from results import faces_from_boxes, some_faces

LONG = "study/participants/2024-05-01/participant-1/session-morning/camera-left/close/IMG_0001.jpg"


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def printed(results: list[FrameResult], stream: io.StringIO | None = None) -> str:
    stream = stream or io.StringIO()
    table = TerminalTable(stream)
    for result in results:
        table.add(result)
    table.close()
    return stream.getvalue()


def cells(text: str) -> list[list[str]]:
    return [
        [cell.strip() for cell in line.replace("┃", "│").split("│")[1:-1]]
        for line in text.splitlines()
        if line[:1] in "┃│"
    ]


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")


def test_pictures() -> None:
    faces = faces_from_boxes((1, 2, 3, 4), (5, 6, 7, 8))
    results = [
        FrameResult("a.jpg", faces=faces),
        FrameResult("b.jpg", faces=faces_from_boxes()),
        FrameResult("c.jpg", error="no"),
    ]
    assert cells(printed(results)) == [
        ["source", "face", "x", "y", "width", "height", "score"],
        ["a.jpg", "0", "1.00", "2.00", "3.00", "4.00", "1.00000"],
        ["", "1", "5.00", "6.00", "7.00", "8.00", "0.80000"],
        ["b.jpg", "none", "", "", "", "", ""],
        ["c.jpg", "failed", "", "", "", "", ""],
    ]


def test_a_video_has_frames_and_times() -> None:
    results = [
        FrameResult("v", 0, 0.0, faces_from_boxes()),
        FrameResult("v", 7, 0.25, faces_from_boxes((1, 2, 3, 4)), face_ids=(5,)),
    ]
    assert cells(printed(results)) == [
        ["source", "frame", "time", "face", "x", "y", "width", "height", "score"],
        ["v", "1", "0.000", "none", "", "", "", "", ""],
        ["", "8", "0.250", "5", "1.00", "2.00", "3.00", "4.00", "1.00000"],
    ]


def test_nothing_is_cut_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    text = printed([FrameResult(20 * LONG, 3, 1 / 3, some_faces(3))])
    assert 20 * LONG in text
    assert "…" not in text


@pytest.mark.usefixtures("narrow")
def test_names_are_folded_on_a_screen() -> None:
    text = printed([FrameResult(LONG, faces=faces_from_boxes((1, 2, 3, 4)))], Screen())
    assert max(map(len, text.splitlines())) <= 80
    assert "".join(row[0] for row in cells(text)[1:]) == LONG


@pytest.mark.usefixtures("narrow")
def test_names_stand_above_where_the_screen_is_narrow() -> None:
    """The columns of a video leave no space for a name."""
    faces = faces_from_boxes((100, 200, 300, 400))
    text = printed(
        [FrameResult(LONG, 1, 0.5, faces), FrameResult(LONG, 2, 0.6, faces), FrameResult("b", 0, 0, faces)],
        Screen(),
    )
    assert max(map(len, text.splitlines())) <= 80
    titles = [line for line in text.splitlines() if line[:1].isalnum()]
    assert "".join(line.strip() for line in titles) == LONG + "b"
    assert [row[0] for row in cells(text)] == ["frame", "2", "3", "frame", "1"]


def test_names_cannot_steer_the_terminal() -> None:
    text = printed([FrameResult("a\x1b[31m\n[red]\udcff", faces=faces_from_boxes())])
    assert r"a\x1b[31m\n[red]\udcff" in text


def test_a_stream_without_these_signs() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    table = TerminalTable(stream)
    table.add(FrameResult("日.jpg", faces=faces_from_boxes((1, 2, 3, 4))))
    table.close()
    stream.flush()
    assert rb"| \u65e5.jpg |" in raw.getvalue()


def test_a_long_video_comes_in_parts() -> None:
    stream = io.StringIO()
    table = TerminalTable(stream)
    for index in range(1200):
        table.add(FrameResult("v", index, index / 30, faces_from_boxes()))
    early = [row for row in cells(stream.getvalue()) if row[0] != "source"]
    assert [row[1] for row in early] == [str(frame) for frame in range(1, 1001)]
    table.close()
    assert len([row for row in cells(stream.getvalue()) if row[0] != "source"]) == 1200


def test_no_results_print_nothing() -> None:
    assert printed([]) == ""
