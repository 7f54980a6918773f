"""The HTML report: in a real browser, without a network, with what the comparison found."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from mtcnn_cpp import Detections, Detector, png
from mtcnn_cpp.trace import Report, Trace, TraceError, compare, save_html
from mtcnn_cpp.trace.judge.faces import faces_of, pair_up
from mtcnn_cpp.trace.show.faces import draw_both
from pictures import portrait

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_extra = pytest.mark.skipif(
    not all(map(find_spec, ("matplotlib", "jinja2"))),
    reason="needs the extra: pip install 'mtcnn-cpp[report]'",
)
CONV = "rnet/crop000/conv2"
FC = "rnet/crop000/fc1"
BOXES = "final/boxes"


@functools.cache
def trace() -> Trace:
    return Detector(backend="reference").trace(portrait())


def spoiled() -> Trace:
    """The same trace with a map, a vector, NaN, a list of boxes changed, and one tensor missing."""
    tensors = {name: array for name, array in trace().items() if name != "onet/scores"}
    conv = tensors[CONV].copy()
    conv[5] = conv[5].T
    conv[7, 2, 3] = np.nextafter(conv[7, 2, 3], np.float32(9))
    fc = tensors[FC] * np.float32(1.001)
    nan = tensors["rnet/crop001/conv1"].copy()
    nan[0, 0, 0] = np.nan
    boxes = tensors[BOXES] + np.float32([3, -2, 1, 0.5])
    changed = {CONV: conv, FC: fc, "rnet/crop001/conv1": nan, BOXES: boxes}
    return Trace.from_arrays({**tensors, **changed}, picture=portrait(), source="<mine> & others")


@functools.cache
def report() -> Report:
    return compare(trace(), spoiled())


@needs_extra
def test_the_page_says_what_was_found(tmp_path: Path) -> None:
    save_html(report(), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert f"<h1>{CONV}</h1>" in page
    assert "&lt;mine&gt; &amp; others" in page
    assert "<mine>" not in page
    assert page.count('class="ok"') == sum(row.ok for row in report().rows)
    for row in report().rows:
        assert row.name in page
        if not row.ok:
            assert f'id="t-{row.name}"' in page
    assert "NaN or infinities differ in 1 of" in page
    assert "missing" in page
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert len(page) < 5_000_000


@needs_extra
def test_the_page_needs_nothing_else(tmp_path: Path) -> None:
    save_html(report(), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text("utf-8")
    outside = [
        link
        for link in re.findall(r'(?:src|href)="([^"]{1,12})', page)
        if not link.startswith(("#", "data:image/p"))
    ]
    assert outside == []
    assert "<script" not in page
    assert "@import" not in page
    assert "url(" not in page
    assert page.count("data:image/png;base64,") >= 5


@needs_extra
def test_agreement_is_said_too(tmp_path: Path) -> None:
    save_html(compare(trace(), trace()), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "<h1>No divergence</h1>" in page
    assert "What failed" not in page


@needs_extra
def test_hash_traces_and_plain_arrays_make_a_page(tmp_path: Path) -> None:
    hashes = Detector(backend="reference").trace(portrait(), capture="hash")
    save_html(compare(hashes, spoiled()), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "the SHA-256 differ" in page
    for array in (
        np.float32([1]),
        np.float32(2),
        np.zeros((0, 4), np.float32),
        np.zeros((2, 3, 4, 5), np.float32),
    ):
        first, second = Trace.from_arrays({"x": array}), Trace.from_arrays({"x": array + 1})
        save_html(compare(first, second), tmp_path / "report.html")


@needs_extra
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here (Debian: apt install chromium)")
def test_in_a_browser(tmp_path: Path) -> None:
    """Chromium lays the page out, shows every picture and lets the list of tensors be filtered."""
    save_html(report(), tmp_path / "report.html")
    dumped = browse(tmp_path, tmp_path / "report.html", "--dump-dom").decode()
    assert f"<title>First divergence: {CONV}</title>" in dumped
    assert dumped.count("<tr") > len(report().rows)
    browse(
        tmp_path, tmp_path / "report.html", f"--screenshot={tmp_path / 'page.png'}", "--window-size=1200,4000"
    )
    cv2 = pytest.importorskip("cv2")
    seen = cv2.imread(str(tmp_path / "page.png"))
    assert seen.shape == (4000, 1200, 3)
    assert has_colour(seen, (0x20, 0x20, 0xD0))  # the verdict "different"
    assert has_colour(seen, (0x3D, 0x80, 0x15))  # the verdict "identical"
    assert has_colour(seen, (0x5E, 0xC5, 0x22))  # a's box
    assert has_colour(seen, (0xF6, 0x82, 0x3B))  # b's box


def browse(folder: Path, page: Path, *options: str) -> bytes:
    assert CHROMIUM is not None
    quiet = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
    ]
    command = [CHROMIUM, *quiet, f"--user-data-dir={folder / 'profile'}", *options, page.as_uri()]
    return subprocess.run(command, check=True, capture_output=True, timeout=120).stdout


def has_colour(picture: np.ndarray, blue_green_red: tuple[int, int, int]) -> bool:
    return bool((np.abs(picture.astype(int) - blue_green_red).max(axis=2) <= 2).sum() > 20)


def test_without_the_extra_the_command_says_how_to_get_it(tmp_path: Path) -> None:
    code = f"""
import sys
sys.modules["matplotlib"] = None
import numpy as np
from mtcnn_cpp.trace import Trace, TraceError, compare, save_html
one = Trace.from_arrays({{"x": np.float32([1])}})
try:
    save_html(compare(one, one), {str(tmp_path / "report.html")!r})
except TraceError as error:
    print(error)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    needed = "matplotlib" if find_spec("jinja2") else "jinja2"
    assert ran.stdout == f"an HTML report needs {needed}; install it with: pip install 'mtcnn-cpp[report]'\n"
    assert not list(tmp_path.iterdir())


def test_a_report_that_cannot_be_written(tmp_path: Path) -> None:
    if needs_extra.args[0]:
        pytest.skip("needs the extra: pip install 'mtcnn-cpp[report]'")
    with pytest.raises(TraceError, match=r"the folder .* does not exist"):
        save_html(compare(trace(), trace()), tmp_path / "nowhere" / "report.html")


def detections(boxes: list[list[float]]) -> Detections:
    array = np.array(boxes, np.float32).reshape(-1, 4)
    points = np.zeros((len(array), 5, 2), np.float32) + array[:, None, :2] + 10
    return Detections(array, np.full(len(array), 0.9, np.float32), points, (100, 120))


def test_pairs_of_faces() -> None:
    a = detections([[0, 0, 10, 10], [50, 50, 20, 20], [80, 10, 5, 5]])
    b = detections([[51, 50, 20, 20], [2, 0, 10, 10], [0, 90, 4, 4]])
    pairs = pair_up(a.boxes, b.boxes)
    assert [(pair.a, pair.b) for pair in pairs] == [(0, 1), (1, 0), (2, None), (None, 2)]
    assert pairs[0].iou == pytest.approx(80 / 120)
    assert pairs[0].apart == (2, 0, 0, 0)
    twice = detections([[0, 0, 10, 10], [1, 0, 10, 10]])
    assert [(pair.a, pair.b) for pair in pair_up(twice.boxes[:1], twice.boxes)] == [(0, 0), (None, 1)]
    assert [(pair.a, pair.b) for pair in pair_up(twice.boxes, twice.boxes[:1])] == [(0, 0), (1, None)]
    assert pair_up(a.boxes, a.boxes[:0]) == [type(pairs[0])(i, None) for i in range(3)]
    assert pair_up(a.boxes[:0], a.boxes[:0]) == []


def test_faces_of_a_trace() -> None:
    faces = faces_of(trace())
    assert faces is not None
    assert faces == Detector(backend="reference").detect(portrait())
    assert faces_of(Trace.from_arrays({BOXES: trace()[BOXES]})) is None


def test_both_detections_in_one_picture() -> None:
    plain = np.full((100, 120, 3), 128, np.uint8)
    a, b = detections([[10, 20, 30, 30]]), detections([[60, 50, 30, 30]])
    drawn = draw_both(plain, a, b)
    assert has_colour(drawn[15:55, 5:45], (96, 220, 40))
    assert has_colour(drawn[45:85, 55:95], (255, 120, 40))
    assert not has_colour(drawn[15:55, 5:45], (255, 120, 40))
    same = draw_both(plain, a, a)
    assert not has_colour(same, (96, 220, 40))
    assert has_colour(same, (176, 170, 40))
    assert png.encode(drawn)


def test_unknown_names_are_trace_errors() -> None:
    with pytest.raises(TraceError):
        _ = trace()["x"]
