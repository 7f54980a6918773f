"""What the page asks first: the names of all tensors, what the traces say of themselves; faces; a tensor."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..escape import printable
from ..image import Pixels, to_bgr8
from ..trace.file.manifest import Entry
from ..trace.judge.faces import faces_of, pair_up
from ..trace.judge.plain import plain
from ..trace.names import layer_inputs
from .source import Side, Source
from .tensors import SHOW_LIMIT, statistics
from .verdicts import Verdicts, by_hash, names_of
from .views import view_of


def about(source: Source) -> dict[str, Any]:
    """Of both traces: label, capture level and origin; of every tensor: name, shape, dtype, kind of view, and
    what the hashes say; which tensors are outputs of layers."""
    names = names_of(source)
    sides = {"a": source.a} | ({"b": source.b} if source.b else {})
    layers = {name for side in sides.values() for name in layer_inputs(side.trace.names)}
    return {
        "sides": {letter: _side(side) for letter, side in sides.items()},
        "tensors": [_listed(source, name) for name in names],
        "limit": SHOW_LIMIT,
        "layers": [index for index, name in enumerate(names) if name in layers],
        "states": by_hash(source),
        "picture": _picture(source),
    }


def _side(side: Side) -> dict[str, Any]:
    fields = side.trace.manifest.about()
    return {"label": printable(side.label), "tensors": len(side.trace), **_printable(plain(fields))}


def _printable(value: Any) -> Any:
    """Plain values with their text escaped: it comes from the file."""
    if isinstance(value, dict):
        return {printable(key): _printable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_printable(item) for item in value]
    return printable(value) if isinstance(value, str) else value


def entry_of(source: Source, name: str) -> Entry:
    """The tensor as a has it, or b where a lacks it. UnknownName where neither has it."""
    return (
        source.a.trace.entry(name)
        if name in source.a.trace or source.b is None
        else source.b.trace.entry(name)
    )


def _listed(source: Source, name: str) -> list[Any]:
    """Of a tensor that is of another shape or dtype in b, also that it is."""
    entry = entry_of(source, name)
    other = source.b.trace.entry(name) if source.b and name in source.b.trace else entry
    unlike = (entry.shape, entry.dtype) != (other.shape, other.dtype)
    return [
        entry.name,
        list(entry.shape),
        entry.dtype,
        view_of(entry.shape, entry.layout).kind,
        *([1] * unlike),
    ]


def _picture(source: Source) -> dict[str, Any] | None:
    """Which side has the picture's pixels, and their size; None where none has."""
    for letter, side in (("a", source.a), ("b", source.b)):
        if side is not None and side.trace.manifest.picture and side.trace.manifest.capture == "full":
            height, width = side.trace.manifest.picture.shape[:2]
            return {"side": letter, "height": height, "width": width}
    return None


def pixels_of(side: Side, step: int) -> NDArray[np.uint8]:
    """Every `step`-th pixel of the picture, (H, W, 3) uint8, red first."""
    bgr = to_bgr8(Pixels(side.trace.picture[::step, ::step], red_first=False))
    return np.ascontiguousarray(bgr[..., ::-1])


def tensor(source: Source, verdicts: Verdicts | None, name: str) -> dict[str, Any]:
    """All that is known of one tensor but its values; its view, which says what can be asked for."""
    entry = entry_of(source, name)
    answer: dict[str, Any] = {"name": name, "view": plain(view_of(entry.shape, entry.layout)), "sides": {}}
    for letter, side in (("a", source.a), ("b", source.b)):
        if side is None or name not in side.trace:
            continue
        one = side.trace.entry(name)
        answer["sides"][letter] = {
            "shape": list(one.shape),
            "dtype": one.dtype,
            "layout": one.layout,
            "sha256": one.sha256,
            "statistics": plain(statistics(source, name, letter)),
        }
    row = verdicts.row(name) if verdicts else None
    if row is not None:
        answer["verdict"] = {
            "words": row.words, "ok": row.ok, "reason": row.reason, "figures": plain(row.figures),
        }  # fmt: skip
    return answer


def faces(source: Source) -> dict[str, Any]:
    """The faces of a, and of b beside them: which belong together, how far apart they are."""
    a = faces_of(source.a.trace)
    b = faces_of(source.b.trace) if source.b else None
    answer: dict[str, Any] = {"a": _faces(a), "b": _faces(b), "pairs": []}
    if a is not None and b is not None:
        answer["pairs"] = plain(pair_up(a.boxes, b.boxes))
    return answer


def _faces(found: Any) -> Any:
    return None if found is None else {"boxes": plain(found.boxes), "scores": plain(found.scores)}
