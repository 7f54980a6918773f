"""The explorer in headless Chromium: time to open, time from a click to what it shows, memory of the server.

    python benchmarks/explore.py [PICTURE] [--clicks 60] [--chromium PATH]

Without PICTURE: a 1920x1080 picture made of the sample. First its trace alone, then beside one by networks
with RNet's second convolution turned. No tensor is clicked twice, so nothing that is measured was asked for
before; a time ends with the frame in which the maps (the layers of the crop, the sum) are drawn. Needs the
extras explore and browser, and Chromium.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import numpy as np
from mtcnn_cpp import Detector, Model, read_image, sample_image
from mtcnn_cpp.model import Conv2d
from mtcnn_cpp.trace import Trace
from playwright.sync_api import sync_playwright

# From the click's own time to the end of the frame in which an element says that this is shown.
CLICK = """([id, expected]) => new Promise((done, fail) => {
    let begin = null;
    const told = () => `${expected} was not shown in ${id} but ${document.getElementById(id).dataset.shown}`;
    setTimeout(() => fail(new Error(`${told()} at ${location.hash}, clicked: ${begin}`)), 20000);
    addEventListener("click", (event) => (begin ??= event.timeStamp), {capture: true, once: true});
    const look = () => {
        if (begin !== null && document.getElementById(id).dataset.shown === expected) {
            requestAnimationFrame(() => done(performance.now() - begin));
        } else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
})"""


def picture(path: str | None) -> np.ndarray:
    if path:
        return read_image(path)
    return np.ascontiguousarray(np.tile(sample_image(), (3, 4, 1))[:1080, :1920])


def turned() -> Model:
    """OpenFace's networks with the kernels of RNet's second convolution turned."""
    model = Model.default()
    layers = list(model.rnet.layers)
    number = model.rnet.names.index("conv2")
    layer = layers[number]
    assert isinstance(layer, Conv2d)
    layers[number] = Conv2d(np.ascontiguousarray(layer.kernel.swapaxes(2, 3)), layer.bias)
    return dataclasses.replace(model, rnet=dataclasses.replace(model.rnet, layers=tuple(layers)))


@contextmanager
def explorer(*paths: Path) -> Iterator[tuple[int, str]]:
    """Process number and address of a running explorer."""
    words = [sys.executable, "-m", "mtcnn_cpp", "explore", *map(str, paths), "--no-browser"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield process.pid, process.stdout.readline().strip()
        finally:
            process.terminate()


def megabytes(process: int, key: str) -> float:
    for line in Path(f"/proc/{process}/status").read_text("utf-8").splitlines():
        if line.startswith(key):
            return int(line.split()[1]) / 1024
    return float("nan")


def told(what: str, times: list[float]) -> None:
    p95 = quantiles(times, n=20)[-1] if len(times) > 2 else max(times)
    print(f"  {what}: {median(times):.0f} ms median, {p95:.0f} ms p95 (of {len(times)})")


def clicked(page: Any, element: str, expected: str, click: Any) -> float:
    page.evaluate(f"(given) => {{ window.measured = ({CLICK})(given); }}", [element, expected])
    click()
    found: float = page.evaluate("window.measured")
    return found


def at_tensor(page: Any, name: str) -> None:
    """Click the tensor in the bar of all tensors."""
    box = page.locator("#bar").bounding_box()
    page.fill("#search", name)  # alone in the bar, so that the click means it
    page.mouse.click(box["x"] + 5, box["y"] + box["height"] - 22)


def click_cell(page: Any, rows: int, columns: int) -> None:
    """Click the value in the middle of the map."""
    canvas = page.locator("canvas.map").first
    box = canvas.bounding_box()
    scale = min(box["width"] / columns, box["height"] / rows, 64)
    x = (box["width"] - columns * scale) / 2 + (columns // 2 + 0.5) * scale
    y = (box["height"] - rows * scale) / 2 + (rows // 2 + 0.5) * scale
    canvas.click(position={"x": x, "y": y})


def measure(browser: Any, paths: list[Path], trace: Trace, clicks: int) -> None:
    rng = random.Random(1)
    maps = [
        name for name in trace if trace.entry(name).layout == "channel, y, x" and not name.endswith("/input")
    ]
    with explorer(*paths) as (process, address):
        print(f"  server's memory at the start: {megabytes(process, 'VmRSS'):.0f} MB")
        opened = []
        for _ in range(7):
            page = browser.new_page(viewport={"width": 1920, "height": 1080})
            page.goto(address)
            page.wait_for_selector("body[data-ready]")
            opened.append(page.evaluate("performance.now()"))
            page.close()
        told("open, picture, boxes and first maps", opened)
        page = browser.new_page(viewport={"width": 1920, "height": 1080})
        page.goto(address)
        page.wait_for_selector("body[data-ready]")
        if len(paths) > 1:
            page.locator("#headline", has_text="tensor ").wait_for(timeout=120_000)
        tensors, strips, sums = [], [], []
        for name in rng.sample(maps, clicks):
            shown = f"{name} 0"
            tensors.append(clicked(page, "maps", shown, partial(at_tensor, page, name)))
        places = list(dict.fromkeys(name.rpartition("/")[0] for name in maps))
        for place in rng.sample(places, min(clicks // 2, len(places))):
            strips.append(clicked(page, "strip", place, partial(at_tensor, page, f"{place}/conv1")))
        for name in rng.sample([name for name in maps if "/conv" in name], clicks // 2):
            at_tensor(page, name)
            page.wait_for_timeout(150)
            _, rows, columns = trace.entry(name).shape
            at = f"0,{rows // 2},{columns // 2}"
            sums.append(clicked(page, "value", f"{name} {at}", partial(click_cell, page, rows, columns)))
        told("click on a tensor to its maps", tensors)
        told("click to all layers of a level or crop as thumbnails", strips)
        told("click on a value to its sum and receptive field", sums)
        now, most = (megabytes(process, key) for key in ("VmRSS", "VmHWM"))
        print(f"  server's memory: {now:.0f} MB, {most:.0f} MB at most")
        page.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("picture", nargs="?")
    parser.add_argument("--clicks", type=int, default=60)
    parser.add_argument("--chromium", default=shutil.which("chromium") or shutil.which("google-chrome"))
    arguments = parser.parse_args()
    image = picture(arguments.picture)
    height, width = image.shape[:2]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        right, wrong = Path(folder) / "right.npz", Path(folder) / "wrong.npz"
        Detector().trace(image).save(right)
        Detector(turned()).trace(image).save(wrong)
        trace = Trace.load(right)
        root = hasattr(os, "geteuid") and os.geteuid() == 0
        options = ["--disable-dev-shm-usage", *["--no-sandbox"] * root]
        browser = playwright.chromium.launch(executable_path=arguments.chromium, args=options)
        size = right.stat().st_size / 1e6
        print(f"{width}x{height}, {len(trace)} tensors, {size:.0f} MB, Chromium {browser.version}")
        print("one trace")
        measure(browser, [right], trace, arguments.clicks)
        print("two traces")
        measure(browser, [right, wrong], trace, arguments.clicks)
        browser.close()


if __name__ == "__main__":
    main()
