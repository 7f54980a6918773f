"""A face opens the explorer; the way there and back by mouse, keyboard and history."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from clicks import address_state
from images import ROOT
from mtcnn_cpp import Detector
from mtcnn_cpp.media.image import read_image
from try_site import TrySite, choose, site_part

EXPLORER = ROOT / "python" / "mtcnn_cpp" / "explore" / "page"


def explorer_of(page: Any) -> Any:
    """Return the frame of the explorer after it is ready."""
    page.frame_locator("#explorer").locator("body[data-ready]").wait_for()
    return next(frame for frame in page.frames if "/explore/" in frame.url)


def test_every_face_opens_at_its_crop(page: Any, collage: Path) -> None:
    trace = Detector().trace(read_image(collage))
    crops = [trace["onet/keep"][index] for index in trace["onet/nms_keep"]]
    choose(page, collage)
    assert page.locator(".face").count() == len(crops) == 6
    for face, crop in enumerate(crops):
        page.locator("#face-rows button").nth(face).click()
        frame = explorer_of(page)
        assert address_state(frame) == f"#onet/crop{crop:03d}/input?box=a:final:{face}"
        assert frame.inner_text("#tensor-title") == f"onet/crop{crop:03d}/input"
        assert frame.inner_text("#headline") == f"{len(trace):,} tensors"
        assert page.inner_text("#inside-title") == f"Look inside face {face}"
        page.click("#back")
        assert page.evaluate("document.activeElement.textContent") == str(face)


def test_the_explorer_works(page: Any, collage: Path) -> None:
    choose(page, collage)
    page.locator(".face").first.click()
    frame = explorer_of(page)
    frame.click("#heat")
    frame.click("[data-tab=faces]")
    assert frame.locator("#tab-faces tbody tr").count() == 6
    frame.click("[data-tab=about]")
    text = frame.inner_text("#tab-about")
    assert "collage.png" in text
    hashes = Detector().model.hashes()
    assert all(f"{network} {digest[:12]}" in text for network, digest in hashes.items())
    frame.locator(".card[data-name$=conv2]").click()
    frame.locator("#maps[data-shown*=conv2]").wait_for(state="attached")
    frame.locator("canvas.map").click()
    frame.locator("#sum .note").wait_for()
    assert "mtcnn-cpp explore" in frame.inner_text("#sum")
    assert frame.locator("#tensor-note").is_hidden()


def test_keyboard_only(page: Any, collage: Path) -> None:
    choose(page, collage)
    page.locator(".face").nth(2).focus()
    label = page.evaluate("document.activeElement.ariaLabel")
    assert label.startswith("Look inside face 2, score 0.")
    page.keyboard.press("Enter")
    explorer_of(page)
    assert page.evaluate("document.activeElement.id") == "inside-title"
    page.keyboard.press("Shift+Tab")
    assert page.evaluate("document.activeElement.id") == "back"
    page.keyboard.press("Enter")
    assert page.locator("#inside").is_hidden()
    assert page.evaluate("document.activeElement.ariaLabel") == label


def test_the_back_button_of_the_browser(page: Any, collage: Path) -> None:
    choose(page, collage)
    page.locator(".face").first.click()
    explorer_of(page)
    page.go_back()
    page.locator("#detection").wait_for()
    assert page.locator("#inside").is_hidden()
    assert page.evaluate("document.activeElement.className") == "face"
    page.locator(".face").nth(1).click()
    explorer_of(page)


def test_options_of_the_detection(page: Any, collage: Path) -> None:
    """The explorer shows the detection that is on the page, also if an option changed at the last moment."""
    choose(page, collage)
    page.evaluate(
        "() => { const slider = document.getElementById('min-face'); slider.value = 100;"
        " slider.dispatchEvent(new Event('input')); document.querySelector('.face').click(); }"
    )
    frame = explorer_of(page)
    frame.click("[data-tab=about]")
    assert "min_face 60" in frame.inner_text("#tab-about")
    page.click("#back")
    page.wait_for_selector("body[data-shown='2']")
    assert page.locator(".face").count() == len(Detector(min_face=100).detect(read_image(collage)))


def test_the_explorer_by_itself(visit: Callable[..., Any], site: TrySite) -> None:
    page = visit(f"{site.address}explore/", ready=False)
    page.locator("#headline.bad").wait_for()
    assert "open that page" in page.inner_text("#headline")


def test_the_files_are_those_of_the_package(site: TrySite, core_file: Path, tmp_path: Path) -> None:
    copied = site.folder / "web" / "try" / "explore"
    assert {file.name for file in copied.iterdir()} == {file.name for file in EXPLORER.iterdir()}
    for file in EXPLORER.iterdir():
        same = (copied / file.name).read_bytes() == file.read_bytes()
        assert same is (file.name != "transport.js"), file.name
    text = (site.folder / "web" / "try" / "files.js").read_text()
    listed = json.loads(text.split("self.FILES = ")[1].rstrip(";\n"))
    page = site.folder / "web" / "try"
    assert {(page / name).resolve() for name in listed[1:]} == {
        file.resolve()
        for file in (site.folder / "web").rglob("*")
        if file.is_file() and file.name not in ("files.js", "service_worker.js")
    }
    changed = tmp_path / "core.wasm"
    changed.write_bytes(core_file.read_bytes() + b"\0")
    site_part().write(tmp_path / "web", changed)
    assert (tmp_path / "web" / "try" / "files.js").read_text().split(";")[0] != text.split(";")[0]


def test_links_need_the_compiled_core(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    part = site_part()
    source = ["See [Try it](../web/try/index.html)."]
    (tmp_path / "core.wasm").write_bytes(b"")
    monkeypatch.setenv("MTCNN_CPP_WASM", str(tmp_path / "core.wasm"))
    part.link(None, "index", with_core := list(source))
    assert with_core == ['See <a href="web/try/index.html">Try it</a>.']
    monkeypatch.setenv("MTCNN_CPP_WASM", str(tmp_path / "gone.wasm"))
    part.link(None, "index", without := list(source))
    assert "href" not in without[0]
    assert "not part of this build" in without[0]
