"""The page in headless Chromium: every way of clicking, on one trace and on two."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import unquote

import numpy as np
import pytest
from explorers import explorer
from mtcnn_cpp.trace import Trace, compare, explain

pytest.importorskip("starlette", reason="needs the extra: pip install 'mtcnn-cpp[explore]'")
pytest.importorskip("uvicorn", reason="needs the extra: pip install 'mtcnn-cpp[explore]'")

Visit: TypeAlias = Callable[..., Any]


def place(page: Any) -> str:
    return unquote(page.evaluate("location.hash"))


def until(page: Any, condition: str, given: Any = None) -> None:
    """Wait until JavaScript says so. (Playwright's own way needs a weaker content policy.)"""
    for _ in range(100):
        if page.evaluate(condition, given):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"not within 10 s: {condition}")


def pixels(page: Any, selector: str) -> str:
    """All pixels of a canvas, after what was asked to be drawn is drawn."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    found: str = page.eval_on_selector(selector, "canvas => canvas.toDataURL()")
    return found


def in_picture(page: Any, x: float, y: float, size: tuple[int, int]) -> dict[str, float]:
    """Where on the canvas a point of the picture lies, which is fitted into it."""
    box = page.locator("#picture").bounding_box()
    scale = min(box["width"] / size[1], box["height"] / size[0])
    return {
        "x": float((box["width"] - size[1] * scale) / 2 + x * scale),
        "y": float((box["height"] - size[0] * scale) / 2 + y * scale),
    }


def in_map(page: Any, row: int, column: int, rows: int, columns: int, what: str = "a") -> dict[str, float]:
    """Where on a map's canvas a cell lies, the whole map being in view."""
    box = page.locator(f"canvas.map[data-what={what}]").bounding_box()
    scale = min(box["width"] / columns, box["height"] / rows, 64)
    return {
        "x": (box["width"] - columns * scale) / 2 + (column + 0.5) * scale,
        "y": (box["height"] - rows * scale) / 2 + (row + 0.5) * scale,
    }


def click_map(page: Any, row: int, column: int, rows: int, columns: int, what: str = "a") -> None:
    page.locator(f"canvas.map[data-what={what}]").click(
        position=in_map(page, row, column, rows, columns, what)
    )


PIXEL = """(canvas, {x, y}) => {
    const [left, top] = [x, y].map((place) => place * devicePixelRatio - 3);
    return [...canvas.getContext("2d").getImageData(left, top, 1, 1).data];
}"""


def test_one_trace_opens(visit: Visit, one: str, right: Trace) -> None:
    page = visit(one)
    assert page.inner_text("#headline") == f"{len(right)} tensors"
    assert place(page) == "#onet/crop000/input"
    assert page.inner_text("#way-title") == "ONet crop 0"
    names = [name for name in right if name.startswith("onet/crop000/")]
    assert page.eval_on_selector_all(".card", "cards => cards.map((card) => card.dataset.name)") == names
    assert page.locator("#next").is_hidden()
    assert page.locator("#views button").count() == 0
    assert page.locator("canvas.map").count() == 1


def test_boxes_of_each_stage_on_and_off(visit: Visit, one: str, right: Trace) -> None:
    page = visit(one)
    counts = {
        "proposals": len(right["pnet/level00/boxes"]),
        "nms": len(right["pnet/nms_keep"]),
        "rnet": len(right["onet/boxes_in"]),
        "onet": len(right["onet/boxes_out"]),
        "final": len(right["final/boxes"]),
    }
    seen = {pixels(page, "#picture")}
    for key, (stage, count) in enumerate(counts.items(), start=1):
        button = page.locator(f"#stages [data-stage={stage}]")
        assert button.inner_text().split()[-1] == str(count)
        before = button.get_attribute("aria-pressed")
        button.click()
        assert button.get_attribute("aria-pressed") != before
        seen.add(pixels(page, "#picture"))
        page.keyboard.press(str(key))
        assert button.get_attribute("aria-pressed") == before
        page.keyboard.press(str(key))
        assert button.get_attribute("aria-pressed") != before
        pixels(page, "#picture")
    assert len(seen) == 6  # each of them changes the picture


def test_levels_and_heat_maps(visit: Visit, one: str, right: Trace) -> None:
    page = visit(one)
    levels = sorted({name.split("/")[1] for name in right if name.startswith("pnet/level")})
    assert page.get_attribute("#level", "max") == str(len(levels) - 1)
    plain = pixels(page, "#picture")
    page.click("#heat")
    until(page, "before => document.querySelector('#picture').toDataURL() !== before", plain)
    seen = {pixels(page, "#picture")}
    for number in range(1, len(levels)):
        page.locator("#level").fill(str(number))
        page.wait_for_timeout(150)
        seen.add(pixels(page, "#picture"))
        assert page.inner_text("#level-name") == f"level {number}"
        height, width = right.entry(f"pnet/level{number:02d}/input").shape[1:]
        count = len(right[f"pnet/level{number:02d}/boxes"])
        words = page.inner_text("#level-words")
        assert words.startswith(f"{height} × {width}, ")
        assert f"{count} proposal" in words
    assert len(seen) == len(levels)
    page.keyboard.press("[")
    assert page.inner_text("#level-name") == f"level {len(levels) - 2}"
    page.click("#level-name")
    assert place(page).startswith(f"#pnet/level{len(levels) - 2:02d}/heat_map")


def test_from_a_box_to_its_sum(visit: Visit, one: str, right: Trace) -> None:
    """Picture, face, crop, layer, channel, value, its sum, and back along the sum to the input."""
    page = visit(one)
    x, y, width, height = right["final/boxes"][0]
    size = right.picture.shape[:2]
    page.locator("#picture").click(position=in_picture(page, x + width / 2, y + height / 2, size))
    crop = int(right["onet/keep"][right["onet/nms_keep"][0]])
    assert re.fullmatch(rf"#onet/crop{crop:03d}/input\?box=a:(final|onet|rnet):\d+", place(page))
    steps = page.locator("#journey .step").all_inner_texts()
    assert [re.sub(r" [\d.,e-]+$", "", step) for step in steps][1:] == [
        "after NMS",
        *(re.sub(r" [\d.,e-]+$", "", step) for step in steps[2:]),
    ]
    assert f"ONet crop {crop}" in " ".join(steps)
    assert "RNet crop" in " ".join(steps)
    assert "PNet level" in steps[0]

    page.locator("#journey .step", has_text="RNet crop").click()
    assert re.match(r"#rnet/crop\d+/input", place(page))
    place_of = re.match(r"#(rnet/crop\d+)/", place(page))[1]
    name = f"{place_of}/conv1"
    page.locator(f".card[data-name='{name}'] b").click()
    assert place(page).startswith(f"#{name}")
    canvas = page.locator(f".card[data-name='{name}'] canvas")
    box = canvas.bounding_box()
    canvas.click(position={"x": box["width"] - 4, "y": 4})  # the last of the first row of channels
    channel = int(re.search(r"channel=(\d+)", place(page))[1])
    assert 0 < channel < 28
    assert page.input_value("#channel") == str(channel)
    page.wait_for_timeout(200)

    click_map(page, 5, 7, 22, 22)
    page.wait_for_selector("#sum .result")
    assert f"at={channel},5,7" in place(page)
    value = right[name][channel, 5, 7]
    found = explain(right, name, (channel, 5, 7))
    assert page.inner_text("#under code") == str(value)
    assert page.locator("#sum .result code").first.inner_text() == str(value)
    assert page.inner_text("#sum h3") == f"Conv2d of input: {len(found.terms)} steps"
    sums = page.locator("#sum .steps tbody tr td:nth-child(5)").all_inner_texts()
    assert sums == [str(term.running.fma) for term in found.terms]
    assert page.inner_text("#field-picture").startswith("in the picture: rows ")
    assert page.locator("#field-input").bounding_box()["width"] > 50

    page.locator("#sum .steps tbody tr button").nth(4).click()
    at = ",".join(map(str, found.terms[4].index))
    assert place(page).startswith(f"#{place_of}/input?at={at}")
    assert page.inner_text("#under code") == str(found.terms[4].value)


def test_a_proposal_leads_to_its_cell(visit: Visit, one: str, right: Trace) -> None:
    level = next(name.rpartition("/")[0] for name in right if name.endswith("/boxes") and len(right[name]))
    number = int(level[-2:])
    page = visit(f"{one}#pnet/level00/heat_map?show=proposals&level={number}")
    boxes = right[f"{level}/boxes"]
    smallest = int(np.argmin(boxes[:, 2] * boxes[:, 3]))
    x, y, width, height = boxes[smallest]
    page.locator("#picture").click(
        position=in_picture(page, x + width / 2, y + height / 2, right.picture.shape[:2])
    )
    found = re.match(rf"#{level}/heat_map\?at=(\d+),(\d+)", place(page))
    row, column = int(found[1]), int(found[2])
    assert right[f"{level}/heat_map"][row, column] in right[f"{level}/scores"]
    page.wait_for_selector("#field-picture")
    assert "heat_map" in page.inner_text("#value-title")
    assert "is not the output of a layer" in page.inner_text("#sum")


def test_zoom_down_to_values(visit: Visit, one: str) -> None:
    page = visit(f"{one}#pnet/level00/conv1")
    page.wait_for_timeout(200)
    before = pixels(page, "canvas.map")
    box = page.locator("canvas.map").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    for _ in range(12):
        page.mouse.wheel(0, -300)
    near = pixels(page, "canvas.map")
    assert near != before
    page.mouse.down()
    page.mouse.move(300, 600, steps=4)
    page.mouse.up()
    assert pixels(page, "canvas.map") != near
    assert "at=" not in place(page)  # a drag is no click
    page.keyboard.press("0")
    page.mouse.move(2, 2)
    assert pixels(page, "canvas.map") == before


def test_two_traces_open_at_the_first_divergence(visit: Visit, two: str, right: Trace, wrong: Trace) -> None:
    page = visit(two)
    report = compare(right, wrong)
    until(page, "document.querySelector('#headline').textContent.includes('tensor ')")
    assert page.inner_text("#headline") == report.headline
    first = report.first_divergence
    assert first is not None
    assert place(page) == f"#{first.name}?view=difference"
    assert page.locator("canvas.map").count() == 3
    page.wait_for_selector("#verdict")
    assert first.reason in page.inner_text("#verdict")
    failed = [row.name for row in report.rows if not row.ok]
    for name in failed[1:4]:
        page.keyboard.press("n")
        assert place(page).startswith(f"#{name}?") or place(page) == f"#{name}"
    page.keyboard.press("p")
    assert place(page).startswith(f"#{failed[2]}?")
    page.click("#next")
    page.click("#previous")
    page.click("#previous")
    assert place(page).startswith(f"#{failed[1]}?")


def test_worst_value_side_by_side(visit: Visit, two: str, right: Trace, wrong: Trace) -> None:
    page = visit(f"{two}#rnet/crop000/conv2?view=difference")
    page.wait_for_selector("#worst")
    page.click("#worst")
    row = next(row for row in compare(right, wrong).rows if row.name == "rnet/crop000/conv2")
    assert row.figures is not None
    assert row.figures.worst is not None
    index = row.figures.worst.index
    assert f"at={','.join(map(str, index))}" in place(page)
    page.wait_for_selector("#why")
    assert "b computes this layer otherwise" in page.inner_text("#why")
    assert page.locator(".result").count() == 2
    values = page.locator("#under code").all_inner_texts()
    assert values[:2] == [str(trace["rnet/crop000/conv2"][index]) for trace in (right, wrong)]
    page.keyboard.press("u")
    page.wait_for_selector("canvas.map[data-what=ulp]")
    until(page, "document.querySelectorAll('#under code')[2]?.textContent.match(/^[0-9]+$/)")
    assert float(page.locator("#under code").nth(2).inner_text()) == row.figures.worst.ulp
    assert "256–65535" in page.inner_text("#scale")


def test_views_change_the_strip(visit: Visit, two: str) -> None:
    page = visit(f"{two}#rnet/crop000/conv2")
    seen = set()
    for word in ("a", "b", "difference", "ulp"):
        page.click(f"#views [data-view={word}]")
        page.wait_for_timeout(250)
        seen.add(pixels(page, ".card[data-name='rnet/crop000/conv2'] canvas"))
    assert len(seen) == 4


def test_the_bar_leads_to_a_tensor(visit: Visit, two: str, right: Trace, wrong: Trace) -> None:
    page = visit(two)
    until(page, "document.querySelector('#headline').textContent.includes('tensor ')")
    names = [row.name for row in compare(right, wrong).rows]
    box = page.locator("#bar").bounding_box()
    page.locator("#bar").click(position={"x": box["width"] * 10.5 / len(names), "y": 62})
    assert place(page).startswith(f"#{names[10]}")
    page.fill("#search", "onet fc2")
    fitting = [name for name in names if "onet" in name and "fc2" in name]
    assert page.inner_text("#count") == f"{len(fitting)} of {len(names)} tensors"
    page.locator("#bar").click(position={"x": 3, "y": 62})
    assert place(page).startswith(f"#{fitting[0]}")


def test_search(visit: Visit, two: str, right: Trace, wrong: Trace) -> None:
    page = visit(two)
    until(page, "document.querySelector('#headline').textContent.includes('tensor ')")
    report = compare(right, wrong)
    page.keyboard.press("/")
    page.keyboard.type("rnet*conv2")
    assert page.locator("#list .row").first.get_attribute("data-name") == "rnet/crop000/conv2"
    page.keyboard.press("Enter")
    assert place(page).startswith("#rnet/crop000/conv2")
    page.keyboard.press("Escape")
    page.check("#divergent")
    assert page.inner_text("#count").startswith(f"{sum(not row.ok for row in report.rows)} of ")
    page.locator("#list .row").nth(2).click()
    failed = [row.name for row in report.rows if not row.ok]
    assert place(page).startswith(f"#{failed[2]}")
    page.fill("#search", "no such thing")
    assert page.inner_text("#count").startswith("0 of ")
    assert page.locator("#list .row").count() == 0


def test_effect_on_the_faces(visit: Visit, two: str, right: Trace, wrong: Trace) -> None:
    page = visit(two)
    page.click("[data-tab=faces]")
    page.wait_for_selector("#effect")
    assert (len(right["final/boxes"]), len(wrong["final/boxes"])) == (1, 0)
    assert page.inner_text("#effect") == "0 faces in both, 1 lost in B"
    before = pixels(page, "#picture")
    page.click("#tab-faces tbody tr")
    assert place(page).startswith("#onet/crop")
    assert pixels(page, "#picture") != before
    page.click("[data-tab=about]")
    assert "right.npz" in page.inner_text("#tab-about")
    assert "capture level full" in page.inner_text("#tab-about")


def test_the_address_names_the_place(visit: Visit, two: str) -> None:
    address = f"{two}#rnet/crop000/conv2?at=3,4,5&view=ulp&level=1&heat=1&show=proposals,final"
    page = visit(address)
    page.wait_for_selector(".result")
    assert page.inner_text("#tensor-title") == "rnet/crop000/conv2"
    assert page.input_value("#channel") == "3"
    assert page.get_attribute("#views [data-view=ulp]", "aria-pressed") == "true"
    assert page.get_attribute("#heat", "aria-pressed") == "true"
    assert page.inner_text("#level-name") == "level 1"
    assert page.get_attribute("#stages [data-stage=rnet]", "aria-pressed") == "false"
    first = place(page)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("b")
    assert place(page).startswith("#rnet/crop000/prelu2?view=b")
    page.go_back()
    page.go_back()
    assert place(page) == first
    assert page.inner_text("#tensor-title") == "rnet/crop000/conv2"
    page.go_forward()
    assert place(page).startswith("#rnet/crop000/prelu2")
    page.reload()
    page.wait_for_selector("body[data-ready]")
    assert place(page).startswith("#rnet/crop000/prelu2")
    assert page.inner_text("#tensor-title") == "rnet/crop000/prelu2"


NOWHERE = [
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


@pytest.mark.parametrize("hash", NOWHERE)
def test_an_address_that_leads_nowhere(visit: Visit, two: str, hash: str) -> None:
    page = visit(f"{two}#{hash}")
    page.wait_for_timeout(300)
    if hash.startswith("no/"):
        assert "there is no tensor of that name: no/such/tensor" in page.inner_text("#tensor-note")
    if "99,99" in hash:
        assert "the index 99, 99, 99 is not in" in page.inner_text("#field")
    page.keyboard.press("n")
    assert page.inner_text("#tensor-title") in place(page)
    assert page.inner_text("#tensor-title") != ""


def test_a_second_tab(visit: Visit, two: str) -> None:
    pages = [visit(f"{two}#{name}") for name in ("rnet/crop000/conv2", "pnet/level00/conv1")]
    pages[1].keyboard.press("ArrowDown")
    assert pages[0].inner_text("#tensor-title") == "rnet/crop000/conv2"
    assert pages[1].inner_text("#tensor-title") == "pnet/level00/prelu1"


def test_help(visit: Visit, one: str) -> None:
    page = visit(one)
    page.keyboard.press("?")
    assert "next divergence" in page.inner_text("#help")
    page.keyboard.press("Escape")
    assert page.locator("#help").is_hidden()
    page.click("#help-button")
    assert page.locator("#help").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 1920])
def test_it_fits(visit: Visit, two: str, scheme: str, width: int) -> None:
    page = visit(
        f"{two}#rnet/crop000/conv2?at=3,4,5&view=difference",
        viewport={"width": width, "height": 1000}, color_scheme=scheme,
    )  # fmt: skip
    page.wait_for_selector(".result")
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    assert page.evaluate("document.scrollingElement.scrollHeight <= innerHeight")
    for selector in ("#picture", "#bar", "canvas.map", "#list", "#value", "#stages [data-stage=final]"):
        box = page.locator(selector).first.bounding_box()
        assert box["x"] >= 0, selector
        assert box["x"] + box["width"] <= width, selector
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", paper)[:3])) < 200) == (scheme == "dark")


def test_markup_is_text(visit: Visit, tmp_path: Path) -> None:
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


def test_a_map_with_nan(visit: Visit, tmp_path: Path, right: Trace) -> None:
    maps = right["rnet/crop000/conv1"].copy()
    maps[0, 3, 4], maps[0, 0, 0], maps[0, 21, 21] = np.nan, np.inf, -np.inf
    paths = [tmp_path / name for name in ("a.npz", "b.npz")]
    for path, values in zip(paths, (right["rnet/crop000/conv1"], maps), strict=True):
        Trace.from_arrays(
            {"rnet/crop000/input": right["rnet/crop000/input"], "rnet/crop000/conv1": values}
        ).save(path)
    with explorer(*paths) as address:
        page = visit(f"{address}#rnet/crop000/conv1?view=b")
        page.wait_for_timeout(400)
        colours = [
            page.locator(f"canvas.map[data-what={what}]").evaluate(PIXEL, in_map(page, 3, 4, 22, 22, what))[
                :3
            ]
            for what in ("a", "b", "difference")
        ]
        assert colours[1] == colours[2] == [255, 0, 200]
        assert colours[0] != [255, 0, 200]
        click_map(page, 3, 4, 22, 22, "b")
        page.wait_for_selector(".result")
        assert page.locator("#under code").nth(1).inner_text() == "NaN"
        assert "NaN or infinities differ in 3 of" in page.inner_text("#verdict")


def test_a_trace_without_values(visit: Visit, files: dict[str, Path]) -> None:
    with explorer(files["hash.npz"]) as address:
        page = visit(address)
        assert 'captured at level "hash": it holds no values, only hashes' in page.inner_text("#tensor-note")
        assert page.locator("canvas.map").count() == 0
        assert "…" in page.inner_text("#facts code")
        assert "no picture" in page.inner_text("#picture-holder")
        page.close()
        visit.complaints.clear()  # type: ignore[attr-defined]
    with explorer(files["right.npz"], files["hash.npz"]) as address:
        page = visit(address)
        until(page, "document.querySelector('#headline').textContent.includes('no divergence')")
        page.close()
        visit.complaints.clear()  # type: ignore[attr-defined]


def test_too_large_to_show(visit: Visit, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from mtcnn_cpp.explore import about, tensors

    for module in (about, tensors):  # the second refuses what the first one says
        monkeypatch.setattr(module, "SHOW_LIMIT", 5000)
    with explorer(files["right.npz"]) as address:
        page = visit(f"{address}#rnet/crop000/conv1")
        page.wait_for_timeout(300)
        assert "too large to show: 54,208 bytes" in page.inner_text("#tensor-note")
        values = Trace.load(files["right.npz"])["rnet/crop000/conv1"]
        assert f"{float(values.max()):.6g}" in page.inner_text("#facts")
        assert "too large to show" in page.inner_text(".card[data-name='rnet/crop000/conv1'] em")
        page.close()
        visit.complaints.clear()  # type: ignore[attr-defined]


def test_a_large_map_is_loaded_in_parts(visit: Visit, tmp_path: Path) -> None:
    values = np.arange(2 * 1500 * 1500, dtype=np.float32).reshape(2, 1500, 1500)
    path = tmp_path / "large.npz"
    Trace.from_arrays({"pnet/level00/conv1": values}).save(path)
    with explorer(path) as address:
        page = visit(f"{address}#pnet/level00/conv1?at=1,1400,1300")
        until(page, "document.querySelector('#under code')?.textContent.match(/\\d/)")
        assert page.inner_text("#under code") == str(int(values[1, 1400, 1300]))


def test_the_explorer_has_ended(visit: Visit, files: dict[str, Path]) -> None:
    with explorer(files["right.npz"]) as address:
        page = visit(address)
    page.keyboard.press("ArrowDown")
    until(page, "!document.querySelector('#tensor-note').hidden")
    assert page.inner_text("#tensor-note") == "no answer: has mtcnn-cpp explore ended?"
    assert visit.complaints  # type: ignore[attr-defined]
    visit.complaints.clear()  # type: ignore[attr-defined]


def test_a_file_that_is_damaged_meanwhile(visit: Visit, files: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(files["right.npz"].read_bytes())
    with explorer(path) as address:
        page = visit(address)
        with path.open("r+b") as file:
            file.truncate(20_000)
        page.fill("#search", "rnet/crop000/conv3")
        page.keyboard.press("Enter")
        until(page, "!document.querySelector('#tensor-note').hidden")
        assert str(path) in page.inner_text("#tensor-note")
        page.close()
        visit.complaints.clear()  # type: ignore[attr-defined]


def test_nothing_comes_from_elsewhere(browser: Any, two: str) -> None:
    context = browser.new_context()
    page, seen = context.new_page(), []
    page.on("request", lambda request: seen.append(request.url))
    page.goto(two)
    page.wait_for_selector("body[data-ready]")
    assert len(seen) > 20
    assert [address for address in seen if not address.startswith((two, "blob:", "data:"))] == []
    assert json.dumps(seen).count("token") == 0
    context.close()
