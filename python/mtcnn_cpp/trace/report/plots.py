"""Matplotlib plots that show how one tensor differs between two traces.

Each function returns a PNG file as bytes. The plots use every element of the tensor.
"""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..comparison.statistics import ulp_distance

CHANNELS = 6  # maximum number of channels that are plotted
GREY, BLUE = "#52606d", "#2563eb"


def heat_maps(a: NDArray[Any], b: NDArray[Any]) -> tuple[bytes, tuple[int, ...]]:
    """Plot three heat maps side by side (a, b, b - a) for each of the channels that differ most.

    a and b are maps, (C, H, W) or (H, W).

    Returns the PNG and the numbers of the plotted channels.
    """
    a, b = (x.astype(np.float64).reshape(-1, *x.shape[-2:]) for x in (a, b))
    with np.errstate(invalid="ignore"):
        difference = b - a
    largest_differences = np.nan_to_num(np.abs(difference), nan=math.inf).max(axis=(1, 2))
    channels = tuple(sorted(map(int, np.argsort(-largest_differences, kind="stable")[:CHANNELS])))
    channels = tuple(channel for channel in channels if largest_differences[channel] > 0) or channels[:1]
    height, width = a.shape[1:]
    channels_per_row = 2 if len(channels) > 1 and 0.6 < height / width < 1.7 else 1
    rows = -(-len(channels) // channels_per_row)
    panel_width = 11 / (3 * channels_per_row)
    panel_height = min(panel_width * height / width, 4.0) + 0.45
    figure = Figure(figsize=(11, rows * panel_height), dpi=90)
    margin = 0.3 / (rows * panel_height)
    axes = figure.subplots(rows, 3 * channels_per_row, squeeze=False).reshape(-1, 3)
    figure.subplots_adjust(0.03, margin * 0.8, 0.995, 1 - margin, wspace=0.18, hspace=0.4 / panel_height)
    for panel in axes[len(channels) :].ravel():
        panel.set_axis_off()
    for line, channel in zip(axes, channels, strict=False):
        low, high = _range(np.stack([a[channel], b[channel]]))
        limit = max(map(abs, _range(difference[channel]))) or 1.0
        which = f", channel {channel}" if len(a) > 1 else ""
        for panel, values, title, colors, lo, hi in (
            (line[0], a[channel], f"a{which}: {low:.3g} … {high:.3g}", "viridis", low, high),
            (line[1], b[channel], "b, same colors", "viridis", low, high),
            (
                line[2],
                difference[channel],
                f"b − a: red +{limit:.3g}, blue −{limit:.3g}",
                "RdBu_r",
                -limit,
                limit,
            ),
        ):
            panel.imshow(
                values,
                cmap=colormaps[colors].with_extremes(bad="#ff00ff"),
                vmin=lo,
                vmax=hi,
                interpolation="nearest",
            )
            panel.set_title(title, fontsize=8, pad=3)
            panel.set_xticks([0, width - 1])
            panel.set_yticks([0, height - 1])
            panel.tick_params(labelsize=6, length=2, pad=1)
    return _png(figure), channels


def lines(a: NDArray[Any], b: NDArray[Any]) -> bytes:
    """Plot a vector of both traces in one diagram, and the difference b - a in a second diagram below."""
    figure = Figure(figsize=(11, 3.4), dpi=90)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    figure.subplots_adjust(0.06, 0.08, 0.995, 0.98, hspace=0.1)
    x, y = (values.astype(np.float64).ravel() for values in (a, b))
    above.plot(x, color="#15803d", lw=1.8, marker="o" if x.size < 40 else None, ms=4, label="a")
    above.plot(y, color=BLUE, lw=1, ls="--", marker="x" if x.size < 40 else None, ms=5, label="b")
    above.legend(fontsize=8)
    with np.errstate(invalid="ignore"):
        below.bar(np.arange(x.size), y - x, color=GREY, width=1 if x.size > 200 else 0.8)
    below.axhline(0, color="black", lw=0.5)
    below.set_ylabel("b − a", fontsize=8)
    _without_frame(above, below)
    return _png(figure)


def distributions(a: NDArray[Any], b: NDArray[Any]) -> bytes:
    """Plot a histogram of the distance in ULP, and the error against the magnitude of the value."""
    finite = np.isfinite(a) & np.isfinite(b)
    a, b = a[finite], b[finite]
    figure = Figure(figsize=(11, 3), dpi=90)
    left, right = figure.subplots(1, 2)
    figure.subplots_adjust(0.05, 0.16, 0.97, 0.9, wspace=0.15)
    _ulp_histogram(left, ulp_distance(a, b))
    _error_against_magnitude(figure, right, np.abs(a.astype(np.float64)), a.astype(np.float64) - b)
    _without_frame(left, right)
    return _png(figure)


def _ulp_histogram(axes: Any, ulps: NDArray[np.float64]) -> None:
    """Plot one bar for each range of distances: 0, 1, 2 to 3, 4 to 7, 8 to 15, …"""
    powers = np.where(ulps > 0, np.floor(np.log2(np.maximum(ulps, 1))) + 1, 0).astype(int)
    counts = np.bincount(powers)
    axes.bar(np.arange(counts.size), counts, color=["#15803d"] + [GREY] * (counts.size - 1))
    axes.set_yscale("log")
    axes.set_ylim(0.5, max(counts.max(initial=1) * 2, 2))
    step = max(1, counts.size // 8)
    names = ["0", "1"] + [
        f"{1 << (power - 1):,}+" if power < 18 else f"2^{power - 1}" for power in range(2, 70)
    ]
    axes.set_xticks(range(0, counts.size, step), names[: counts.size : step])
    axes.set_title("elements by distance in ULP", fontsize=9)


def _error_against_magnitude(
    figure: Figure, axes: Any, size: NDArray[np.float64], difference: NDArray[np.float64]
) -> None:
    error = np.abs(difference)
    plotted = (error > 0) & (size > 0)
    axes.set_title(f"|b − a| over |a| ({np.count_nonzero(plotted):,} of {size.size:,} differ)", fontsize=9)
    axes.set_xlabel("|a|", fontsize=8)
    if not plotted.any():
        return
    x, y = np.log10(size[plotted]), np.log10(error[plotted])
    edges = [np.linspace(values.min() - 0.1, values.max() + 0.1, 60) for values in (x, y)]
    counts, _, _ = np.histogram2d(x, y, bins=edges)
    grid = [10.0**edge for edge in edges]
    mesh = axes.pcolormesh(
        *grid, np.ma.masked_equal(counts.T, 0), norm=LogNorm(1, max(counts.max(), 2)), cmap="viridis"
    )
    axes.set_xscale("log")
    axes.set_yscale("log")
    ends = np.array([grid[0][0], grid[0][-1]])
    axes.plot(ends, ends * 2.0**-24, color="#dc2626", lw=1, label="half an ULP")
    axes.set_ylim(min(grid[1][0], ends[0] * 2.0**-25), grid[1][-1])
    axes.legend(fontsize=7, loc="lower right")
    figure.colorbar(mesh, ax=axes, label="elements").ax.tick_params(labelsize=7)


def _range(values: NDArray[np.float64]) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)


def _without_frame(*panels: Any) -> None:
    for axes in panels:
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)


def _png(figure: Figure) -> bytes:
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
