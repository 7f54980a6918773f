"""Candidates, suppression, offsets, squares, probabilities, faces; and how ports do these."""

from __future__ import annotations

import numpy as np

from ...reference.boxes import are_inside, are_usable
from ...reference.cascade import difference, landmarks_in, to_faces
from ...reference.exp import exp_glibc, exp_opencv
from ...reference.plan import CELL, STRIDE
from ...types import FloatArray
from .fault import RIGHT, Array, Fault, Knobs, table

ONE = np.float32(1)
MOST_BOXES = 50_000  # that are suppressed
PROBABILITY = table(
    "probability",
    "give 1 / (1 + exp(not-face - face)) of the two logits",
    {
        "of not-face": "the probability of not-face taken for that of a face",
        "one logit": "the sigmoid of the face logit alone",
        "logit": "the face logit itself, without softmax",
    },
)
OFFSETS_ORDER = table(
    "columns", "take offsets as dx1, dy1, dx2, dy2", {"y first": "offsets taken as dy, dx, dy, dx"}
)
WALK = (
    *table(
        "walk",
        "walk the heat map column by column: x outside, y inside",
        {"rows": "the heat map walked by rows"},
    ),
    *table(
        "corner",
        "truncate (2x + 1) / scale and (2x + 12) / scale",
        {
            "rounded": "corners of candidates rounded, not truncated",
            "floating": "corners of candidates left with their fractions",
        },
    ),
    *table("begin", "begin a candidate at 2x + 1", {"2x": "candidates that begin at 2x in place of 2x + 1"}),
    *table(
        "end", "give a candidate the size x2 - x1", {"one more": "candidates one pixel larger: x2 - x1 + 1"}
    ),
    *table(
        "axes", "take x from the columns, y from the rows", {"exchanged": "x and y of candidates exchanged"}
    ),
    *OFFSETS_ORDER,
)
LIMITS = ("0.3", "0.4", "0.5", "0.6", "0.7", "0.8")


def threshold_faults(right: float) -> tuple[Fault, ...]:
    """Other thresholds of the face probability."""
    others = [f"{value:g}" for value in (0.5, 0.6, 0.7, 0.8, 0.9, 0.95) if abs(value - right) > 1e-6]
    told = {value: f"a threshold of {value} in place of {right:g}" for value in others}
    return table("threshold", f"keep what reaches {right:g}", told)


def nms_faults(limit: float, mode: str) -> tuple[Fault, ...]:
    """Of a suppression at `limit` that is to go by union or minimum."""
    others = [value for value in LIMITS if value != f"{limit:g}"]
    other, basis = ("minimum", "the smaller area") if mode == "union" else ("union", "the union")
    right = "the union" if mode == "union" else "the smaller area"
    return (
        *table(
            "rounding",
            "round boxes to the nearest integers before suppression",
            {
                "none": "suppression without rounding the boxes",
                "truncated": "boxes truncated before suppression",
            },
        ),
        *table("overlap", f"measure overlap by {right}", {other: f"overlap by {basis} in place of {right}"}),
        *table(
            "limit",
            f"drop boxes that overlap by more than {limit:g}",
            {value: f"suppression at {value} in place of {limit:g}" for value in others},
        ),
        *table("area", "take w * h as the area", {"plus one": "areas of (w + 1) * (h + 1) in suppression"}),
        *table(
            "listing",
            "list boxes in the order picked, best first",
            {"by index": "survivors listed in their old order, not best first"},
        ),
        *table("skip", "suppress overlapping boxes here", {"all": "no suppression at all"}),
    )


MOVE = (
    *table(
        "before",
        "round boxes to the nearest integers before offsets are applied",
        {"none": "offsets applied without rounding the boxes", "truncated": "boxes truncated before offsets"},
    ),
    *table("offsets", "apply the offsets", {"none": "offsets not applied"}),
    *OFFSETS_ORDER,
)
WITHOUT_ADD = table("add", "do not add one here", {"one": "one added to width and height before offsets"})
ADD = table("add", "add one to width and height before ONet's offsets", {"none": "offsets without add-one"})
SQUARE = (
    *MOVE,
    *WITHOUT_ADD,
    *table(
        "square",
        "make squares of the longer side about the same centre",
        {
            "none": "boxes not made square",
            "corner": "squares about the corner, not the centre",
            "shorter": "squares of the shorter side",
        },
    ),
    *table(
        "whole",
        "truncate squares to whole numbers, toward zero",
        {
            "none": "squares left with their fractions",
            "rounded": "squares rounded, not truncated",
            "floored": "squares rounded down, not toward zero",
        },
    ),
    *table("clip", "let squares reach beyond the picture", {"picture": "squares clipped to the picture"}),
)
POINTS = (
    *table("points", "take landmarks as x1 … x5, y1 … y5", {"pairs": "landmarks taken as x1, y1, x2, y2, …"}),
    *table("point start", "begin at x - 1, y - 1", {"at x": "landmarks from x, y in place of x - 1, y - 1"}),
    *table("point size", "scale landmarks by w + 1", {"w": "landmarks scaled by w in place of w + 1"}),
    *table(
        "point unit", "scale landmarks to the square", {"relative": "landmarks left relative to the square"}
    ),
)
CORRECTION = (
    *table(
        "correction",
        "end with x - 0.0075 w, y + 0.2459 h, 1.0323 w, 0.7751 h",
        {
            "none": "OpenFace's last correction of boxes left out",
            "in place": "the corrected size used for x and y",
        },
    ),
)


def probability(logits: Array, knobs: Knobs = RIGHT, *, wide: bool = False) -> FloatArray:
    """Face probability of logits (2 or more, …): PNet's, or with `wide` that of RNet and ONet."""
    way = knobs.get("probability")
    if way == "logit":
        return np.asarray(logits[1], np.float32)
    exponent = -logits[1] if way == "one logit" else difference(logits)
    exp = exp_glibc if wide else exp_opencv
    powers = exp(np.ascontiguousarray(-exponent if way == "of not-face" else exponent))
    with np.errstate(over="ignore"):
        result = 1.0 / (1.0 + powers.astype(np.float64)) if wide else ONE / (ONE + powers)
    return np.asarray(result, np.float32)


def candidates(
    heat_map: FloatArray, logits: FloatArray, scale: float, threshold: float, knobs: Knobs = RIGHT
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Boxes, scores and offsets of a level."""
    reached = heat_map >= np.float32(knobs.get("threshold", threshold))
    if knobs.get("walk") == "rows":
        y, x = np.nonzero(reached)
    else:
        x, y = np.nonzero(reached.T)
    scores, offsets = heat_map[y, x], logits[2:6, y, x].T
    if "axes" in knobs:
        x, y = y, x
    (left, width), (top, height) = (extent(cells, scale, knobs) for cells in (x, y))
    boxes = np.stack([left, top, width, height], axis=1).astype(np.float32)
    return boxes, scores, columns(offsets, knobs)


def extent(cells: Array, scale: float, knobs: Knobs) -> tuple[Array, Array]:
    begin = STRIDE * cells + int("begin" not in knobs)
    corners = [place.astype(np.float32) / np.float32(scale) for place in (begin, STRIDE * cells + CELL)]
    corner = knobs.get("corner")
    if corner != "floating":
        corners = [(np.rint(place) if corner == "rounded" else place).astype(np.int64) for place in corners]
    return corners[0], corners[1] - corners[0] + int("end" in knobs)


def columns(offsets: FloatArray, knobs: Knobs) -> FloatArray:
    return offsets[:, [1, 0, 3, 2]] if "columns" in knobs else offsets


def in_integers(boxes: Array, way: str | None) -> Array:
    """Boxes rounded to nearest, truncated, or as they are; float64."""
    wide = boxes.astype(np.float64)
    return wide if way == "none" else np.trunc(wide) if way == "truncated" else np.rint(wide)


def suppress(boxes: FloatArray, scores: FloatArray, limit: float, mode: str, knobs: Knobs = RIGHT) -> Array:
    """Indices of the boxes that stay. The areas of whole numbers are exact in double."""
    if len(boxes) > MOST_BOXES or len(scores) != len(boxes):
        raise ValueError(f"{len(boxes)} boxes and {len(scores)} scores")
    order = np.argsort(scores, kind="stable")[::-1]
    if "skip" in knobs:
        return np.arange(len(boxes), dtype=np.int32)
    x, y, width, height = in_integers(boxes, knobs.get("rounding")).T
    more = int("area" in knobs)
    area = (width + more) * (height + more)
    threshold, way = np.float32(knobs.get("limit", limit)), knobs.get("overlap", mode)
    picked = []
    while order.size:
        best, rest = order[0], order[1:]
        picked.append(best)
        across = np.minimum(x[best] + width[best], (x + width)[rest]) - np.maximum(x[best], x[rest]) + more
        down = np.minimum(y[best] + height[best], (y + height)[rest]) - np.maximum(y[best], y[rest]) + more
        shared = (np.maximum(across, 0) * np.maximum(down, 0)).astype(np.float32)
        if way == "union":
            whole = (area[best] + area[rest]).astype(np.float32) - shared
        else:
            whole = np.minimum(area[best], area[rest]).astype(np.float32)
        with np.errstate(divide="ignore", invalid="ignore"):
            order = rest[~(shared / whole > threshold)]
    result = np.array(picked, np.int32)
    return np.sort(result) if "listing" in knobs else result


def move(boxes: FloatArray, offsets: FloatArray, knobs: Knobs = RIGHT, *, add: bool = False) -> FloatArray:
    """Corners moved by offsets times size. `add`: whether one is added, rightly."""
    if knobs.get("offsets") == "none":
        return boxes
    rounded = in_integers(boxes, knobs.get("before"))
    rounded[:, 2:] += int(add != ("add" in knobs))
    x, y, width, height = rounded.astype(np.float32).T
    dx1, dy1, dx2, dy2 = columns(offsets, knobs).T
    with np.errstate(over="ignore", invalid="ignore"):
        left, top = x + dx1 * width, y + dy1 * height
        right, bottom = (x + width) + width * dx2, (y + height) + height * dy2
        return np.stack([left, top, right - left, bottom - top], axis=1)


def squares(
    boxes: FloatArray, offsets: FloatArray, height: int, width: int, knobs: Knobs = RIGHT
) -> FloatArray:
    """What enters the next network."""
    moved = move(boxes, offsets, knobs)
    moved = moved[are_usable(moved)]
    found = in_whole(square(moved, knobs.get("square")), knobs.get("whole"))
    found = found[are_inside(np.trunc(found), height, width)]
    if "clip" in knobs:
        start = np.maximum(found[:, :2], 0)
        end = np.minimum(found[:, :2] + found[:, 2:], np.array([width, height], np.float32))
        found = np.concatenate([start, np.maximum(end - start, 0)], axis=1).astype(np.float32)
    return found


def square(boxes: FloatArray, way: str | None) -> FloatArray:
    if way == "none":
        return boxes
    x, y, width, height = boxes.T
    side = np.minimum(width, height) if way == "shorter" else np.maximum(width, height)
    if way == "corner":
        return np.stack([x, y, side, side], axis=1)
    moved = [
        (start.astype(np.float64) + 0.5 * (size - side).astype(np.float64)).astype(np.float32)
        for start, size in ((x, width), (y, height))
    ]
    return np.stack([*moved, side, side], axis=1)


def in_whole(boxes: FloatArray, way: str | None) -> FloatArray:
    if way == "none":
        return boxes
    rounding = {"rounded": np.rint, "floored": np.floor}.get(way or "", np.trunc)
    return np.asarray(rounding(boxes) + np.float32(0), np.float32)  # no negative zero


def points(boxes: FloatArray, values: FloatArray, knobs: Knobs = RIGHT) -> FloatArray:
    """Landmarks (N, 5, 2) of ONet's values (N, 10)."""
    if "points" in knobs:
        values = values.reshape(-1, 5, 2).swapaxes(1, 2).reshape(-1, 10)
    if not knobs.keys() & {"point start", "point size", "point unit"}:
        return landmarks_in(boxes, np.ascontiguousarray(values))
    relative = values.reshape(-1, 2, 5).swapaxes(1, 2)
    if "point unit" in knobs:
        return np.ascontiguousarray(relative)
    start, side = boxes[:, None, :2], boxes[:, None, 2:]
    begin = start if "point start" in knobs else start - ONE
    return np.asarray(begin + relative * (side if "point size" in knobs else side + ONE), np.float32)


def corrected(boxes: FloatArray, knobs: Knobs = RIGHT) -> FloatArray:
    """The final boxes."""
    way = knobs.get("correction")
    if way == "none":
        return boxes
    if way == "in place":
        x, y, width, height = boxes.astype(np.float64).T
        width, height = width * 1.0323, height * 0.7751
        return np.stack([x + width * -0.0075, y + height * 0.2459, width, height], axis=1).astype(np.float32)
    return to_faces(boxes)
