"""Show the results of `mtcnn-cpp bench` as tables on the terminal, and as a chart."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .._util.errors import import_extra
from .._util.files import atomic_file
from .metrics import machine_title
from .peer_worker import FACE_PIXELS, OTHER_NETWORKS
from .peers import OWN_NAME

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from rich.table import Table
    from rich.text import Text

OWN, OWN_LIGHT, OTHER, OTHER_LIGHT, EMPTY = "#1a7f64", "#74bda6", "#a3adb6", "#d3d9de", "#e6eaed"
TEXT, QUIET, PAPER = "#24292e", "#6a737d", "#ffffff"
# Colours that replace the usual colours on a dark page. Browsers use them. Other programs ignore them.
DARK = {
    PAPER: "#15191e",
    TEXT: "#e3e8ec",
    QUIET: "#9aa5af",
    EMPTY: "#2b333b",
    OTHER: "#7b8790",
    OTHER_LIGHT: "#4b555e",
}


def tables(results: dict[str, Any]) -> Iterator[Table | Text]:
    """Yield the lines and tables of the report, in order."""
    from rich.text import Text

    machine = results["machine"]
    yield Text(machine_title(machine))
    load = f"; load before the start: {machine['load']}" if machine["load"] is not None else ""
    yield Text(f"median of {results['runs']} interleaved runs per configuration{load}", "dim")
    for image in results["pictures"]:
        yield from _image_tables(image)
    yield Text(_overhead(results["overhead"]))
    if "sizes" in results:
        yield _sizes(results["sizes"])


def _image_tables(image: dict[str, Any]) -> Iterator[Table | Text]:
    from rich.text import Text

    work = image["gflop"]
    yield Text(f"\n{image['name']}", "bold")
    yield Text(
        f"{image['width']}x{image['height']}, {image['faces']} faces, {image['boxes_into_rnet']} boxes into "
        f"RNet, {image['boxes_into_onet']} into ONet; useful work {work['total']:.3f} GFLOP "
        f"(PNet {work['pnet']:.3f}, RNet {work['rnet']:.3f}, ONet {work['onet']:.3f})"
    )
    yield _table(
        (
            "isa",
            "threads",
            "minimum ms",
            "quartiles",
            "median ms",
            "CPU ms",
            "GFLOP/s",
            "FMA peak",
            "share of peak",
            "speed-up",
        ),
        [
            (
                row["isa"],
                str(row["threads"]),
                f"{row['minimum_ms']:.2f}",
                f"{row['lower_quartile_ms']:.2f}–{row['upper_quartile_ms']:.2f}",
                f"{row['ms']:.2f}",
                f"{row['cpu_ms']:.2f}",
                f"{row['gflops']:.1f}",
                f"{row['peak_gflops']:.1f}" + (f" x {row['threads']}" if row["threads"] > 1 else ""),
                f"{100 * row['share']:.1f} %",
                _ratio(row["against_one_thread"]),
            )
            for row in image["rows"]
        ],
    )
    names = ("pnet", "rnet", "onet", "rest", "resize", "proposals", "networks")
    yield _table(
        ("ms, 1 thread", "PNet", "RNet", "ONet", "rest", "resize", "proposals, NMS", "networks"),
        [(isa, *(f"{ms[name]:.2f}" for name in names)) for isa, ms in image["stages"].items()],
    )
    memory = image["memory"]
    if memory:
        yield Text(
            f"memory above the idle process ({memory['idle']:.1f} MB): {memory['peak']:.1f} MB, "
            f"of which the detector takes {memory['detector']:.1f} MB"
        )
    if "batch" in image:
        batch = image["batch"]
        yield Text(
            f"batch of {batch['pictures']} on {batch['threads']} threads: {batch['batch_ms']:.2f} ms per "
            f"image; single detections on one thread: {batch['one_at_a_time_ms']:.2f} ms; "
            f"ratio {batch['ratio']:.2f} ({batch['isa']})"
        )
    if "peers" in image:
        yield from _peers(image["peers"])


def _peers(rows: list[dict[str, Any]]) -> Iterator[Table | Text]:
    from rich.text import Text

    yield _table(
        (
            "peer",
            "threads",
            "median ms",
            "CPU ms",
            "relative time",
            "faces",
            "load s",
            "process MB",
            "versions",
        ),
        [
            (
                row["peer"],
                str(row["threads"]),
                f"{row['ms']:.2f}",
                f"{row['cpu_ms']:.2f}",
                _ratio(row.get("ratio")),
                str(row["faces"]),
                f"{row['load_s']:.2f}",
                "" if row["peak_mb"] is None else f"{row['peak_mb']:.0f}",
                row["versions"],
            )
            for row in rows
            if "error" not in row
        ],
        left=("peer", "versions"),
    )
    for row in rows:
        if "error" in row:
            yield Text(f"{row['peer']}, threads {row['threads']}: not measured: {row['error']}", "yellow")
    others = [row["peer"] for row in rows if row["peer"] in OTHER_NETWORKS and "ms" in row]
    if others:
        names = " and ".join(dict.fromkeys(others))
        yield Text(
            f"{names}: other networks, not MTCNN; they process a scaled image in which a face of min_face "
            f"pixels has {FACE_PIXELS} pixels. The detection accuracy is not compared."
        )


def _overhead(overhead: dict[str, Any]) -> str:
    return (
        f"\n640x480, one thread, {overhead['isa']}: {overhead['ms']:.2f} ms, of which "
        f"{overhead['networks_ms']:.2f} ms in the networks; overhead {100 * overhead['share']:.1f} %"
    )


def _sizes(rows: list[dict[str, Any]]) -> Table:
    return _table(
        ("mosaic", "megapixels", "ms", "ms per megapixel", "GFLOP per megapixel", "GFLOP/s"),
        [
            (
                f"{row['width']}x{row['height']}",
                f"{row['megapixels']:.1f}",
                f"{row['ms']:.1f}",
                f"{row['ms_per_megapixel']:.2f}",
                f"{row['gflop_per_megapixel']:.3f}",
                f"{row['gflops']:.1f}",
            )
            for row in rows
        ],
    )


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}x"


def _table(titles: Sequence[str], rows: list[tuple[str, ...]], left: Sequence[str] = ("isa",)) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=box.SIMPLE_HEAD)
    for name in titles:
        is_left = name in left or name == titles[0]
        grid.add_column(name, justify="left" if is_left else "right", overflow="fold")
    for row in rows:
        grid.add_row(*map(Text, row))
    return grid


def check_chart(path: Path) -> None:
    """Raise an error if the chart cannot be written.

    Raises ValueError if the file name does not end with .svg or .png. Raises MissingExtra if Matplotlib is
    not installed.
    """
    if path.suffix.lower() not in (".svg", ".png"):
        raise ValueError(f"the chart must be a .svg or .png file, got {path}")
    import_extra("matplotlib", "mtcnn-cpp[report]", "the chart")


def draw_chart(results: dict[str, Any], path: Path) -> None:
    """Draw a chart of the times of the largest image in `results`, and of the shares of the FMA peak.

    Raises the errors of `check_chart`.
    """
    check_chart(path)
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    image = max(results["pictures"], key=lambda found: found["height"] * found["width"])
    bars = _bars(image)
    with rc_context({"svg.hashsalt": "mtcnn_cpp", "font.size": 10, "text.color": TEXT}):
        figure = Figure(
            figsize=(11, 2.2 + 0.42 * max(len(bars), 4)),
            layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08),
        )
        FigureCanvasAgg(figure)
        left, right = figure.subplots(1, 2, width_ratios=[5, 4])
        _draw_times(left, bars)
        _draw_shares(right, image["rows"])
        faces = f"{image['faces']} face{'s' if image['faces'] != 1 else ''}"
        figure.suptitle(
            f"Image of {image['width']}x{image['height']}, {faces}, "
            f"min_face {results['options']['min_face']:g}: time, and share of the processor's peak",
            fontsize=13,
            x=0.01,
            ha="left",
        )
        figure.supxlabel(_footer(results, image), fontsize=7.5, color=QUIET, x=0.01, ha="left")
        kind = path.suffix.lower()[1:]
        metadata = {"Date": None} if kind == "svg" else None
        buffer = io.BytesIO()
        figure.savefig(buffer, format=kind, dpi=160, facecolor=PAPER, metadata=metadata)
        with atomic_file(path) as file:
            file.write(_for_dark_pages(buffer.getvalue()) if kind == "svg" else buffer.getvalue())


def _for_dark_pages(svg: bytes) -> bytes:
    rules = "".join(
        f'[style*="{part}: {light}"]{{{part}:{dark} !important}}'
        for light, dark in DARK.items()
        for part in ("fill", "stroke")
    )
    return svg.replace(b"</style>", f"@media (prefers-color-scheme: dark){{{rules}}}</style>".encode(), 1)


class Bar(NamedTuple):
    label: str
    is_own: bool
    ms: dict[int, float]  # time by number of threads
    ratio: float | None  # time relative to mtcnn_cpp, at the smallest number of threads


def _bars(image: dict[str, Any]) -> list[Bar]:
    """Return one bar for this package and one for each peer. The fastest detector comes first.

    If no peers were measured, return one bar for each variant of the core.
    """
    rows = [row for row in image.get("peers", []) if "ms" in row]
    key = "peer" if rows else "isa"
    bars = []
    for name in dict.fromkeys(row[key] for row in rows or image["rows"]):
        peer_rows = sorted(
            (row for row in rows or image["rows"] if row[key] == name), key=lambda row: int(row["threads"])
        )
        is_own = not rows or name == OWN_NAME
        label = name if rows else f"mtcnn_cpp {name}"
        if rows and peer_rows[0]["faces"] != image["faces"]:
            label += f"\n(finds {peer_rows[0]['faces']} faces)"
        if name in OTHER_NETWORKS:
            label += "\n(another network)"
        ratio = None if is_own else peer_rows[0].get("ratio")
        bars.append(Bar(label, is_own, {row["threads"]: row["ms"] for row in peer_rows}, ratio))
    return sorted(bars, key=lambda bar: min(bar.ms.items())[1])


def _draw_times(axes: Axes, bars: list[Bar]) -> None:
    """Draw one group of bars per detector, with one bar per number of threads.

    The first bar of a group has the full colour. The other bars have a lighter colour.
    """
    counts = sorted({count for bar in bars for count in bar.ms})
    height = 0.76 / len(counts)
    for position, bar in enumerate(bars):
        for line, count in enumerate(counts):
            if count not in bar.ms:
                continue
            y = position + (line - (len(counts) - 1) / 2) * height
            colour = (OWN, OWN_LIGHT) if bar.is_own else (OTHER, OTHER_LIGHT)
            axes.barh(y, bar.ms[count], color=colour[line > 0], height=0.92 * height)
            ratio = f"   {bar.ratio:.1f}x the time" if bar.ratio and not line else ""
            threads = f", {count} threads" if line and bar.is_own else ""
            axes.text(
                bar.ms[count],
                y,
                f"  {bar.ms[count]:.{_digits(bar.ms[count])}f} ms{threads}{ratio}",
                va="center",
                fontsize=8.5,
            )
    axes.set_xlim(0, 1.4 * max(ms for bar in bars for ms in bar.ms.values()))
    axes.set_yticks(range(len(bars)), [bar.label for bar in bars])
    threads_text = " and ".join(f"{count} thread{'s' if count > 1 else ''}" for count in counts)
    _style_axes(axes, f"milliseconds, {threads_text}")


def _draw_shares(axes: Axes, rows: list[dict[str, Any]]) -> None:
    """Draw one bar for the GFLOP/s of each variant and number of threads.

    A grey bar behind it shows the FMA peak of one core, multiplied by the number of threads.
    """
    for position, row in enumerate(rows):
        peak = row["peak_gflops"] * row["threads"]
        axes.barh(position, peak, color=EMPTY, height=0.68)
        axes.barh(position, row["gflops"], color=OWN, height=0.68)
        axes.text(
            peak,
            position,
            f"  {100 * row['share']:.0f} %  ({row['gflops']:.0f} of {peak:.0f})",
            va="center",
            fontsize=8.5,
        )
    axes.set_xlim(0, 1.6 * max(row["peak_gflops"] * row["threads"] for row in rows))
    names = [f"{row['isa']}, {row['threads']} thread{'s' if row['threads'] > 1 else ''}" for row in rows]
    axes.set_yticks(range(len(rows)), names)
    _style_axes(axes, "useful GFLOP/s, and FMA peak (grey)")


def _style_axes(axes: Axes, title: str) -> None:
    axes.invert_yaxis()
    axes.set_title(title, loc="left", fontsize=9.5, color=QUIET)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.spines["left"].set_color(OTHER)
    axes.tick_params(length=0, labelcolor=TEXT)
    axes.tick_params(axis="x", labelbottom=False, which="both", length=0)


def _digits(value: float) -> int:
    return 0 if value >= 100 else 1


def _footer(results: dict[str, Any], image: dict[str, Any]) -> str:
    rows = image.get("peers", [])
    lines = [
        machine_title(results["machine"]),
        f"Median of {results['runs']} interleaved runs per configuration.",
    ]
    versions = sorted({text for row in rows for text in row.get("versions", "").split(", ") if text})
    missing = dict.fromkeys(row["peer"] for row in rows if "error" in row)
    if versions:
        lines[-1] += f" {', '.join(versions)}."
    if missing:
        lines.append(f"Not measured: {', '.join(missing)}.")
    return "\n".join(lines)
