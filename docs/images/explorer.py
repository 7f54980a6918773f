"""Makes the images of docs/explorer.md: `python docs/images/explorer.py`.

Needs the extras explore and browser, Pillow, and Chromium."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import PIL.Image
from mtcnn_cpp import Detector, Model, sample_image
from playwright.sync_api import Browser, sync_playwright

HERE = Path(__file__).resolve().parent


def turned() -> Model:
    """OpenFace's networks with the kernels of RNet's second convolution turned."""
    arrays = dict(Model.default().arrays())
    arrays["rnet/conv2/kernel"] = arrays["rnet/conv2/kernel"].transpose(0, 1, 3, 2)
    return Model.from_arrays(arrays)


def shoot(browser: Browser, files: list[Path], place: str, path: Path, height: int, scheme: str) -> None:
    command = [sys.executable, "-m", "mtcnn_cpp", "explore", *map(str, files), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            address = process.stdout.readline().strip()
            page = browser.new_page(viewport={"width": 1600, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]
            page.goto(f"{address}#{place}")
            page.wait_for_selector("body[data-ready]")
            page.click("#close-introduction")
            page.wait_for_selector("#sum .result")
            page.wait_for_timeout(4000)
            data = page.screenshot()
        finally:
            process.terminate()
    image = PIL.Image.open(io.BytesIO(data)).convert("RGB")
    small = image.resize((image.width * 3 // 4, image.height * 3 // 4), PIL.Image.Resampling.LANCZOS)
    small.quantize(256, kmeans=4, dither=PIL.Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


def main() -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        files = [Path(folder) / name for name in ("gold.npz", "mine.npz")]
        Detector().trace(sample_image()).save(files[0])
        Detector(turned()).trace(sample_image()).save(files[1])
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"] * root)
        place = "rnet/crop000/conv2?at=3,4,5&view=difference&show=rnet,onet,final"
        shoot(browser, files, place, HERE / "explorer.png", 1000, "light")
        place = "onet/crop000/conv2?at=9,8,12&show=proposals,final&every=1&box=a:final:0"
        shoot(browser, files[:1], place, HERE / "explorer-value.png", 940, "dark")
        browser.close()


if __name__ == "__main__":
    main()
