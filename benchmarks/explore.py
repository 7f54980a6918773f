"""Measure the explorer in headless Chromium: time to open, time from click to display, memory of the server.

    python benchmarks/explore.py [IMAGE] [--clicks 60] [--chromium PATH]

Default for IMAGE: a 1920x1080 image made of copies of the sample. The script measures its trace alone, then
a comparison with a trace by networks whose second convolution in RNet is transposed. Each tensor is clicked
only once, so no answer is cached. A time ends with the frame that draws the maps, the layers or the sum.
Needs the extras explore and browser, and Chromium.
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

# JavaScript: time from the click to the end of the frame in which an element has the expected data-shown.
CLICK = """([id, expected]) => new Promise((done, fail) => {
    let start = null;
    const element = document.getElementById(id);
    const message = () => `expected ${expected} in ${id}, found ${element.dataset.shown}`;
    setTimeout(() => fail(new Error(`${message()} at ${location.hash}, clicked: ${start}`)), 20000);
    addEventListener("click", (event) => (start ??= event.timeStamp), {capture: true, once: true});
    const check = () => {
        if (start !== null && element.dataset.shown === expected) {
            requestAnimationFrame(() => done(performance.now() - start));
        } else requestAnimationFrame(check);
    };
    requestAnimationFrame(check);
})"""


def load_image(path: str | None) -> np.ndarray:
    if path:
        return read_image(path)
    return np.ascontiguousarray(np.tile(sample_image(), (3, 4, 1))[:1080, :1920])


def transposed_model() -> Model:
    """Return OpenFace's networks with transposed kernels in RNet's second convolution."""
    model = Model.default()
    layers = list(model.rnet.layers)
    number = model.rnet.names.index("conv2")
    layer = layers[number]
    assert isinstance(layer, Conv2d)
    layers[number] = Conv2d(np.ascontiguousarray(layer.kernel.swapaxes(2, 3)), layer.bias)
    return dataclasses.replace(model, rnet=dataclasses.replace(model.rnet, layers=tuple(layers)))


@contextmanager
def explorer(*paths: Path) -> Iterator[tuple[int, str]]:
    """Run an explorer; return its process ID and its address."""
    command = [sys.executable, "-m", "mtcnn_cpp", "explore", *map(str, paths), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
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


def print_times(title: str, times: list[float]) -> None:
    p95 = quantiles(times, n=20)[-1] if len(times) > 2 else max(times)
    print(f"  {title}: {median(times):.0f} ms median, {p95:.0f} ms p95 (of {len(times)})")


def time_click(page: Any, element: str, expected: str, click: Any) -> float:
    page.evaluate(f"(given) => {{ window.measured = ({CLICK})(given); }}", [element, expected])
    click()
    found: float = page.evaluate("window.measured")
    return found


def click_tensor(page: Any, name: str) -> None:
    """Click a tensor in the bar of all tensors."""
    box = page.locator("#bar").bounding_box()
    page.fill("#search", name)  # the bar then shows this tensor only
    page.mouse.click(box["x"] + 5, box["y"] + box["height"] - 22)


def click_cell(page: Any, rows: int, columns: int) -> None:
    """Click the value in the centre of the map."""
    canvas = page.locator("canvas.map").first
    box = canvas.bounding_box()
    scale = min(box["width"] / columns, box["height"] / rows, 64)
    x = (box["width"] - columns * scale) / 2 + (columns // 2 + 0.5) * scale
    y = (box["height"] - rows * scale) / 2 + (rows // 2 + 0.5) * scale
    canvas.click(position={"x": x, "y": y})


def measure(browser: Any, paths: list[Path], trace: Trace, clicks: int) -> None:
    rng = random.Random(1)
    maps = [
        name for name in trace if trace.info(name).layout == "channel, y, x" and not name.endswith("/input")
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
        print_times("open: image, boxes and first maps", opened)
        page = browser.new_page(viewport={"width": 1920, "height": 1080})
        page.goto(address)
        page.wait_for_selector("body[data-ready]")
        if len(paths) > 1:
            page.locator("#headline", has_text="tensor ").wait_for(timeout=120_000)
        tensors, layers, sums = [], [], []
        for name in rng.sample(maps, clicks):
            shown = f"{name} 0"
            tensors.append(time_click(page, "maps", shown, partial(click_tensor, page, name)))
        groups = list(dict.fromkeys(name.rpartition("/")[0] for name in maps))
        for group in rng.sample(groups, min(clicks // 2, len(groups))):
            layers.append(
                time_click(page, "layer-cards", group, partial(click_tensor, page, f"{group}/conv1"))
            )
        for name in rng.sample([name for name in maps if "/conv" in name], clicks // 2):
            click_tensor(page, name)
            page.wait_for_timeout(150)
            _, rows, columns = trace.info(name).shape
            at = f"0,{rows // 2},{columns // 2}"
            sums.append(time_click(page, "value", f"{name} {at}", partial(click_cell, page, rows, columns)))
        print_times("click on a tensor to its maps", tensors)
        print_times("click to all layers of a level or crop as thumbnails", layers)
        print_times("click on a value to its sum and receptive field", sums)
        now, maximum = (megabytes(process, key) for key in ("VmRSS", "VmHWM"))
        print(f"  server's memory: {now:.0f} MB, {maximum:.0f} MB at most")
        page.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("image", nargs="?")
    parser.add_argument("--clicks", type=int, default=60)
    parser.add_argument("--chromium", default=shutil.which("chromium") or shutil.which("google-chrome"))
    arguments = parser.parse_args()
    image = load_image(arguments.image)
    height, width = image.shape[:2]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        correct, faulty = Path(folder) / "correct.npz", Path(folder) / "faulty.npz"
        Detector().trace(image).save(correct)
        Detector(transposed_model()).trace(image).save(faulty)
        trace = Trace.load(correct)
        root = hasattr(os, "geteuid") and os.geteuid() == 0
        options = ["--disable-dev-shm-usage", *["--no-sandbox"] * root]
        browser = playwright.chromium.launch(executable_path=arguments.chromium, args=options)
        size = correct.stat().st_size / 1e6
        print(f"{width}x{height}, {len(trace)} tensors, {size:.0f} MB, Chromium {browser.version}")
        print("one trace")
        measure(browser, [correct], trace, arguments.clicks)
        print("two traces")
        measure(browser, [correct, faulty], trace, arguments.clicks)
        browser.close()


if __name__ == "__main__":
    main()
