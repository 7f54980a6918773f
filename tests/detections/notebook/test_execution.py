"""docs/notebooks.md as a notebook, executed by a kernel, with additional cells."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
import warnings
from typing import Any

import cv2
import numpy as np
import pytest
from images import ROOT
from mtcnn_cpp import sample_image
from mtcnn_cpp.detections.notebook import faces

NEEDED = "needs nbclient and ipykernel: pip install nbclient ipykernel"
MORE = """\
detector.detect(sample_image()[:30, :30].copy())
---
kept = [detector.detect(sample_image().copy()) for _ in range(3)]
kept[0]
---
import gc, pickle
gc.collect()
pickle.loads(pickle.dumps(kept[0]))
---
list(detector.detect_stream(sample_image().copy() for _ in range(2)))[1]
---
type(trace["pnet/level00/conv1"]).__module__, trace["pnet/level00/conv1"].shape
---
trace.show("pnet/level00/conv7")
"""


@pytest.fixture(scope="module")
def outputs() -> list[list[dict[str, Any]]]:
    """Return the outputs of each cell."""
    nbformat = pytest.importorskip("nbformat", reason=NEEDED)
    nbclient = pytest.importorskip("nbclient", reason=NEEDED)
    pytest.importorskip("ipykernel", reason=NEEDED)
    text = (ROOT / "docs" / "notebooks.md").read_text("utf-8")
    sources = re.findall(r"^```python\n(.*?)^```", text, flags=re.S | re.M)
    assert len(sources) == 6
    cells = [nbformat.v4.new_code_cell(source) for source in (*sources, *MORE.split("---\n"))]
    cells[-1].metadata["tags"] = ["raises-exception"]
    book = nbformat.v4.new_notebook(cells=cells)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Jupyter's own
        nbclient.NotebookClient(book, timeout=300, kernel_name="python3").execute()
    return [[dict(output) for output in cell.outputs] for cell in book.cells]


def data(cell: list[dict[str, Any]]) -> dict[str, Any]:
    (output,) = cell
    assert output["output_type"] in ("execute_result", "display_data"), output
    found: dict[str, Any] = output["data"]
    return found


def image(cell: list[dict[str, Any]]) -> np.ndarray:
    png = base64.b64decode(data(cell)["image/png"])
    return np.asarray(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR))


def test_temporary_image_is_shown(outputs: list[list[dict[str, Any]]]) -> None:
    sample = sample_image()
    for cell in (outputs[0], outputs[7], outputs[9]):
        shown = image(cell)
        assert shown.shape[1] == 512
        alike = [
            cv2.resize(one, (8, 8), interpolation=cv2.INTER_AREA).astype(int) for one in (shown[:512], sample)
        ]
        assert np.abs(alike[0] - alike[1]).mean() < 6
        assert len(shown) > 512  # the caption about the small copy
        assert data(cell)["text/plain"].startswith("<Detections: 1 face in 512 x 512 pixels>")


def test_no_faces_and_no_image(outputs: list[list[dict[str, Any]]]) -> None:
    assert data(outputs[6])["text/plain"] == "<Detections: 0 faces in 30 x 30 pixels>"
    assert len(image(outputs[6])) > 30
    assert (image(outputs[8])[5, 5] == faces.GRAY).all()


def test_traces_and_tensors(outputs: list[list[dict[str, Any]]]) -> None:
    assert "pnet/level*/conv1" in data(outputs[1])["text/html"]
    for cell, text in ((2, "10 x 101 x 101"), (3, "3 x 24 x 24"), (4, "1 x 4, float32")):
        assert text in data(outputs[cell])["text/html"]
    assert "image/png;base64" in data(outputs[2])["text/html"]
    assert image(outputs[5]).shape == (512, 512, 3)
    assert data(outputs[10])["text/plain"] == "('numpy', (10, 101, 101))"
    (error,) = outputs[11]
    assert error["ename"] == "UnknownName"
    assert "the nearest: pnet/level00/conv" in error["evalue"]


def test_ipykernel_alone_makes_the_copy() -> None:
    """A notebook is recognized by an imported module."""
    pytest.importorskip("ipykernel", reason=NEEDED)
    code = """
import sys, ipykernel
import mtcnn_cpp
assert mtcnn_cpp.Detector().detect(mtcnn_cpp.sample_image()).preview.shape == (320, 320, 3)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
