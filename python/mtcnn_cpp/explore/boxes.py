"""The boxes of a detection, stage by stage, and which box of the stage before each one was."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..reference.boxes import apply_offsets, are_inside, are_usable, make_square
from ..reference.options import Options
from ..reference.plan import pyramid
from ..trace.errors import TraceError
from ..trace.file.trace import Trace

Places: TypeAlias = "list[int] | None"  # for each box a number in another list; None where it is not known
MOST = 4000  # boxes of one list that are sent


@dataclass(frozen=True)
class Level:
    """A level of the pyramid and what PNet proposes there. `cells`: of each, row and column in the heat
    map."""

    name: str
    number: int
    scale: float
    height: int
    width: int
    boxes: list[list[float]]
    scores: list[float]
    kept: list[int]
    cells: list[list[int]] | None
    total: int


@dataclass(frozen=True)
class Boxes:
    """A list of boxes with a score for each. `origin`: the box of the list before that each one was; `crop`:
    the crop that the network got of it; `total`: how many there are, where not all are listed."""

    boxes: list[list[float]]
    scores: list[float]
    total: int
    origin: Places = None
    crop: Places = None


@dataclass(frozen=True)
class AllBoxes:
    """Of one trace. What it does not hold is empty or None.

    joined: those of all levels that their suppressions left, with the level's place in `levels` as `crop` and
    the place in its boxes as `origin`; after_nms: places in `joined`; rnet, onet: the squares that enter;
    onet_out: the faces before the last move; final: the faces, with five landmarks each.
    """

    levels: list[Level]
    joined: Boxes | None
    after_nms: list[int]
    rnet: Boxes | None
    onet: Boxes | None
    onet_out: Boxes | None
    final: Boxes | None
    landmarks: list[list[list[float]]]


def boxes_of(trace: Trace) -> AllBoxes:
    """The boxes of a trace with values; nothing of one without."""
    if trace.manifest.capture != "full":
        return AllBoxes([], None, [], None, None, None, None, [])
    levels = _levels(trace)
    joined = _boxes(trace, "pnet/boxes", "pnet/scores")
    if joined is not None:
        kept = [(place, index) for place, level in enumerate(levels) for index in level.kept]
        if len(kept) == joined.total:
            joined = _with(joined, [index for _, index in kept], [place for place, _ in kept])
    after_nms = _indices(trace, "pnet/nms_keep")
    rnet = _boxes(trace, "rnet/boxes_in", "rnet/scores")
    if rnet is not None:
        rnet = _with(rnet, _squares_from(trace, "pnet/boxes", "pnet/offsets", after_nms, rnet.total))
    onet = _boxes(trace, "onet/boxes_in", "onet/scores")
    if onet is not None:
        picked = _picked(trace, "rnet")
        onet = _with(onet, _squares_from(trace, "rnet/boxes_in", "rnet/offsets", picked, onet.total))
    faces = _picked(trace, "onet")
    out, final = _boxes(trace, "onet/boxes_out", "final/scores"), _boxes(trace, "final/boxes", "final/scores")
    out, final = (one and _with(one, faces if len(faces) == one.total else None) for one in (out, final))
    landmarks = _array(trace, "final/landmarks", 3)
    return AllBoxes(
        levels, joined, after_nms[:MOST], rnet, onet, out, final,
        [] if landmarks is None else landmarks[:MOST].tolist(),
    )  # fmt: skip


def _levels(trace: Trace) -> list[Level]:
    numbers = sorted(
        {int(found[1]) for found in (re.match(r"pnet/level(\d{2,6})/", name) for name in trace) if found}
    )
    picture = trace.manifest.picture
    planned = planned_levels(trace)
    threshold = _options(trace).thresholds[0]
    result = []
    for number in numbers:
        name = f"pnet/level{number:02d}"
        boxes, kept = _boxes(trace, f"{name}/boxes", f"{name}/scores"), _indices(trace, f"{name}/nms_keep")
        heat_map, level = _array(trace, f"{name}/heat_map", 2), planned.get(number)
        if level is None and picture is not None and f"{name}/input" in trace:
            shape = trace.entry(f"{name}/input").shape
            level = (shape[-1] / picture.shape[1], shape[-2], shape[-1]) if len(shape) == 3 else None
        scale, height, width = level or (0.0, 0, 0)
        cells = None
        if boxes is not None and heat_map is not None:
            x, y = np.nonzero((heat_map >= np.float32(threshold)).T)  # column by column, as the cascade does
            if len(x) == boxes.total:
                cells = np.stack([y, x], axis=1)[:MOST].tolist()
        boxes = boxes or Boxes([], [], 0)
        result.append(
            Level(name, number, scale, height, width, boxes.boxes, boxes.scores, kept, cells, boxes.total)
        )
    return result


def planned_levels(trace: Trace) -> dict[int, tuple[float, int, int]]:
    """Scale, height and width of each level by its number, from the picture's size and the options."""
    if trace.manifest.picture is None:
        return {}
    height, width = trace.manifest.picture.shape[:2]
    try:
        levels = pyramid(height, width, _options(trace))
    except ValueError:
        return {}
    return {number: (level.scale, level.height, level.width) for number, level in enumerate(levels)}


def _options(trace: Trace) -> Options:
    """Those in the manifest; OpenFace's where it says none that can be used."""
    given = {key: value for key, value in trace.manifest.options.items() if key in vars(Options())}
    try:
        return Options(**given)
    except (TypeError, ValueError):
        return Options()


def _array(trace: Trace, name: str, dimensions: int) -> NDArray[Any] | None:
    """None where the trace lacks it, or has another kind of thing there."""
    if name not in trace or len(trace.entry(name).shape) != dimensions:
        return None
    return trace[name]


def _boxes(trace: Trace, boxes: str, scores: str) -> Boxes | None:
    found = _array(trace, boxes, 2)
    if found is None or found.shape[1] != 4:
        return None
    with_scores = _array(trace, scores, 1)
    listed = [] if with_scores is None or len(with_scores) != len(found) else with_scores[:MOST].tolist()
    return Boxes(found[:MOST].tolist(), listed, len(found))


def _with(boxes: Boxes, origin: Places, crop: Places = None) -> Boxes:
    cut = [None if places is None else places[:MOST] for places in (origin, crop)]
    return Boxes(boxes.boxes, boxes.scores, boxes.total, *cut)


def _indices(trace: Trace, name: str) -> list[int]:
    found = _array(trace, name, 1)
    return [] if found is None or found.dtype.kind not in "iu" else found.tolist()


def _picked(trace: Trace, network: str) -> list[int]:
    """The crops of a network that its suppression picked, in that order."""
    keep, picked = _indices(trace, f"{network}/keep"), _indices(trace, f"{network}/nms_keep")
    return [keep[place] for place in picked if 0 <= place < len(keep)]


def _squares_from(trace: Trace, boxes: str, offsets: str, kept: list[int], total: int) -> Places:
    """Which of `boxes` each of the `total` squares was that enter the next network: the cascade's own steps,
    which drop some. None where they do not give so many."""
    before, moved, picture = _array(trace, boxes, 2), _array(trace, offsets, 2), trace.manifest.picture
    if before is None or moved is None or picture is None or before.shape != moved.shape:
        return None
    places = np.array(kept, np.int64).reshape(-1)
    if before.shape[1] != 4 or (places.size and not 0 <= places.min() <= places.max() < len(before)):
        return None
    try:
        with np.errstate(all="ignore"):
            found = apply_offsets(
                before[places].astype(np.float32), moved[places].astype(np.float32), add_one=False
            )
            usable = are_usable(found)
            squares = make_square(found[usable])
            inside = are_inside(squares, *picture.shape[:2])
    except ValueError:
        return None
    left = places[usable][inside]
    return left.tolist() if len(left) == total else None


def crop_square(trace: Trace, network: str, crop: int) -> tuple[int, int, int]:
    """Left, top and side of the square that is cut from the picture for a crop: the patch of `reference.cut`.

    TraceError where the trace does not say.
    """
    boxes = _array(trace, f"{network}/boxes_in", 2)
    if boxes is None or not crop < len(boxes) or boxes.shape[1] != 4 or not np.isfinite(boxes[crop]).all():
        raise TraceError(f"where {network}'s crop {crop} lies in the picture is not known")
    left, top, side = (int(value) for value in boxes[crop, :3])
    return left - 1, top - 1, side + 1
