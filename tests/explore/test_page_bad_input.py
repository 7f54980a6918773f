"""The page in headless Chromium with invalid addresses, hostile names, damaged and large traces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from clicks import PIXEL, Visit, address_state, click_map, map_position, until
from explorers import explorer
from mtcnn_cpp.trace import Trace

pytest.importorskip("starlette", reason="needs the extra: pip install 'mtcnn-cpp[explore]'")
pytest.importorskip("uvicorn", reason="needs the extra: pip install 'mtcnn-cpp[explore]'")


INVALID_STATES = [
    "no/such/tensor",
    "rnet/crop000/conv2?at=99,99,99",
    "rnet/crop000/conv2?at=-1,0,0",
    "rnet/crop000/conv2?at=1.5,NaN",
    "rnet/crop000/conv2?at=0",
    "rnet/crop000/conv2?channel=999999999",
    "rnet/crop000/conv2?view=<b>&show=<i>",
    "rnet/crop000/conv2?box=a:final:999999999",
    "rnet/crop000/conv2?box=b:proposals:7:1",
    "%E0%A4%A",
    "?level=999999999&heat=1",
]


@pytest.mark.parametrize("hash", INVALID_STATES)
def test_invalid_address(visit: Visit, comparison_url: str, hash: str) -> None:
    page = visit(f"{comparison_url}#{hash}")
    page.wait_for_timeout(300)
    if hash.startswith("no/"):
        assert "there is no tensor named no/such/tensor" in page.inner_text("#tensor-note")
    if "99,99" in hash:
        assert "the index 99, 99, 99 is not in" in page.inner_text("#receptive-field")
    page.keyboard.press("n")
    assert page.inner_text("#tensor-title") in address_state(page)
    assert page.inner_text("#tensor-title") != ""


def test_markup_in_names_is_text(visit: Visit, tmp_path: Path) -> None:
    bad = "<img src=x onerror=document.title='gone'><script>document.title='gone'</script>"
    name = f"rnet/crop000/{bad}"
    trace = Trace.from_arrays(
        {name: np.ones((2, 3, 3), np.float32)}, options={"min_face": bad}, made_by={bad: bad}, source="x"
    )
    path = tmp_path / "<b onclick=x>&amp;.npz"
    trace.save(path)
    with explorer(path) as address:
        page = visit(address)
        page.wait_for_timeout(200)
        assert page.inner_text("#tensor-title") == name
        assert page.locator("#list .row b").first.inner_text() == name
        assert path.name in page.inner_text("#sources")
        page.click("[data-tab=about]")
        assert bad[:30] in page.inner_text("#tab-about")
        assert page.locator("img").count() == 0
        assert page.locator("script").count() == 1
        assert page.locator("b[onclick]").count() == 0
        assert page.title() == f"{name} · mtcnn-cpp explore"


def test_a_map_with_nan(visit: Visit, tmp_path: Path, correct: Trace) -> None:
    maps = correct["rnet/crop000/conv1"].copy()
    maps[0, 3, 4], maps[0, 0, 0], maps[0, 21, 21] = np.nan, np.inf, -np.inf
    paths = [tmp_path / name for name in ("a.npz", "b.npz")]
    for path, values in zip(paths, (correct["rnet/crop000/conv1"], maps), strict=True):
        Trace.from_arrays(
            {"rnet/crop000/input": correct["rnet/crop000/input"], "rnet/crop000/conv1": values}
        ).save(path)
    with explorer(*paths) as address:
        page = visit(f"{address}#rnet/crop000/conv1?view=b")
        page.wait_for_selector("#maps[data-shown='rnet/crop000/conv1 0']")
        colours = [
            page.locator(f"canvas.map[data-view={view}]").evaluate(
                PIXEL, map_position(page, 3, 4, 22, 22, view)
            )[:3]
            for view in ("a", "b", "difference")
        ]
        assert colours[1] == colours[2] == [255, 0, 200]
        assert colours[0] != [255, 0, 200]
        click_map(page, 3, 4, 22, 22, "b")
        page.wait_for_selector(".result")
        assert page.locator("#cell-values code").nth(1).inner_text() == "NaN"
        assert "NaN or infinities differ in 3 of" in page.inner_text("#verdict")


def test_a_trace_without_values(visit: Visit, files: dict[str, Path]) -> None:
    with explorer(files["hash.npz"]) as address:
        page = visit(address)
        assert 'captured at level "hash": it has no values, only hashes' in page.inner_text("#tensor-note")
        assert page.locator("canvas.map").count() == 0
        assert "…" in page.inner_text("#statistics code")
        assert "no image" in page.inner_text("#image-holder")
        page.close()
        visit.page_errors.clear()  # type: ignore[attr-defined]
    with explorer(files["correct.npz"], files["hash.npz"]) as address:
        page = visit(address)
        until(page, "document.querySelector('#headline').textContent.includes('no divergence')")
        page.close()
        visit.page_errors.clear()  # type: ignore[attr-defined]


def test_too_large_to_show(visit: Visit, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mtcnn_cpp.explore.tensors.SHOW_LIMIT", 5000)
    with explorer(files["correct.npz"]) as address:
        page = visit(f"{address}#rnet/crop000/conv1")
        page.wait_for_timeout(300)
        assert "too large to show: 54,208 bytes" in page.inner_text("#tensor-note")
        values = Trace.load(files["correct.npz"])["rnet/crop000/conv1"]
        assert f"{float(values.max()):.6g}" in page.inner_text("#statistics")
        assert "too large to show" in page.inner_text(".card[data-name='rnet/crop000/conv1'] em")
        page.close()
        visit.page_errors.clear()  # type: ignore[attr-defined]


def test_a_large_map_is_loaded_in_parts(visit: Visit, tmp_path: Path) -> None:
    values = np.arange(2 * 1500 * 1500, dtype=np.float32).reshape(2, 1500, 1500)
    path = tmp_path / "large.npz"
    Trace.from_arrays({"pnet/level00/conv1": values}).save(path)
    with explorer(path) as address:
        page = visit(f"{address}#pnet/level00/conv1?at=1,1400,1300")
        until(page, "document.querySelector('#cell-values code')?.textContent.match(/\\d/)")
        assert page.inner_text("#cell-values code") == str(int(values[1, 1400, 1300]))


def test_server_has_ended(visit: Visit, files: dict[str, Path]) -> None:
    with explorer(files["correct.npz"]) as address:
        page = visit(address)
    page.keyboard.press("ArrowDown")
    until(page, "!document.querySelector('#tensor-note').hidden")
    assert (
        page.inner_text("#tensor-note")
        == "no answer from the server; check that mtcnn-cpp explore still runs"
    )
    assert visit.page_errors  # type: ignore[attr-defined]
    visit.page_errors.clear()  # type: ignore[attr-defined]


def test_file_damaged_while_open(visit: Visit, files: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(files["correct.npz"].read_bytes())
    with explorer(path) as address:
        page = visit(address)
        with path.open("r+b") as file:
            file.truncate(20_000)
        page.fill("#search", "rnet/crop000/conv3")
        page.keyboard.press("Enter")
        until(page, "!document.querySelector('#tensor-note').hidden")
        assert str(path) in page.inner_text("#tensor-note")
        page.close()
        visit.page_errors.clear()  # type: ignore[attr-defined]
