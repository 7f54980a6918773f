"""The page: ways to give an image, keyboard, labels, contrast, widths, and the link from the front page."""

from __future__ import annotations

import base64
import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from images import ROOT
from try_site import TrySite, choose, downloaded, wait_until_shown

PAGE = ROOT / "web" / "try"
MAKE_TRANSFER = """const content = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([content], name, { type: "image/png" }));"""


def test_drop_and_paste(page: Any, collage: Path) -> None:
    content = base64.b64encode(collage.read_bytes()).decode()
    page.evaluate(
        f"""([base64, name]) => {{ {MAKE_TRANSFER}
            document.dispatchEvent(new DragEvent("dragover", {{ dataTransfer: transfer }})); }}""",
        [content, "dropped.png"],
    )
    assert "drop" in page.get_attribute("#image-panel", "class")
    page.evaluate(
        f"""([base64, name]) => {{ {MAKE_TRANSFER}
            document.dispatchEvent(new DragEvent("drop", {{ dataTransfer: transfer }})); }}""",
        [content, "dropped.png"],
    )
    wait_until_shown(page, 1)
    assert page.get_attribute("#image-panel", "class") == ""
    assert page.get_attribute("#view", "aria-label") == "dropped.png, 1280 × 720 pixels, with 6 faces"
    page.evaluate(
        f"""([base64, name]) => {{ {MAKE_TRANSFER}
            document.dispatchEvent(new ClipboardEvent("paste", {{ clipboardData: transfer }})); }}""",
        [content, "pasted.png"],
    )
    wait_until_shown(page, 2)
    assert downloaded(page, "csv")[1].decode().splitlines()[1].startswith("pasted.png,1,0,0.0,0.99")


def test_the_webcam(visit: Callable[..., Any], site: TrySite) -> None:
    """A frame of the camera, here of a canvas with the sample, is processed; then the camera is off."""
    page = visit("about:blank", ready=False)
    page.add_init_script(
        """navigator.mediaDevices.getUserMedia = async () => {
            const canvas = document.createElement("canvas"), image = new Image();
            image.src = "astronaut.png";
            await image.decode();
            [canvas.width, canvas.height] = [512, 512];
            const draw = () => canvas.getContext("2d").drawImage(image, 0, 0);
            setInterval(draw, 30);
            draw();
            return (window.camera = canvas.captureStream(30));
        }"""
    )
    page.goto(site.address)
    page.click("#webcam")
    page.locator("#camera:not([hidden])").wait_for()
    assert page.evaluate("document.activeElement.id") == "take"
    page.keyboard.press("Enter")
    wait_until_shown(page, 1)
    assert page.get_attribute("#view", "aria-label") == "webcam.png, 512 × 512 pixels, with 1 face"
    assert page.locator("#camera").is_hidden()
    assert page.evaluate("camera.active") is False
    assert downloaded(page, "png")[0] == "webcam_faces.png"
    page.click("#webcam")
    page.click("#close-camera")
    assert page.evaluate("camera.active") is False
    assert page.evaluate("document.activeElement.id") == "webcam"


def test_keyboard(page: Any, collage: Path) -> None:
    """Tab reaches every control, in the order of the page, and each has a visible focus."""
    choose(page, collage)
    page.evaluate("document.activeElement.blur()")
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement === document.body"):
            break
        name, outline = page.evaluate(FOCUS)
        assert outline, name
        reached.append(name)
    expected = ["mtcnn_cpp", "file", "sample", "webcam", *["face"] * 6, "min-face", "threshold-pnet"]
    expected += ["threshold-rnet", "threshold-onet", "OpenFace's defaults", *map(str, range(6)), "csv", "png"]
    assert [name for name in reached if name in expected] == expected
    page.locator("#min-face").focus()
    page.keyboard.press("ArrowRight")
    wait_until_shown(page, 2)
    assert page.inner_text("output[for=min-face]") == "61 px"


# The name of the focused element, and whether it has an outline. The label of the file has that of its input.
FOCUS = """() => {
    const focused = document.activeElement, isFile = focused.id === "file";
    const style = getComputedStyle(isFile ? document.querySelector(".button") : focused);
    const name = focused.id || focused.className || focused.textContent;
    return [name, style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 1];
}"""


def test_every_control_has_a_name(page: Any, collage: Path) -> None:
    choose(page, collage)
    unnamed = page.evaluate(
        """() => {
            const kinds = "button, input, a, iframe, canvas, video, section, form";
            const all = [...document.querySelectorAll(kinds)];
            const isNamed = ({ ariaLabel, title, textContent, labels }) =>
                ariaLabel || title || textContent.trim() || labels?.length;
            return all.filter((element) => !isNamed(element)).map((element) => element.outerHTML);
        }"""
    )
    assert unnamed == []
    assert page.get_attribute("#status", "aria-live") == "polite"
    assert page.get_attribute("#message", "role") == "alert"
    assert page.get_attribute("html", "lang") == "en"
    assert page.locator("#view[role=img]").get_attribute("aria-label")
    assert page.locator("h1").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 400, 1280, 1920])
def test_widths(visit: Callable[..., Any], site: TrySite, collage: Path, width: int, scheme: str) -> None:
    """Nothing is wider than the window, and all text has the contrast of WCAG AA."""
    page = visit(site.address, viewport={"width": width, "height": 900}, color_scheme=scheme)
    choose(page, collage)
    page.set_input_files("#file", ROOT / "README.md")
    page.locator("#message:not([hidden])").wait_for()
    page.click("#notes summary")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    hidden = page.eval_on_selector(".wide", "box => box.scrollWidth - box.clientWidth")
    assert hidden == 0 or width < 400
    found = page.evaluate(CONTRASTS)
    assert len(found) > 20
    assert [item for item in found if item[0] < 4.5] == []
    page.locator(".face").first.click()
    page.frame_locator("#explorer").locator("body[data-ready]").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate("document.documentElement.scrollHeight") == 900


# The contrast of each text with its background, which is an opaque colour of an element around it.
CONTRASTS = """() => {
    const parse = (text) => text.match(/[\\d.]+/g).map(Number);
    const luminance = ([red, green, blue]) => {
        const toLinear = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
        const linear = [red, green, blue].map((value) => toLinear(value / 255));
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
    };
    const backgroundOf = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const colour = parse(getComputedStyle(at).backgroundColor);
            if ((colour[3] ?? 1) === 1) return colour;
        }
        return [255, 255, 255];
    };
    const isText = (node) => node.nodeType === 3 && node.data.trim();
    const hasText = (element) => [...element.childNodes].some(isText);
    const all = [...document.querySelectorAll("body *")];
    const texts = all.filter((element) => element.checkVisibility() && hasText(element));
    return texts.map((element) => {
        const both = [luminance(parse(getComputedStyle(element).color)), luminance(backgroundOf(element))];
        const contrast = (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
        return [contrast, element.textContent.trim().slice(0, 40)];
    });
}"""


def test_high_contrast(page: Any, collage: Path) -> None:
    """With the colours of the system, controls keep a visible border, and focus stays visible."""
    page.emulate_media(forced_colors="active")
    choose(page, collage)
    for selector in ("#sample", "label.button", "#csv", "#options"):
        width, style = page.eval_on_selector(
            selector,
            "element => ['borderTopWidth', 'borderTopStyle'].map((key) => getComputedStyle(element)[key])",
        )
        assert (width, style) == ("1px", "solid"), selector
    page.locator(".face").first.focus()
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_two_clicks_from_the_front_page() -> None:
    """The front page links to the page, on which the first button chooses an image."""
    front = (ROOT / "docs" / "index.md").read_text("utf-8")
    assert "](../web/try/index.html)" in front
    text = (PAGE / "index.html").read_text("utf-8")
    body = text.partition('id="sources"')[2]
    assert (
        re.findall(r"<(?:label|button|input)[^>]*>", body)[0] == '<label class="button primary" for="file">'
    )


def test_the_files_of_the_page() -> None:
    """Every module is used, none parses markup or contacts a server, and there are no resources of others."""
    modules = {file.relative_to(PAGE).as_posix() for file in PAGE.rglob("*.js")}
    used = {"main.js", "worker.js", "service_worker.js", "transport.js"}
    for file in PAGE.rglob("*.js"):
        text = file.read_text("utf-8")
        for name in re.findall(r'(?m)^import .* from "(\.[^"]+)";$', text):
            target = (file.parent / name).resolve()
            if PAGE in target.parents:
                used.add(target.relative_to(PAGE).as_posix())
        assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|Function\(", text)
        assert not re.search(r"https?://", text), file
        assert len(text.splitlines()) < 400, file
    assert used == modules
    for name in ("index.html", "style.css"):
        assert not re.search(r"https?://|@import|url\(", (PAGE / name).read_text("utf-8"))
    assert not re.search(
        r"<script(?! type=\"module\" src=)|style=|\bon[a-z]+=", (PAGE / "index.html").read_text()
    )


def test_faces_in_front_of_each_other(page: Any, collage: Path) -> None:
    """Each face's button is at its box, and a click at its centre reaches it."""
    choose(page, collage)
    boxes = [line.split(",")[6:10] for line in downloaded(page, "csv")[1].decode().splitlines()[1:]]
    view = page.locator("#view").bounding_box()
    scale = view["width"] / 1280
    for index, box in enumerate(boxes):
        x, y, width, height = map(float, box)
        found = page.locator(".face").nth(index).bounding_box()
        expected = (view["x"] + x * scale, view["y"] + y * scale, width * scale, height * scale)
        actual = (found["x"], found["y"], found["width"], found["height"])
        assert all(abs(a - b) < 1 for a, b in zip(actual, expected, strict=True))
        page.locator(".face").nth(index).click(trial=True)
    assert len(set(itertools.chain(*boxes))) > 20
