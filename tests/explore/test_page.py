"""The page in headless Chromium, on one trace: every way of clicking."""

from __future__ import annotations

import re

import numpy as np
import pytest
from clicks import Visit, click_map, in_picture, pixels, place, until
from mtcnn_cpp.trace import Trace, explain

pytest.importorskip("starlette", reason="needs the extra: pip install 'mtcnn-cpp[explore]'")
pytest.importorskip("uvicorn", reason="needs the extra: pip install 'mtcnn-cpp[explore]'")


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


def test_help(visit: Visit, one: str) -> None:
    page = visit(one)
    page.keyboard.press("?")
    assert "next divergence" in page.inner_text("#help")
    page.keyboard.press("Escape")
    assert page.locator("#help").is_hidden()
    page.click("#help-button")
    assert page.locator("#help").is_visible()


def test_the_crop_in_colours_and_its_channels(visit: Visit, one: str) -> None:
    """The first tile of an input is the crop as it was; then come red, green and blue."""
    page = visit(f"{one}#onet/crop000/conv1")
    canvas = page.locator(".card[data-name='onet/crop000/input'] canvas")
    until(page, "document.querySelector('#strip').dataset.shown === 'onet/crop000'")
    box = canvas.bounding_box()
    for x, y, channel in ((0.25, 0.25, 0), (0.75, 0.25, 0), (0.25, 0.75, 1), (0.75, 0.75, 2)):
        canvas.click(position={"x": box["width"] * x, "y": box["height"] * y})
        assert place(page) == "#onet/crop000/input" + (f"?channel={channel}" if channel else "")
        assert page.input_value("#channel") == str(channel)
