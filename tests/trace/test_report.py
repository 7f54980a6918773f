"""The HTML report: its content, its links, and its display in a browser without a network."""

from __future__ import annotations

import base64
import functools
import hashlib
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import png
import pytest
from images import portrait
from mtcnn_cpp import Detections, Detector
from mtcnn_cpp.trace import Report, Trace, TraceError, compare, save_html
from mtcnn_cpp.trace.comparison.boxes import final_detections, pair_boxes
from mtcnn_cpp.trace.comparison.report import find_rounding_noise, suggest_commands
from mtcnn_cpp.trace.report.html import render
from mtcnn_cpp.trace.report.images import annotate_both, detections

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


def changed_trace() -> Trace:
    """A trace with a changed map, vector and list of boxes, one NaN, and a missing tensor."""
    tensors = {name: array for name, array in trace().items() if name != "onet/scores"}
    conv = tensors[CONV].copy()
    conv[5] = conv[5].T
    conv[7, 2, 3] = np.nextafter(conv[7, 2, 3], np.float32(9))
    fc = tensors[FC] * np.float32(1.001)
    nan = tensors["rnet/crop001/conv1"].copy()
    nan[0, 0, 0] = np.nan
    boxes = tensors[BOXES] + np.float32([3, -2, 1, 0.5])
    changed = {CONV: conv, FC: fc, "rnet/crop001/conv1": nan, BOXES: boxes}
    return Trace.from_arrays({**tensors, **changed}, image=portrait(), source="<mine> & others")


@functools.cache
def report() -> Report:
    return compare(trace(), changed_trace())


@needs_extra
def test_the_page_contains_the_results(tmp_path: Path) -> None:
    save_html(report(), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert f"<h1>{CONV}</h1>" in page
    assert "&lt;mine&gt; &amp; others" in page
    assert "<mine>" not in page
    assert len(re.findall(r'<tr id="r-[^"]*" data-name="[^"]*" class="ok"', page)) == sum(
        row.ok for row in report().tensors
    )
    for row in report().tensors:
        assert row.name in page
        if not row.ok:
            assert f'id="t-{row.name}"' in page
    assert "NaN or infinities differ in 1 of" in page
    assert "missing" in page
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert len(page) < 5_000_000


@needs_extra
def test_the_page_loads_no_other_file(tmp_path: Path) -> None:
    save_html(report(), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text("utf-8")
    outside = [
        link
        for link in re.findall(r'(?:src|href)="([^"]{1,12})', page)
        if not link.startswith(("#", "data:image/p"))
    ]
    assert outside == []
    assert page.count("<script") == 1
    script = page[page.index("<script>") + 8 : page.index("</script>")]
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{allowed}'" in page
    )
    assert "@import" not in page
    assert "url(" not in page
    assert page.count("data:image/png;base64,") >= 5


@needs_extra
def test_every_link_on_the_page_has_one_target() -> None:
    """The targets of all links (in the bar, the plot of errors and the names) exist exactly once."""
    page = render(report())
    ids = re.findall(r'id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    targets = set(re.findall(r'href="#([^"]+)"', page))
    assert targets <= set(ids)
    assert {f"t-{row.name}" for row in report().tensors if not row.ok} <= targets


@needs_extra
def test_each_kind_has_a_section_with_the_sum_of_its_worst_value() -> None:
    changes = {}
    for number in range(3):
        name = f"rnet/crop00{number}/conv2"
        changes[name] = trace()[name].transpose(0, 2, 1)
    page = render(compare(trace(), trace().replace(changes)))
    assert re.findall(r'<section id="k-([^"]*)"', page) == ["rnet/crop*/conv2"]
    assert re.search(r'rnet/crop\*/conv2 .*<span class="soft">3 of 10</span>', page)
    assert "all steps are equal, but the value in b is not their sum" in page
    strip = re.search(r'<svg class="corr" viewBox="0 0 48 1".*?</svg>', page)
    assert strip is not None
    assert strip.group().count("<rect") == 48
    worst = compare(trace(), trace().replace(changes)).tensors
    assert len(re.findall(r"<circle cx=.*? of the greatest magnitude", page)) == len(worst)


@needs_extra
def test_each_face_is_shown_enlarged() -> None:
    """The crop surrounds both boxes and contains the pixels of the image."""
    both = detections(report())
    assert both is not None
    (one,) = both.crops
    left, top, width, height = map(int, one.view)
    pixels = png.decode(base64.b64decode(one.address.partition(",")[2]))
    assert np.array_equal(pixels, portrait()[top : top + height, left : left + width])
    for _, (x, y, w, h) in one.boxes:
        assert left < x
        assert top < y
        assert x + w < left + width
        assert y + h < top + height
    lost = trace().replace({BOXES: np.full_like(trace()[BOXES], np.nan)})
    assert detections(compare(trace(), lost)) is not None
    render(compare(trace(), lost))


def test_rounding_noise_is_distinguished_from_a_fault() -> None:
    """Another order of the sums is noise; a small fault, other boxes and another dtype are not."""

    def compare_with_noise(share: float, name: str = CONV) -> Report:
        noise = (
            np.random.default_rng(2).uniform(-1, 1, trace()[name].shape) * share * np.abs(trace()[name]).max()
        )
        return compare(trace(), trace().replace({name: (trace()[name] + noise).astype(np.float32)}))

    assert find_rounding_noise(compare(trace(), trace())) is None
    found = find_rounding_noise(compare_with_noise(3e-7))
    assert found is not None
    assert (found.tensors, found.name, found.boxes) == (1, CONV, 0.0)
    assert str(found).startswith("all differences are rounding noise: 1 tensors differ, by at most ")
    assert find_rounding_noise(compare_with_noise(1e-3)) is None
    assert find_rounding_noise(compare_with_noise(3e-7, "final/boxes")) is not None
    picks = trace()["pnet/nms_keep"].copy()
    picks[[0, 1]] = picks[[1, 0]]
    assert find_rounding_noise(compare(trace(), trace().replace({"pnet/nms_keep": picks}))) is None
    double = {CONV: trace()[CONV].astype(np.float64)}
    assert find_rounding_noise(compare(trace(), trace().replace(double))) is None


@needs_extra
def test_the_next_command_can_be_copied(tmp_path: Path) -> None:
    changed, noisy = tmp_path / "b b.npz", tmp_path / "c.npz"
    trace().save(tmp_path / "a.npz")
    trace().replace({CONV: trace()[CONV] + 1}).save(changed)
    trace().replace({CONV: trace()[CONV] * np.float32(1 + 2e-7)}).save(noisy)
    a = Trace.load(tmp_path / "a.npz")
    found = compare(a, Trace.load(changed))
    doctor, explained = suggest_commands(found, find_rounding_noise(found))
    assert doctor == f"mtcnn-cpp doctor '{changed}' --against {tmp_path / 'a.npz'}"
    assert explained.startswith(f"mtcnn-cpp explain {tmp_path / 'a.npz'} '{changed}' {CONV} --at ")
    assert "b b.npz&#39; --against" in render(found)
    noise = compare(a, Trace.load(noisy))
    (command,) = suggest_commands(noise, find_rounding_noise(noise))
    tolerance = command.rpartition(" ")[2]
    assert compare(
        a, Trace.load(noisy), tolerances={"*": {"share": float(tolerance.removesuffix("share"))}}
    ).ok
    assert "All differences are rounding noise" in render(noise)
    assert suggest_commands(report(), None) == []  # traces in memory have no file to name


@needs_extra
def test_the_page_reports_agreement(tmp_path: Path) -> None:
    save_html(compare(trace(), trace()), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "<h1>No divergence</h1>" in page
    assert "What failed" not in page


@needs_extra
def test_reports_of_hash_traces_and_plain_arrays(tmp_path: Path) -> None:
    hashes = Detector(backend="reference").trace(portrait(), capture="hash")
    save_html(compare(hashes, changed_trace()), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "the SHA-256 values differ" in page
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
    """Chromium displays the page and its images."""
    save_html(report(), tmp_path / "report.html")
    dumped = browse(tmp_path, tmp_path / "report.html", "--dump-dom").decode()
    assert f"<title>First divergence: {CONV}</title>" in dumped
    assert dumped.count("<tr") > len(report().tensors)
    browse(
        tmp_path, tmp_path / "report.html", f"--screenshot={tmp_path / 'page.png'}", "--window-size=1200,4000"
    )
    cv2 = pytest.importorskip("cv2")
    screenshot = cv2.imread(str(tmp_path / "page.png"))
    assert screenshot.shape == (4000, 1200, 3)
    assert has_colour(screenshot, (0x20, 0x20, 0xD0))  # the verdict "different"
    assert has_colour(screenshot, (0x3D, 0x80, 0x15))  # the verdict "identical"
    assert has_colour(screenshot, (0x5E, 0xC5, 0x22))  # a's box
    assert has_colour(screenshot, (0xF6, 0x82, 0x3B))  # b's box


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


def has_colour(image: np.ndarray, blue_green_red: tuple[int, int, int]) -> bool:
    return bool((np.abs(image.astype(int) - blue_green_red).max(axis=2) <= 2).sum() > 20)


def test_the_error_without_the_extra_names_the_command_to_install_it(tmp_path: Path) -> None:
    code = f"""
import sys
sys.modules["matplotlib"] = None
import numpy as np
from mtcnn_cpp import MissingExtra
from mtcnn_cpp.trace import Trace, compare, save_html
one = Trace.from_arrays({{"x": np.float32([1])}})
try:
    save_html(compare(one, one), {str(tmp_path / "report.html")!r})
except MissingExtra as error:
    print(error)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    needed = "matplotlib" if find_spec("jinja2") else "jinja2"
    assert ran.stdout.startswith(f"an HTML report needs the package {needed!r}, which is not installed")
    assert ran.stdout.endswith("pip install 'mtcnn-cpp[report]'\n")
    assert not list(tmp_path.iterdir())


def test_a_report_that_cannot_be_written(tmp_path: Path) -> None:
    if needs_extra.args[0]:
        pytest.skip("needs the extra: pip install 'mtcnn-cpp[report]'")
    with pytest.raises(TraceError, match=r"the folder .* does not exist"):
        save_html(compare(trace(), trace()), tmp_path / "nowhere" / "report.html")


def faces_with_boxes(boxes: list[list[float]]) -> Detections:
    array = np.array(boxes, np.float32).reshape(-1, 4)
    points = np.zeros((len(array), 5, 2), np.float32) + array[:, None, :2] + 10
    return Detections(array, np.full(len(array), 0.9, np.float32), points, (100, 120))


def test_pairs_of_faces() -> None:
    a = faces_with_boxes([[0, 0, 10, 10], [50, 50, 20, 20], [80, 10, 5, 5]])
    b = faces_with_boxes([[51, 50, 20, 20], [2, 0, 10, 10], [0, 90, 4, 4]])
    pairs = pair_boxes(a.boxes, b.boxes)
    assert [(pair.a, pair.b) for pair in pairs] == [(0, 1), (1, 0), (2, None), (None, 2)]
    assert pairs[0].iou == pytest.approx(80 / 120)
    assert pairs[0].offset == (2, 0, 0, 0)
    twice = faces_with_boxes([[0, 0, 10, 10], [1, 0, 10, 10]])
    assert [(pair.a, pair.b) for pair in pair_boxes(twice.boxes[:1], twice.boxes)] == [(0, 0), (None, 1)]
    assert [(pair.a, pair.b) for pair in pair_boxes(twice.boxes, twice.boxes[:1])] == [(0, 0), (1, None)]
    assert pair_boxes(a.boxes, a.boxes[:0]) == [type(pairs[0])(i, None) for i in range(3)]
    assert pair_boxes(a.boxes[:0], a.boxes[:0]) == []


def test_faces_of_a_trace() -> None:
    faces = final_detections(trace())
    assert faces is not None
    assert faces == Detector(backend="reference").detect(portrait())
    assert final_detections(Trace.from_arrays({BOXES: trace()[BOXES]})) is None


def test_both_detections_in_one_image() -> None:
    plain = np.full((100, 120, 3), 128, np.uint8)
    a, b = faces_with_boxes([[10, 20, 30, 30]]), faces_with_boxes([[60, 50, 30, 30]])
    annotated = annotate_both(plain, a, b)
    assert has_colour(annotated[15:55, 5:45], (96, 220, 40))
    assert has_colour(annotated[45:85, 55:95], (255, 120, 40))
    assert not has_colour(annotated[15:55, 5:45], (255, 120, 40))
    same = annotate_both(plain, a, a)
    assert not has_colour(same, (96, 220, 40))
    assert has_colour(same, (176, 170, 40))
    assert png.encode(annotated)


def test_unknown_names_are_trace_errors() -> None:
    with pytest.raises(TraceError):
        _ = trace()["x"]
