"""The page in headless Chromium with one trace: all clicks and keys."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest
from clicks import Visit, address_state, click_map, image_position, pixels, until
from images import ROOT
from mtcnn_cpp.trace import Trace, explain

pytest.importorskip("starlette", reason="needs the extra: pip install 'mtcnn-cpp[explore]'")
pytest.importorskip("uvicorn", reason="needs the extra: pip install 'mtcnn-cpp[explore]'")

PAGE = ROOT / "python" / "mtcnn_cpp" / "explore" / "page"


def test_one_trace_opens(visit: Visit, trace_url: str, correct: Trace) -> None:
    page = visit(trace_url)
    assert page.inner_text("#headline") == f"{len(correct)} tensors"
    assert address_state(page) == "#onet/crop000/input"
    assert page.inner_text("#layers-title") == "ONet crop 0"
    names = [name for name in correct if name.startswith("onet/crop000/")]
    assert page.eval_on_selector_all(".card", "cards => cards.map((card) => card.dataset.name)") == names
    assert page.locator("#next").is_hidden()
    assert page.locator("#views button").count() == 0
    assert page.locator("canvas.map").count() == 1


def test_show_and_hide_boxes(visit: Visit, trace_url: str, correct: Trace) -> None:
    page = visit(trace_url)
    counts = {
        "proposals": len(correct["pnet/level00/boxes"]),
        "nms": len(correct["pnet/nms_keep"]),
        "rnet": len(correct["onet/boxes_in"]),
        "onet": len(correct["onet/boxes_out"]),
        "final": len(correct["final/boxes"]),
    }
    seen = {pixels(page, "#image")}
    for key, (stage, count) in enumerate(counts.items(), start=1):
        button = page.locator(f"#stages [data-stage={stage}]")
        assert button.inner_text().split()[-1] == str(count)
        before = button.get_attribute("aria-pressed")
        button.click()
        assert button.get_attribute("aria-pressed") != before
        seen.add(pixels(page, "#image"))
        page.keyboard.press(str(key))
        assert button.get_attribute("aria-pressed") == before
        page.keyboard.press(str(key))
        assert button.get_attribute("aria-pressed") != before
        pixels(page, "#image")
    assert len(seen) == 6  # each stage changes the image


def test_levels_and_heat_maps(visit: Visit, trace_url: str, correct: Trace) -> None:
    page = visit(trace_url)
    levels = sorted({name.split("/")[1] for name in correct if name.startswith("pnet/level")})
    assert page.get_attribute("#level", "max") == str(len(levels) - 1)
    plain = pixels(page, "#image")
    page.click("#heat")
    until(page, "before => document.querySelector('#image').toDataURL() !== before", plain)
    seen = {pixels(page, "#image")}
    for number in range(1, len(levels)):
        page.locator("#level").fill(str(number))
        page.wait_for_timeout(150)
        seen.add(pixels(page, "#image"))
        assert page.inner_text("#level-name") == f"level {number}"
        height, width = correct.info(f"pnet/level{number:02d}/input").shape[1:]
        count = len(correct[f"pnet/level{number:02d}/boxes"])
        text = page.inner_text("#level-text")
        assert text.startswith(f"{height} × {width}, ")
        assert f"{count} proposal" in text
    assert len(seen) == len(levels)
    page.keyboard.press("[")
    assert page.inner_text("#level-name") == f"level {len(levels) - 2}"
    page.click("#level-name")
    assert address_state(page).startswith(f"#pnet/level{len(levels) - 2:02d}/heat_map")


def test_from_box_to_sum(visit: Visit, trace_url: str, correct: Trace) -> None:
    """Click image, face, crop, layer, channel, value, and from a step of the sum back to the input."""
    page = visit(trace_url)
    x, y, width, height = correct["final/boxes"][0]
    size = correct.image.shape[:2]
    page.locator("#image").click(position=image_position(page, x + width / 2, y + height / 2, size))
    crop = int(correct["onet/keep"][correct["onet/nms_keep"][0]])
    assert re.fullmatch(rf"#onet/crop{crop:03d}/input\?box=a:(final|onet|rnet):\d+", address_state(page))
    steps = page.locator("#box-path .step").all_inner_texts()
    assert [re.sub(r" score [\d.,e-]+$", "", step) for step in steps][1:] == [
        "after NMS",
        *(re.sub(r" score [\d.,e-]+$", "", step) for step in steps[2:]),
    ]
    assert f"ONet crop {crop}" in " ".join(steps)
    assert "RNet crop" in " ".join(steps)
    assert "PNet level" in steps[0]

    page.locator("#box-path .step", has_text="RNet crop").click()
    assert re.match(r"#rnet/crop\d+/input", address_state(page))
    group = re.match(r"#(rnet/crop\d+)/", address_state(page))[1]
    name = f"{group}/conv1"
    until(page, "group => document.querySelector('#layer-cards').dataset.shown === group", group)
    page.locator(f".card[data-name='{name}'] b").click()
    assert address_state(page).startswith(f"#{name}")
    canvas = page.locator(f".card[data-name='{name}'] canvas")
    box = canvas.bounding_box()
    canvas.click(position={"x": box["width"] - 4, "y": 4})  # the last of the first row of channels
    channel = int(re.search(r"channel=(\d+)", address_state(page))[1])
    assert 0 < channel < 28
    assert page.input_value("#channel") == str(channel)
    page.wait_for_selector(f"#maps[data-shown='{name} {channel}']")
    click_map(page, 5, 7, 22, 22)
    page.wait_for_selector(f"#value[data-shown='{name} {channel},5,7']")
    assert f"at={channel},5,7" in address_state(page)
    value = correct[name][channel, 5, 7]
    found = explain(correct, name, (channel, 5, 7))
    assert page.inner_text("#cell-values code") == str(value)
    assert page.locator("#sum .result code").first.inner_text() == str(value)
    assert page.inner_text("#sum h3") == f"Conv2d of input: {len(found.terms)} steps"
    sums = page.locator("#sum .steps tbody tr td:nth-child(5)").all_inner_texts()
    assert sums == [str(term.running.fma) for term in found.terms]
    assert page.inner_text("#field-image").startswith("in the image: rows ")
    assert page.locator("#field-input").bounding_box()["width"] > 50

    page.locator("#sum .steps tbody tr button").nth(4).click()
    at = ",".join(map(str, found.terms[4].index))
    assert address_state(page).startswith(f"#{group}/input?at={at}")
    assert page.inner_text("#cell-values code") == str(found.terms[4].value)


def test_click_on_proposal_shows_its_cell(visit: Visit, trace_url: str, correct: Trace) -> None:
    level = next(
        name.rpartition("/")[0] for name in correct if name.endswith("/boxes") and len(correct[name])
    )
    number = int(level[-2:])
    page = visit(f"{trace_url}#pnet/level00/heat_map?show=proposals&level={number}")
    boxes = correct[f"{level}/boxes"]
    smallest = int(np.argmin(boxes[:, 2] * boxes[:, 3]))
    x, y, width, height = boxes[smallest]
    page.locator("#image").click(
        position=image_position(page, x + width / 2, y + height / 2, correct.image.shape[:2])
    )
    found = re.match(rf"#{level}/heat_map\?at=(\d+),(\d+)", address_state(page))
    row, column = int(found[1]), int(found[2])
    assert correct[f"{level}/heat_map"][row, column] in correct[f"{level}/scores"]
    page.wait_for_selector(f"#value[data-shown='{level}/heat_map {row},{column}']")
    assert "heat_map" in page.inner_text("#value-title")
    assert "is not the output of a layer" in page.inner_text("#sum")


def test_zoom(visit: Visit, trace_url: str) -> None:
    page = visit(f"{trace_url}#pnet/level00/conv1")
    page.wait_for_selector("#maps[data-shown='pnet/level00/conv1 0']")
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
    assert "at=" not in address_state(page)  # a drag is no click
    page.keyboard.press("0")
    page.mouse.move(2, 2)
    assert pixels(page, "canvas.map") == before


def test_introduction_at_the_first_visit(
    visit: Visit, trace_url: str, comparison_url: str, files: dict[str, Path]
) -> None:
    """The choice to close it is kept, also for an explorer at another port."""
    page = visit(trace_url, first=True)
    assert page.locator("#introduction").is_visible()
    box = page.locator("#introduction svg").bounding_box()
    assert box["width"] > 400
    text = page.inner_text("#introduction")
    for word in ("PNet", "RNet", "ONet", "proposals", "NMS", "crop", "ULP"):
        assert word in text
    page.click("#close-introduction")
    assert page.locator("#introduction").is_hidden()
    for address in (trace_url, comparison_url):
        page.goto(address)
        page.wait_for_selector("body[data-ready]")
        assert page.locator("#introduction").is_hidden()
    page.click("#help-button")
    assert "MTCNN finds faces with three networks" in page.inner_text("#help")


def test_definitions_of_terms(visit: Visit, trace_url: str) -> None:
    page = visit(f"{trace_url}#onet/crop000/input?box=a:final:0&show=onet,final")
    glossary = json.loads(PAGE.joinpath("glossary.json").read_text("utf-8"))
    for selector, terms in {
        "#stages [data-stage=proposals]": ["proposal"],
        "#stages [data-stage=nms]": ["NMS"],
        "#layers-title": ["crop", "ONet"],
        "#receptive-field p": ["receptive field"],
        "#box-path [data-stage=onet]": ["crop", "ONet", "score"],
        "[data-tab=tensors]": [],
    }.items():
        own = page.get_attribute(selector, "title")
        for _ in range(2):  # a second time adds nothing
            page.hover(selector, position={"x": 4, "y": 4})
            found = (page.get_attribute(selector, "title") or "").split("\n\n")
            assert found == [own] * bool(own) + [f"{term}: {glossary[term]}" for term in terms] or found == [
                ""
            ]
            assert bool(terms) == (found != [""])
            page.mouse.move(1, 1)
    page.focus("#heat")
    page.wait_for_function("document.querySelector('#heat').title.includes('face probability')")


def test_path_of_a_face(visit: Visit, trace_url: str, correct: Trace) -> None:
    """A score below 1 is not shown as 1, and the page states why the final box differs from ONet's."""
    page = visit(f"{trace_url}#onet/crop000/input?box=a:final:0")
    steps = page.locator("#box-path .step").all_inner_texts()
    assert len(steps) == 5
    for step in steps:
        assert 0 < float(step.rpartition(" score ")[2]) < 1
    text = page.inner_text("#box-path p")
    (share_y, share_height) = (float(found) / 100 for found in re.findall(r"([\d.]+) %", text))
    (_, y0, _, height0), (_, y, _, height) = (
        correct[name][0].astype(float) for name in ("onet/boxes_out", "final/boxes")
    )
    assert y == np.float32(y0 + height0 * share_y)
    assert height == np.float32(height0 * share_height)
    page = visit(trace_url)
    assert page.locator("#box-path p").count() == 0
    shown = page.evaluate(
        """async () => { const { formatScore } = await import("./format.js");
        return [1, 0.99992, 0.99996, 0.99999994, 0.7, 0].map((value) => formatScore(value)); }"""
    )
    assert shown == ["1", "0.9999", "0.99996", "0.9999999", "0.7", "0"]


def test_help(visit: Visit, trace_url: str) -> None:
    page = visit(trace_url)
    page.keyboard.press("?")
    assert "next divergence" in page.inner_text("#help")
    page.keyboard.press("Escape")
    assert page.locator("#help").is_hidden()
    page.click("#help-button")
    assert page.locator("#help").is_visible()


def test_thumbnails_of_an_input(visit: Visit, trace_url: str) -> None:
    """The first thumbnail of an input is the colour crop; then follow the channels R, G and B."""
    page = visit(f"{trace_url}#onet/crop000/conv1")
    canvas = page.locator(".card[data-name='onet/crop000/input'] canvas")
    until(page, "document.querySelector('#layer-cards').dataset.shown === 'onet/crop000'")
    box = canvas.bounding_box()
    for x, y, channel in ((0.25, 0.25, 0), (0.75, 0.25, 0), (0.25, 0.75, 1), (0.75, 0.75, 2)):
        canvas.click(position={"x": box["width"] * x, "y": box["height"] * y})
        assert address_state(page) == "#onet/crop000/input" + (f"?channel={channel}" if channel else "")
        assert page.input_value("#channel") == str(channel)


def test_a_narrow_window(visit: Visit, trace_url: str) -> None:
    """The parts are in one column: none covers another, and nothing is wider than the window."""
    page = visit(trace_url, viewport={"width": 400, "height": 860}, first=True)
    parts = [
        "#introduction",
        "#timeline",
        "#stages",
        "#image-holder",
        "#box-path",
        "#lists",
        "#layers",
        "#maps",
        "#value",
    ]
    boxes = [page.locator(part).bounding_box() for part in parts]
    for above, below in itertools.pairwise(boxes):
        assert below["y"] >= above["y"] + above["height"] - 1, (above, below)
        assert below["x"] >= 0
        assert below["x"] + below["width"] <= 400
    assert page.evaluate("document.documentElement.scrollWidth") == 400
    assert page.locator("#image-holder").bounding_box()["height"] >= 250
