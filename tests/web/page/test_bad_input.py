"""Invalid files, missing features, refused cameras, too little memory: each message says what to do."""

from __future__ import annotations

import shutil
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import png
import pytest
from images import portrait
from mtcnn_cpp import Detector
from mtcnn_cpp.trace.capture import estimate_size
from try_site import TrySite, choose, downloaded, serve, set_option, shown, wait_until_shown


def message(page: Any) -> str:
    """Return the error that the page shows."""
    page.locator("#message:not([hidden])").wait_for(timeout=60_000)
    return str(page.inner_text("#message"))


def black_png(width: int, height: int) -> bytes:
    """Return a black PNG file, which is small for any number of pixels."""
    compressor = zlib.compressobj(9)
    row = bytes(1 + 3 * width)
    rows = b"".join(compressor.compress(row) for _ in range(height)) + compressor.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(png.chunk(*item) for item in chunks)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("text.png", b"This is a text."),
        ("empty.png", b""),
        ("page.html", b"<!doctype html><script>document.title='gone'</script>"),
        ("head.png", png.encode(portrait())[:20]),
        ("<img src=x onerror=document.title='gone'>.png", b"?"),
    ],
)
def test_not_an_image(page: Any, tmp_path: Path, collage: Path, name: str, content: bytes) -> None:
    """The error names the file, and the image before stays with its faces."""
    choose(page, collage)
    before = downloaded(page, "csv")
    (tmp_path / name).write_bytes(content)
    page.set_input_files("#file", tmp_path / name)
    assert message(page).startswith(f"{name} is not an image that this browser can read.")
    assert page.title() == "Try it · mtcnn_cpp"
    assert downloaded(page, "csv") == before
    choose(page, collage)
    assert page.locator("#message").is_hidden()


def test_an_image_that_cannot_be_decoded(page: Any, tmp_path: Path, collage: Path) -> None:
    """A drawing has a size, but no pixels of its own."""
    choose(page, collage)
    drawing = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><path d="M0 0h9"/></svg>'
    (tmp_path / "drawing.svg").write_text(drawing)
    page.set_input_files("#file", tmp_path / "drawing.svg")
    assert message(page).startswith("This browser cannot decode the file as an image")
    page.locator("#min-face").fill("40")
    wait_until_shown(page, 2)
    assert page.get_attribute("#view", "aria-label").startswith("collage.png")


def test_50_megapixels(page: Any, tmp_path: Path) -> None:
    (tmp_path / "huge.png").write_bytes(black_png(10_000, 5_000))
    page.set_input_files("#file", tmp_path / "huge.png")
    assert message(page) == (
        "huge.png has 10000 × 5000 pixels, 50 megapixels; this page takes images of up to 40 megapixels. "
        "Reduce the image, or use the installed package."
    )


def test_a_bomb_of_pixels_is_not_decoded(page: Any, tmp_path: Path) -> None:
    """Only the size of an image is read before it is refused: here, the pixels are missing."""
    content = black_png(16_000, 100)
    header = png.chunk(b"IHDR", struct.pack(">IIBBBBB", 16_000, 16_000, 8, 2, 0, 0, 0))
    (tmp_path / "bomb.png").write_bytes(content[:8] + header + content[8 + len(header) :])
    page.set_input_files("#file", tmp_path / "bomb.png")
    assert "16000 × 16000 pixels, 256 megapixels" in message(page)


@pytest.fixture
def small_memory(site: TrySite, tmp_path: Path) -> Iterator[TrySite]:
    """A copy of the site whose detector has little memory if the smallest face has 12 pixels."""
    shutil.copytree(site.folder, tmp_path / "site")
    module = tmp_path / "site" / "web" / "mtcnn_cpp.js"
    module.write_text(
        module.read_text("utf-8")
        + """
        for (const name of ["detect", "trace"]) {
            const original = Detector.prototype[name];
            Detector.prototype[name] = function (image, options) {
                const isLimited = options.minFace === 12 || (name === "trace" && options.minFace === 13);
                return original.call(this, image, { ...options, memoryLimit: isLimited ? 1e5 : 0 });
            };
        }""",
        "utf-8",
    )
    with serve(tmp_path / "site") as found:
        yield found


def test_too_little_memory(visit: Callable[..., Any], small_memory: TrySite, collage: Path) -> None:
    """The page says what to do, and the worker is replaced, because its memory cannot shrink."""
    page = visit(small_memory.address)
    choose(page, collage)
    worker, before = page.workers[0], downloaded(page, "csv")
    page.locator("#min-face").fill("12")
    assert message(page).startswith("There is not enough memory for this detection (")
    assert message(page).endswith("Increase the smallest face, or use a smaller image.")
    assert downloaded(page, "csv") == before
    set_option(page, "min-face", 60)
    assert page.locator("#message").is_hidden()
    assert [found == worker for found in page.workers] == [False]
    set_option(page, "min-face", 13)
    page.locator(".face").first.click()
    assert message(page).startswith("There is not enough memory for this detection (")
    assert page.locator("#inside").is_hidden()


def test_layers_that_take_too_much_memory(page: Any) -> None:
    """Before a detection is recorded, its size is estimated; the estimate is near the size of the tensors."""
    options = {"minFace": 60, "thresholds": [0.6, 0.7, 0.7], "scaleFactor": 0.709}
    check = (
        "([image, options]) => import('./answers/pyramid.js').then(({ requireSmallTrace }) =>"
        " requireSmallTrace(image, options)).then(() => '', ({ message }) => message)"
    )
    assert page.evaluate(check, [{"width": 7000, "height": 5000}, options]) == ""
    found = page.evaluate(check, [{"width": 7000, "height": 5000}, options | {"minFace": 40}])
    assert found.startswith("The layers of this detection take 12")
    assert "this page shows up to 700 MB. Increase the smallest face" in found
    engine = Detector().engine
    exact = estimate_size(engine, 5000, 7000).pnet - 5000 * 7000 * 3
    estimate = page.evaluate(
        "given => import('./answers/pyramid.js').then(({ traceBytes }) => traceBytes(...given))",
        [{"width": 7000, "height": 5000}, options],
    )
    assert abs(estimate / exact - 1) < 0.05


def stub(visit: Callable[..., Any], site: TrySite, script: str) -> Any:
    """Return the page, in which a script ran before its own scripts."""
    page = visit("about:blank", ready=False)
    page.add_init_script(script)
    page.goto(site.address)
    return page


def test_no_simd(visit: Callable[..., Any], site: TrySite) -> None:
    page = stub(visit, site, "WebAssembly.validate = () => false")
    found = message(page)
    assert "SIMD" in found
    for browser in ("Chrome", "Firefox", "Safari"):
        assert browser in found
    assert page.locator("#columns").is_hidden()


CAMERAS = {
    "NotAllowedError": "The webcam was refused. Allow it for this page in the settings of the browser",
    "NotFoundError": "There is no webcam.",
    "NotReadableError": "The webcam cannot be used; another program may be using it.",
    "AbortError": "The webcam cannot be opened (reason).",
}


@pytest.mark.parametrize("name", CAMERAS)
def test_a_refused_webcam(visit: Callable[..., Any], site: TrySite, name: str) -> None:
    script = (
        f"navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('reason', '{name}'))"
    )
    page = stub(visit, site, script)
    page.click("#webcam")
    assert message(page).startswith(CAMERAS[name])
    assert page.locator("#camera").is_hidden()


def test_no_access_to_webcams(visit: Callable[..., Any], site: TrySite) -> None:
    page = stub(visit, site, "Object.defineProperty(navigator, 'mediaDevices', { value: undefined })")
    page.click("#webcam")
    assert "the page must be opened by https" in message(page)


def test_chromium_refuses_the_webcam(page: Any) -> None:
    """Without a stub: a browser that may not use a webcam, or has none."""
    page.click("#webcam")
    assert "webcam" in message(page)


def test_a_missing_file_of_the_core(visit: Callable[..., Any], site: TrySite) -> None:
    for name, reason in (("mtcnn_cpp.wasm", "404"), ("weights/ONet.dat", "404")):
        page = visit("about:blank", ready=False)
        page.route(f"**/{name}", lambda route: route.fulfill(status=404))
        page.goto(site.address)
        assert message(page) == f"{name} cannot be loaded: the server answered with status {reason}."
    page = visit("about:blank", ready=False)
    page.route("**/PNet.dat", lambda route: route.abort())
    page.goto(site.address)
    assert message(page).startswith("weights/PNet.dat cannot be loaded. Check the connection")
    errors = visit.page_errors  # type: ignore[attr-defined]
    assert all("Failed to load resource" in error for error in errors)
    errors.clear()


def test_a_damaged_core(visit: Callable[..., Any], site: TrySite, collage: Path) -> None:
    page = visit("about:blank", ready=False)
    page.route("**/mtcnn_cpp.wasm", lambda route: route.fulfill(body=b"\0asm, damaged"))
    page.goto(site.address)
    page.wait_for_selector("body[data-ready]")
    page.set_input_files("#file", collage)
    assert "mtcnn_cpp.wasm" in message(page)


def test_opened_from_a_file(visit: Callable[..., Any], site: TrySite) -> None:
    page = visit((site.folder / "web" / "try" / "index.html").as_uri(), ready=False)
    assert "the page was opened from a file: open it from a web server" in page.inner_text("#not-started")
    assert page.locator("#columns").is_hidden()
    visit.page_errors.clear()  # type: ignore[attr-defined]


def test_without_javascript(visit: Callable[..., Any], site: TrySite) -> None:
    page = visit(site.address, ready=False, java_script_enabled=False)
    assert "JavaScript is off." in page.inner_text("noscript")
    assert page.locator("#columns").is_hidden()


def test_pasted_and_dropped_things_that_are_no_files(page: Any) -> None:
    page.evaluate(
        "() => document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: new DataTransfer() }))"
    )
    assert message(page).startswith("The clipboard contains no image.")
    page.evaluate("() => document.dispatchEvent(new DragEvent('drop', { dataTransfer: new DataTransfer() }))")
    assert message(page).startswith("What was dropped is not a file.")


def test_a_worker_that_ends(page: Any, collage: Path) -> None:
    """The page says that the detector ended, and the next detection works in a new worker."""
    choose(page, collage)
    with page.workers[0].expect_event("close"):
        page.workers[0].evaluate("setTimeout(() => { throw new Error('planted'); })")
    count = shown(page)
    page.locator("#min-face").fill("40")
    wait_until_shown(page, count + 1)
