"""Two detections at a time: the last wins. "Stop" ends a detection, and the page stays fluid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import png
from images import portrait
from try_site import choose, downloaded, set_option, shown, wait_until_shown


def start_long_detection(page: Any, large: Path) -> None:
    """Begin a detection that takes seconds."""
    page.locator("#min-face").fill("12")
    page.set_input_files("#file", large)
    page.locator("#stop:not([hidden])").wait_for()
    assert page.inner_text("#status") == "Detecting faces …"


def test_stop(page: Any, large: Path, collage: Path) -> None:
    start_long_detection(page, large)
    page.click("#stop")
    assert page.inner_text("#status") == "Stopped."
    assert page.locator("#stop").is_hidden()
    for _ in range(100):  # Chromium ends a busy worker after two seconds
        page.wait_for_timeout(100)
        if len(page.workers) == 1:
            break
    assert len(page.workers) == 1
    assert shown(page) == 0
    choose(page, collage)
    assert downloaded(page, "csv")[0] == "collage_faces.csv"


def test_stop_keeps_the_result_before(page: Any, large: Path, collage: Path) -> None:
    choose(page, collage)
    before = downloaded(page, "csv")
    start_long_detection(page, large)
    page.click("#stop")
    assert downloaded(page, "csv") == before
    assert page.locator("#message").is_hidden()


def test_the_last_image_wins(page: Any, large: Path, collage: Path, tmp_path: Path) -> None:
    """The detection of the large image is ended, so the result of the next image comes soon."""
    small = tmp_path / "small.png"
    small.write_bytes(png.encode(portrait()))
    start_long_detection(page, large)
    worker = page.workers[0]
    page.set_input_files("#file", collage)
    page.set_input_files("#file", small)
    wait_until_shown(page, 1)
    assert downloaded(page, "csv")[0] == "small_faces.csv"
    page.wait_for_timeout(3000)
    assert shown(page) == 1
    assert worker not in page.workers


def test_images_in_quick_succession_are_not_mixed(page: Any, collage: Path, tmp_path: Path) -> None:
    small = tmp_path / "small.png"
    small.write_bytes(png.encode(portrait()))
    for _ in range(5):
        page.set_input_files("#file", collage)
        page.set_input_files("#file", small)
    page.locator("#view[aria-label^='small.png']").wait_for()
    page.wait_for_timeout(1000)
    assert page.get_attribute("#view", "aria-label") == "small.png, 176 × 160 pixels, with 1 face"
    assert page.locator(".face").count() == 1
    assert downloaded(page, "csv")[0] == "small_faces.csv"


def test_the_page_stays_fluid(page: Any, large: Path) -> None:
    """While a detection runs, the page draws frames and reacts to keys."""
    start_long_detection(page, large)
    frames = page.evaluate(
        """() => new Promise((done) => {
            let count = 0;
            const end = performance.now() + 500;
            const next = () => (performance.now() > end ? done(count) : requestAnimationFrame(next, count++));
            next();
        })"""
    )
    assert frames > 5
    page.locator("#notes summary").click()
    assert page.locator("#notes").get_attribute("open") is not None
    assert page.locator("#stop").is_visible()
    page.click("#stop")


def test_looking_inside_can_be_stopped(page: Any, large: Path) -> None:
    choose(page, large)
    before = page.inner_text("#status")
    page.locator(".face").first.click()
    page.locator("#stop:not([hidden])").wait_for()
    page.click("#stop")
    page.wait_for_timeout(300)
    assert page.locator("#inside").is_hidden()
    set_option(page, "min-face", 200)
    assert page.inner_text("#status") != before
