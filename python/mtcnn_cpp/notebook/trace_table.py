"""A trace as a table: one row for all levels, or all crops, of a tensor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from ..escape import markup_text

MOST = 200  # rows


class Described(Protocol):
    """What is known of a tensor: an `Entry` of the manifest."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> str: ...
    @property
    def layout(self) -> str: ...
    @property
    def nbytes(self) -> int: ...


def trace_table(title: str, entries: Mapping[str, Described], template: Callable[[str], str]) -> str:
    """HTML. template: the name that tensors of all levels or crops share. No values are read."""
    groups: dict[str, list[str]] = {}
    for name in entries:
        groups.setdefault(template(name), []).append(name)
    rows = "".join(
        _row(name, [entries[each] for each in names]) for name, names in list(groups.items())[:MOST]
    )
    more = f"… and {len(groups) - MOST:,} more rows" if len(groups) > MOST else ""
    head = "".join(f"<th>{word}</th>" for word in ("tensor", "how many", "shape", "dtype", "axes", "kB"))
    return f"<div>{markup_text(title)}<table><tr>{head}</tr>{rows}</table>{more}</div>"


def _row(name: str, entries: Sequence[Described]) -> str:
    shapes = list(dict.fromkeys(" x ".join(map(str, entry.shape)) for entry in entries))
    cells = (
        name,
        f"{len(entries):,}",
        shapes[0] if len(shapes) == 1 else f"{shapes[0]} … {shapes[-1]}",
        entries[0].dtype,
        entries[0].layout,
        f"{sum(entry.nbytes for entry in entries) / 1000:,.1f}",
    )
    return "<tr>" + "".join(f"<td>{markup_text(cell)}</td>" for cell in cells) + "</tr>"
