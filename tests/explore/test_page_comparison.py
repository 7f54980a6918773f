"""The page in headless Chromium with two traces: clicks, addresses, layout."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from clicks import Visit, address_state, pixels, until
from mtcnn_cpp.trace import Trace, compare

pytest.importorskip("starlette", reason="needs the extra: pip install 'mtcnn-cpp[explore]'")
pytest.importorskip("uvicorn", reason="needs the extra: pip install 'mtcnn-cpp[explore]'")


def test_two_traces_open_at_the_first_divergence(
    visit: Visit, comparison_url: str, correct: Trace, faulty: Trace
) -> None:
    page = visit(comparison_url)
    report = compare(correct, faulty)
    until(page, "document.querySelector('#headline').textContent.includes('tensor ')")
    assert page.inner_text("#headline") == report.headline
    first = report.first_divergence
    assert first is not None
    assert address_state(page) == f"#{first.name}?view=difference"
    assert page.locator("canvas.map").count() == 3
    page.wait_for_selector("#verdict")
    assert first.reason in page.inner_text("#verdict")
    failed = [row.name for row in report.tensors if not row.ok]
    for name in failed[1:4]:
        page.keyboard.press("n")
        assert address_state(page).startswith(f"#{name}?") or address_state(page) == f"#{name}"
    page.keyboard.press("p")
    assert address_state(page).startswith(f"#{failed[2]}?")
    page.click("#next")
    page.click("#previous")
    page.click("#previous")
    assert address_state(page).startswith(f"#{failed[1]}?")


def test_largest_difference_side_by_side(
    visit: Visit, comparison_url: str, correct: Trace, faulty: Trace
) -> None:
    page = visit(f"{comparison_url}#rnet/crop000/conv2?view=difference")
    page.wait_for_selector("#worst")
    page.click("#worst")
    row = next(row for row in compare(correct, faulty).tensors if row.name == "rnet/crop000/conv2")
    assert row.statistics is not None
    assert row.statistics.worst is not None
    index = row.statistics.worst.index
    assert f"at={','.join(map(str, index))}" in address_state(page)
    page.wait_for_selector("#reason")
    assert "not their sum: b was made with other weights" in page.inner_text("#reason")
    assert page.locator(".result").count() == 2
    values = page.locator("#cell-values code").all_inner_texts()
    assert values[:2] == [str(trace["rnet/crop000/conv2"][index]) for trace in (correct, faulty)]
    page.keyboard.press("u")
    page.wait_for_selector("canvas.map[data-view=ulp]")
    until(page, "document.querySelectorAll('#cell-values code')[2]?.textContent.match(/^[0-9]+$/)")
    assert float(page.locator("#cell-values code").nth(2).inner_text()) == row.statistics.worst.ulp
    assert "256–65535" in page.inner_text("#scale")


def test_views_change_the_cards(visit: Visit, comparison_url: str) -> None:
    page = visit(f"{comparison_url}#rnet/crop000/conv2")
    seen = set()
    for view in ("a", "b", "difference", "ulp"):
        page.click(f"#views [data-view={view}]")
        page.wait_for_timeout(250)
        seen.add(pixels(page, ".card[data-name='rnet/crop000/conv2'] canvas"))
    assert len(seen) == 4


def test_click_on_bar_shows_tensor(visit: Visit, comparison_url: str, correct: Trace, faulty: Trace) -> None:
    page = visit(comparison_url)
    until(page, "document.querySelector('#headline').textContent.includes('tensor ')")
    names = [row.name for row in compare(correct, faulty).tensors]
    box = page.locator("#bar").bounding_box()
    page.locator("#bar").click(position={"x": box["width"] * 10.5 / len(names), "y": 62})
    assert address_state(page).startswith(f"#{names[10]}")
    page.fill("#search", "onet fc2")
    matching = [name for name in names if "onet" in name and "fc2" in name]
    assert page.inner_text("#count") == f"{len(matching)} of {len(names)} tensors"
    page.locator("#bar").click(position={"x": 3, "y": 62})
    assert address_state(page).startswith(f"#{matching[0]}")


def test_search(visit: Visit, comparison_url: str, correct: Trace, faulty: Trace) -> None:
    page = visit(comparison_url)
    until(page, "document.querySelector('#headline').textContent.includes('tensor ')")
    report = compare(correct, faulty)
    page.keyboard.press("/")
    page.keyboard.type("rnet*conv2")
    assert page.locator("#list .row").first.get_attribute("data-name") == "rnet/crop000/conv2"
    page.keyboard.press("Enter")
    assert address_state(page).startswith("#rnet/crop000/conv2")
    page.keyboard.press("Escape")
    page.check("#divergent")
    assert page.inner_text("#count").startswith(f"{sum(not row.ok for row in report.tensors)} of ")
    page.locator("#list .row").nth(2).click()
    failed = [row.name for row in report.tensors if not row.ok]
    assert address_state(page).startswith(f"#{failed[2]}")
    page.fill("#search", "no such thing")
    assert page.inner_text("#count").startswith("0 of ")
    assert page.locator("#list .row").count() == 0


def test_faces_tab(visit: Visit, comparison_url: str, correct: Trace, faulty: Trace) -> None:
    page = visit(comparison_url)
    page.click("[data-tab=faces]")
    page.wait_for_selector("#effect")
    assert (len(correct["final/boxes"]), len(faulty["final/boxes"])) == (1, 0)
    assert page.inner_text("#effect") == "0 faces in both, 1 missing in B"
    before = pixels(page, "#image")
    page.click("#tab-faces tbody tr")
    assert address_state(page).startswith("#onet/crop")
    assert pixels(page, "#image") != before
    page.click("[data-tab=about]")
    assert "correct.npz" in page.inner_text("#tab-about")
    assert "capture level full" in page.inner_text("#tab-about")


def test_address_stores_the_state(visit: Visit, comparison_url: str) -> None:
    address = f"{comparison_url}#rnet/crop000/conv2?at=3,4,5&view=ulp&level=1&heat=1&show=proposals,final"
    page = visit(address)
    page.wait_for_selector(".result")
    assert page.inner_text("#tensor-title") == "rnet/crop000/conv2"
    assert page.input_value("#channel") == "3"
    assert page.get_attribute("#views [data-view=ulp]", "aria-pressed") == "true"
    assert page.get_attribute("#heat", "aria-pressed") == "true"
    assert page.inner_text("#level-name") == "level 1"
    assert page.get_attribute("#stages [data-stage=rnet]", "aria-pressed") == "false"
    first = address_state(page)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("b")
    assert address_state(page).startswith("#rnet/crop000/prelu2?view=b")
    page.go_back()
    page.go_back()
    assert address_state(page) == first
    assert page.inner_text("#tensor-title") == "rnet/crop000/conv2"
    page.go_forward()
    assert address_state(page).startswith("#rnet/crop000/prelu2")
    page.reload()
    page.wait_for_selector("body[data-ready]")
    assert address_state(page).startswith("#rnet/crop000/prelu2")
    assert page.inner_text("#tensor-title") == "rnet/crop000/prelu2"


def test_a_second_tab(visit: Visit, comparison_url: str) -> None:
    pages = [visit(f"{comparison_url}#{name}") for name in ("rnet/crop000/conv2", "pnet/level00/conv1")]
    pages[1].keyboard.press("ArrowDown")
    assert pages[0].inner_text("#tensor-title") == "rnet/crop000/conv2"
    assert pages[1].inner_text("#tensor-title") == "pnet/level00/prelu1"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 1920])
def test_layout(visit: Visit, comparison_url: str, scheme: str, width: int) -> None:
    page = visit(
        f"{comparison_url}#rnet/crop000/conv2?at=3,4,5&view=difference",
        viewport={"width": width, "height": 1000}, color_scheme=scheme,
    )  # fmt: skip
    page.wait_for_selector(".result")
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    assert page.evaluate("document.scrollingElement.scrollHeight <= innerHeight")
    for selector in ("#image", "#bar", "canvas.map", "#list", "#value", "#stages [data-stage=final]"):
        box = page.locator(selector).first.bounding_box()
        assert box["x"] >= 0, selector
        assert box["x"] + box["width"] <= width, selector
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", paper)[:3])) < 200) == (scheme == "dark")


def test_no_requests_to_other_hosts(browser: Any, comparison_url: str) -> None:
    context = browser.new_context()
    page, seen = context.new_page(), []
    page.on("request", lambda request: seen.append(request.url))
    page.goto(comparison_url)
    page.wait_for_selector("body[data-ready]")
    assert len(seen) > 20
    assert [address for address in seen if not address.startswith((comparison_url, "blob:", "data:"))] == []
    assert json.dumps(seen).count("token") == 0
    context.close()
