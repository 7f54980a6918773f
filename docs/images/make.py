"""Make the images of the front page and of finding-a-fault.md. Needs Chromium and the extra `report`.

    python docs/images/make.py [CHROMIUM]

confidence.png is made by the code in jobs.md, study_confidence.png and study_largest.png by the code in
study.md, speed.svg by `python benchmarks/update_readme.py`. study_frame.jpg is the sixth frame of the video
annotated/session1_faces.mp4 of study.md.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from mtcnn_cpp import Detector, Model, annotate, read_image, sample_image
from mtcnn_cpp.detections.notebook.tensors import map_grid

HERE = Path(__file__).resolve().parent
WIDTH = 1160
HIDE = "{display: none !important}"
# What is left of the report: its head down to the faces enlarged; the first kind of layer that failed.
HEAD = f"section, h2:nth-of-type(n+4), h2:nth-of-type(n+4) ~ *, figure:has(.marks) {HIDE}"
TENSOR = f"body > *, section ~ section, details {HIDE} section:first-of-type {{display: block !important}}"


def main(chromium: str) -> None:
    image = read_image(HERE.parents[1] / "tests" / "gold" / "collage.png")
    cv2.imwrite(
        str(HERE / "collage_faces.png"),
        annotate(image, Detector().detect(image)),
        [cv2.IMWRITE_PNG_COMPRESSION, 9],
    )
    sample = sample_image()
    cv2.imwrite(
        str(HERE / "first_faces.jpg"),
        annotate(sample, Detector().detect(sample)),
        [cv2.IMWRITE_JPEG_QUALITY, 90],
    )
    maps = Detector().trace(sample, only=["pnet/level00/conv1"])["pnet/level00/conv1"]
    (HERE / "first_layer.png").write_bytes(map_grid(maps)[0])
    with TemporaryDirectory() as name:
        folder = Path(name)
        arrays = dict(Model.default().arrays())  # as finding-a-fault.md plants it
        arrays["rnet/conv2/kernel"] = arrays["rnet/conv2/kernel"].transpose(0, 1, 3, 2)
        port = Detector(model=Model.from_arrays(arrays))
        Detector().trace(sample).save(folder / "gold.npz")
        port.trace(sample).save(folder / "mine.npz")
        diff = [sys.executable, "-m", "mtcnn_cpp", "diff", "gold.npz", "mine.npz", "--html", "report.html"]
        subprocess.run(diff, cwd=folder, stdout=subprocess.DEVNULL, check=False)  # exit code 1: they differ
        text = (folder / "report.html").read_text(encoding="utf-8")
        head = shot(chromium, folder, text, HEAD)
        cv2.imwrite(str(HERE / "fault-report.jpg"), head, [cv2.IMWRITE_JPEG_QUALITY, 88])
        cv2.imwrite(str(HERE / "fault-tensor.png"), shot(chromium, folder, text, TENSOR))


def shot(chromium: str, folder: Path, report: str, style: str) -> np.ndarray:
    """An image of the report with more style, as high as what is on it."""
    page, picture = folder / "shown.html", folder / "shown.png"
    styled = re.sub(r"<meta http-equiv=.*?>\n", "", report).replace("</style>", f"{style}</style>", 1)
    page.write_text(styled, encoding="utf-8")
    size = f"{WIDTH},4000"
    quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"]
    where = [
        f"--user-data-dir={folder / 'profile'}",
        f"--screenshot={picture}",
        f"--window-size={size}",
    ]
    subprocess.run([chromium, *quiet, *where, page.as_uri()], check=True, capture_output=True, timeout=120)
    seen = cv2.imread(str(picture))
    used = np.flatnonzero((seen != seen[-1, 0]).any(axis=(1, 2)))
    return seen[: used[-1] + 24]


if __name__ == "__main__":
    found = (sys.argv[1:] or [shutil.which("chromium") or shutil.which("google-chrome") or ""])[0]
    if not found:
        raise SystemExit("Chromium was not found; give its path, for example /usr/bin/chromium")
    main(found)
