"""Display of traces and tensors in notebooks."""

from __future__ import annotations

import base64
import re

import cv2
import numpy as np
import pytest
from images import portrait
from mtcnn_cpp import Detector
from mtcnn_cpp.trace import Trace, TraceError


def shown_images(html: str) -> list[np.ndarray]:
    found = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    return [
        np.asarray(cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR))
        for data in found
    ]


def display(array: np.ndarray, name: str = "x") -> str:
    return Trace.from_arrays({name: array}).show(name)._repr_html_()


def test_the_array_stays_an_array() -> None:
    trace = Detector().trace(portrait(), only=["pnet/level00/conv1"])
    view = trace.show("pnet/level00/conv1")
    assert type(trace["pnet/level00/conv1"]) is np.ndarray
    assert view.array is trace["pnet/level00/conv1"]
    assert repr(view).startswith("<TensorView: pnet/level00/conv1, 10 x ")
    with pytest.raises(KeyError, match="nearest"):
        trace.show("pnet/level00/conv9")
    with pytest.raises(KeyError, match="is a pattern"):
        trace.show("pnet/*")


def test_grid_shows_every_value() -> None:
    """Six maps of 2 x 3 values, in two rows of three tiles: the maximum is yellow, the minimum dark blue."""
    maps = np.zeros((6, 2, 3), np.float32)
    maps[4, 1, 2], maps[0, 0, 0] = 5, -5
    html = display(maps)
    (grid,) = shown_images(html)
    columns = int(re.search(r"(\d+) per row", html)[1])  # type: ignore[index]
    tile = (grid.shape[1] + 2) // columns
    square = (tile - 2) // 3
    viridis = cv2.applyColorMap(np.array([[0], [128], [255]], np.uint8), cv2.COLORMAP_VIRIDIS)[:, 0]

    def at(channel: int, y: int, x: int) -> list[int]:
        top = channel // columns * (2 * square + 2) + y * square
        left = channel % columns * (3 * square + 2) + x * square
        block = grid[top : top + square, left : left + square].reshape(-1, 3)
        assert (block == block[0]).all()
        return block[0].tolist()

    assert at(4, 1, 2) == viridis[2].tolist()
    assert at(0, 0, 0) == viridis[0].tolist()
    for place in ((1, 0, 0), (5, 1, 2), (0, 0, 1)):
        assert at(*place) == viridis[1].tolist()
    assert "6 x 2 x 3, float32, -5 … 5, mean 0" in html


def test_not_finite_is_magenta_and_counted() -> None:
    html = display(np.array([[[1, np.nan], [np.inf, 2]]], np.float32))
    assert "2 of 4 not finite (magenta)" in html
    assert "1 … 2, mean 1.5" in html
    (grid,) = shown_images(html)
    assert 0.45 < (grid == (255, 0, 255)).all(axis=2).mean() < 0.55
    html = display(np.full((1, 2, 2), np.nan, np.float32))
    assert "4 of 4 not finite" in html
    assert (shown_images(html)[0] == (255, 0, 255)).all()


def test_an_input_is_displayed_as_an_image() -> None:
    trace = Detector().trace(portrait(), only=["pnet/level00/input"])
    (seen,) = shown_images(trace.show("pnet/level00/input")._repr_html_())
    small = cv2.resize(portrait(), (4, 4), interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(cv2.resize(seen, (4, 4), interpolation=cv2.INTER_AREA) - small).max() < 12
    (lost,) = shown_images(display(np.full((3, 4, 4), np.nan, np.float32), "rnet/crop000/input"))
    assert (lost == (255, 0, 255)).all()


def test_lists_are_tables() -> None:
    boxes = np.arange(100, dtype=np.float32).reshape(25, 4)
    html = display(boxes, "pnet/boxes")
    assert "<tr><th>3</th><td>12</td><td>13</td><td>14</td><td>15</td></tr>" in html
    assert "… and 20 more values" in html
    assert not shown_images(html)
    assert "<tr><td>0.5</td><td>nan</td></tr>" in display(np.array([0.5, np.nan], np.float32), "rnet/scores")
    assert "<th>0</th><td>0</td>" in display(np.zeros((1, 5, 2), np.float32), "final/landmarks")


@pytest.mark.parametrize(
    "array",
    [np.zeros((0, 4), np.float32), np.zeros((0, 3, 3), np.float32), np.zeros((2, 0, 3), np.float32),
     np.float32(3), np.zeros((1, 1, 1), np.int32), np.zeros((2, 3, 4, 5), np.float32),
     np.zeros((300, 2, 2), np.float32), np.ones((1, 3000, 3), np.float32), np.full((2, 2), 1e38, np.float32)],
)  # fmt: skip
def test_odd_shapes(array: np.ndarray) -> None:
    assert display(np.asarray(array)).startswith("<div><b>x</b>: ")


def test_a_large_map_is_thinned_out() -> None:
    html = display(np.zeros((2, 1500, 20), np.float32))
    assert "one of every 3 rows and columns is shown" in html
    assert shown_images(html)[0].shape[0] < 1100


def test_error_without_values() -> None:
    trace = Detector().trace(portrait(), only=["pnet/level00/input"], capture="hash")
    with pytest.raises(TraceError, match="contains no values"):
        trace.show("pnet/level00/input")
    assert "pnet/level*/input" in trace._repr_html_()


def test_a_trace_is_a_table() -> None:
    trace = Detector().trace(portrait())
    html = trace._repr_html_()
    levels = sum(name.endswith("/conv1") and name.startswith("pnet") for name in trace)
    assert levels > 1
    assert f"<td>pnet/level*/conv1</td><td>{levels}</td><td>10 x " in html
    assert html.count("<tr>") < 70
    crops = sum(name.startswith("rnet/crop") and name.endswith("/conv2") for name in trace)
    assert f"<td>rnet/crop*/conv2</td><td>{crops}</td><td>48 x 9 x 9</td><td>float32</td>" in html


def test_names_with_markup_are_text() -> None:
    name = "<script>alert(1)</script>&x"
    trace = Trace.from_arrays({name: np.zeros(2, np.float32)}, source="<b>")
    for html in (trace._repr_html_(), trace.show(name)._repr_html_()):
        assert "<script>" not in html
        assert "&lt;script&gt;" in html
    many = Trace.from_arrays({f"x{i}": np.zeros(1, np.float32) for i in range(300)})
    assert "… and 100 more rows" in many._repr_html_()
