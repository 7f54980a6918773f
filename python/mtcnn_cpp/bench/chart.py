"""The chart: milliseconds against other MTCNNs, and how near the core comes to the processor's limit."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..files import writing
from .machine import title
from .peer_worker import OTHER_NETWORKS
from .peers import OURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OWN, OWN_LIGHT, OTHER, OTHER_LIGHT, EMPTY = "#1a7f64", "#74bda6", "#a3adb6", "#d3d9de", "#e6eaed"
TEXT, QUIET, PAPER = "#24292e", "#6a737d", "#ffffff"
# The same where the page around the chart is dark: a browser takes them, other programs pass them over.
DARK = {
    PAPER: "#15191e",
    TEXT: "#e3e8ec",
    QUIET: "#9aa5af",
    EMPTY: "#2b333b",
    OTHER: "#7b8790",
    OTHER_LIGHT: "#4b555e",
}


def check_chart(path: Path) -> None:
    """ValueError unless the file is a .svg or .png, ImportError without Matplotlib."""
    if path.suffix.lower() not in (".svg", ".png"):
        raise ValueError(f"the chart must be a .svg or .png file, got {path}")
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError("drawing the chart needs Matplotlib: pip install 'mtcnn-cpp[report]'") from error


def draw_chart(results: dict[str, Any], path: Path) -> None:
    """Draw the figures of the largest picture in `results` (the JSON of `mtcnn-cpp bench`).

    Raises what `check_chart` raises.
    """
    check_chart(path)
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    picture = max(results["pictures"], key=lambda found: found["height"] * found["width"])
    bars = _bars(picture)
    with rc_context({"svg.hashsalt": "mtcnn_cpp", "font.size": 10, "text.color": TEXT}):
        figure = Figure(
            figsize=(11, 2.2 + 0.42 * max(len(bars), 4)),
            layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08),
        )
        FigureCanvasAgg(figure)
        left, right = figure.subplots(1, 2, width_ratios=[5, 4])
        _draw_times(left, bars)
        _draw_shares(right, picture["rows"])
        faces = f"{picture['faces']} face{'s' if picture['faces'] != 1 else ''}"
        figure.suptitle(
            f"One picture of {picture['width']}x{picture['height']}, {faces}, "
            f"min_face {results['options']['min_face']:g}: milliseconds, and the processor's limit",
            fontsize=13,
            x=0.01,
            ha="left",
        )
        figure.supxlabel(_footer(results, picture), fontsize=7.5, color=QUIET, x=0.01, ha="left")
        kind = path.suffix.lower()[1:]
        metadata = {"Date": None} if kind == "svg" else None
        drawn = io.BytesIO()
        figure.savefig(drawn, format=kind, dpi=160, facecolor=PAPER, metadata=metadata)
        with writing(path) as file:
            file.write(_for_dark_pages(drawn.getvalue()) if kind == "svg" else drawn.getvalue())


def _for_dark_pages(svg: bytes) -> bytes:
    rules = "".join(
        f'[style*="{part}: {light}"]{{{part}:{dark} !important}}'
        for light, dark in DARK.items()
        for part in ("fill", "stroke")
    )
    return svg.replace(b"</style>", f"@media (prefers-color-scheme: dark){{{rules}}}</style>".encode(), 1)


class Bar(NamedTuple):
    label: str
    ours: bool
    ms: dict[int, float]  # by number of threads
    ratio: float | None  # with the least number of threads, against ours


def _bars(picture: dict[str, Any]) -> list[Bar]:
    """The peers and this package beside them, fastest first; without peers the variants of the core."""
    rows = [row for row in picture.get("peers", []) if "ms" in row]
    key = "peer" if rows else "isa"
    bars = []
    for name in dict.fromkeys(row[key] for row in rows or picture["rows"]):
        found = sorted(
            (row for row in rows or picture["rows"] if row[key] == name), key=lambda row: int(row["threads"])
        )
        ours = not rows or name == OURS
        label = name if rows else f"mtcnn_cpp {name}"
        if rows and found[0]["faces"] != picture["faces"]:
            label += f"\n(finds {found[0]['faces']} faces)"
        if name in OTHER_NETWORKS:
            label += "\n(another network)"
        ratio = None if ours else found[0].get("ratio")
        bars.append(Bar(label, ours, {row["threads"]: row["ms"] for row in found}, ratio))
    return sorted(bars, key=lambda bar: min(bar.ms.items())[1])


def _draw_times(axes: Axes, bars: list[Bar]) -> None:
    """A group of bars for each way, a bar for each number of threads, the smallest number in full colour."""
    counts = sorted({count for bar in bars for count in bar.ms})
    height = 0.76 / len(counts)
    for place, bar in enumerate(bars):
        for line, count in enumerate(counts):
            if count not in bar.ms:
                continue
            y = place + (line - (len(counts) - 1) / 2) * height
            colour = (OWN, OWN_LIGHT) if bar.ours else (OTHER, OTHER_LIGHT)
            axes.barh(y, bar.ms[count], color=colour[line > 0], height=0.92 * height)
            ratio = f"   {bar.ratio:.1f}x the time" if bar.ratio and not line else ""
            threads = f", {count} threads" if line and bar.ours else ""
            axes.text(
                bar.ms[count],
                y,
                f"  {bar.ms[count]:.{_digits(bar.ms[count])}f} ms{threads}{ratio}",
                va="center",
                fontsize=8.5,
            )
    axes.set_xlim(0, 1.4 * max(ms for bar in bars for ms in bar.ms.values()))
    axes.set_yticks(range(len(bars)), [bar.label for bar in bars])
    words = " and ".join(f"{count} thread{'s' if count > 1 else ''}" for count in counts)
    _plain(axes, f"milliseconds, {words}")


def _draw_shares(axes: Axes, rows: list[dict[str, Any]]) -> None:
    """GFLOP/s of each variant and number of threads in front of the peak of as many cores."""
    for place, row in enumerate(rows):
        peak = row["peak_gflops"] * row["threads"]
        axes.barh(place, peak, color=EMPTY, height=0.68)
        axes.barh(place, row["gflops"], color=OWN, height=0.68)
        axes.text(
            peak,
            place,
            f"  {100 * row['share']:.0f} %  ({row['gflops']:.0f} of {peak:.0f})",
            va="center",
            fontsize=8.5,
        )
    axes.set_xlim(0, 1.6 * max(row["peak_gflops"] * row["threads"] for row in rows))
    names = [f"{row['isa']}, {row['threads']} thread{'s' if row['threads'] > 1 else ''}" for row in rows]
    axes.set_yticks(range(len(rows)), names)
    _plain(axes, "useful GFLOP/s of the FMA peak (grey)")


def _plain(axes: Axes, words: str) -> None:
    axes.invert_yaxis()
    axes.set_title(words, loc="left", fontsize=9.5, color=QUIET)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.spines["left"].set_color(OTHER)
    axes.tick_params(length=0, labelcolor=TEXT)
    axes.tick_params(axis="x", labelbottom=False, which="both", length=0)


def _digits(value: float) -> int:
    return 0 if value >= 100 else 1


def _footer(results: dict[str, Any], picture: dict[str, Any]) -> str:
    rows = picture.get("peers", [])
    lines = [title(results["machine"]), f"Median of {results['runs']} runs of each, in turn."]
    versions = sorted({word for row in rows for word in row.get("versions", "").split(", ") if word})
    missing = dict.fromkeys(row["peer"] for row in rows if "error" in row)
    if versions:
        lines[-1] += f" {', '.join(versions)}."
    if missing:
        lines[-1] += f" Not measured: {', '.join(missing)}."
    return "\n".join(lines)
