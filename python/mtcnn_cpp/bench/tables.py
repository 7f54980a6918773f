"""Results of `mtcnn-cpp bench` as tables for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from .machine import title
from .peer_worker import OTHER_NETWORKS, SMALLEST

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text


def tables(results: dict[str, Any]) -> Iterator[Table | Text]:
    """Lines and tables, in order."""
    from rich.text import Text

    found = results["machine"]
    yield Text(title(found))
    busy = f"; load {found['load']} before it began" if found["load"] is not None else ""
    yield Text(f"median of {results['runs']} runs of each, in turn{busy}", "dim")
    for picture in results["pictures"]:
        yield from _picture(picture)
    yield Text(_overhead(results["overhead"]))
    if "sizes" in results:
        yield _sizes(results["sizes"])


def _picture(found: dict[str, Any]) -> Iterator[Table | Text]:
    from rich.text import Text

    work = found["gflop"]
    yield Text(f"\n{found['name']}", "bold")
    yield Text(
        f"{found['width']}x{found['height']}, {found['faces']} faces, {found['boxes_into_rnet']} boxes into "
        f"RNet, {found['boxes_into_onet']} into ONet; useful work {work['total']:.3f} GFLOP "
        f"(PNet {work['pnet']:.3f}, RNet {work['rnet']:.3f}, ONet {work['onet']:.3f})"
    )
    yield _table(
        ("isa", "threads", "ms", "CPU ms", "GFLOP/s", "FMA peak", "share of peak", "against 1 thread"),
        [
            (
                row["isa"],
                str(row["threads"]),
                f"{row['ms']:.2f}",
                f"{row['cpu_ms']:.2f}",
                f"{row['gflops']:.1f}",
                f"{row['peak_gflops']:.1f}" + (f" x {row['threads']}" if row["threads"] > 1 else ""),
                f"{100 * row['share']:.1f} %",
                _ratio(row["against_one_thread"]),
            )
            for row in found["rows"]
        ],
    )
    names = ("pnet", "rnet", "onet", "rest", "resize", "proposals", "networks")
    yield _table(
        ("ms, 1 thread", "PNet", "RNet", "ONet", "rest", "of it resize", "proposals, NMS", "networks"),
        [(isa, *(f"{ms[name]:.2f}" for name in names)) for isa, ms in found["stages"].items()],
    )
    memory = found["memory"]
    if memory:
        yield Text(
            f"memory above the idle process ({memory['idle']:.1f} MB): {memory['peak']:.1f} MB, "
            f"of which the detector {memory['detector']:.1f} MB"
        )
    if "batch" in found:
        batch = found["batch"]
        yield Text(
            f"batch of {batch['pictures']} on {batch['threads']} threads: {batch['batch_ms']:.2f} ms a "
            f"picture, one at a time on one {batch['one_at_a_time_ms']:.2f} ms: {batch['ratio']:.2f}x "
            f"({batch['isa']})"
        )
    if "peers" in found:
        yield from _peers(found["peers"])


def _peers(rows: list[dict[str, Any]]) -> Iterator[Table | Text]:
    from rich.text import Text

    yield _table(
        ("peer", "threads", "ms", "CPU ms", "against mtcnn_cpp", "faces", "load s", "process MB", "versions"),
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
        words=("peer", "versions"),
    )
    for row in rows:
        if "error" in row:
            yield Text(f"{row['peer']}, threads {row['threads']}: not measured: {row['error']}", "yellow")
    if others := [row["peer"] for row in rows if row["peer"] in OTHER_NETWORKS and "ms" in row]:
        names = " and ".join(dict.fromkeys(others))
        yield Text(
            f"{names}: other networks, no MTCNNs; they see the picture scaled so that a face of min_face "
            f"pixels has {SMALLEST}. How well they find faces is not compared."
        )


def _overhead(found: dict[str, Any]) -> str:
    return (
        f"\n640x480, one thread, {found['isa']}: {found['ms']:.2f} ms, {found['networks_ms']:.2f} of them in "
        f"the networks: overhead {100 * found['share']:.1f} %"
    )


def _sizes(rows: list[dict[str, Any]]) -> Table:
    return _table(
        ("mosaic", "megapixels", "ms", "ms a megapixel", "GFLOP a megapixel", "GFLOP/s"),
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


def _table(titles: Sequence[str], rows: list[tuple[str, ...]], words: Sequence[str] = ("isa",)) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=box.SIMPLE_HEAD)
    for name in titles:
        left = name in words or name == titles[0]
        grid.add_column(name, justify="left" if left else "right", overflow="fold")
    for row in rows:
        grid.add_row(*map(Text, row))
    return grid
