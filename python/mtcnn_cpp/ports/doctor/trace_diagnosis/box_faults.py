"""Steps on boxes and their faults: probabilities, proposals, suppression, squares, landmarks."""

from __future__ import annotations

import numpy as np

from ....reference.boxes import are_inside, are_usable
from ....reference.cascade import difference, landmarks_in, to_faces
from ....reference.exp import exp_glibc, exp_opencv
from ....reference.plan import CELL, STRIDE
from ....types import FloatArray
from .faults import CORRECT, Array, FaultTable, Parameters

ONE = np.float32(1)
MAX_BOXES = 50_000  # maximum number of boxes in a suppression
OVERLAP_LIMITS = ("0.3", "0.4", "0.5", "0.6", "0.7", "0.8")
PROBABILITY_FAULTS = {
    "probability": (
        "compute 1 / (1 + exp(not-face - face)) from the two logits",
        {
            "of not-face": "probability of not-face instead of face",
            "one logit": "sigmoid of the face logit alone",
            "logit": "face logit without softmax",
        },
    )
}
OFFSET_ORDER_FAULTS = {
    "columns": ("use the order dx1, dy1, dx2, dy2", {"y first": "offsets in the order dy, dx, dy, dx"})
}
PROPOSAL_FAULTS = {
    "walk": (
        "read the heat map column by column: x in the outer loop, y in the inner loop",
        {"rows": "heat map read row by row"},
    ),
    "corner": (
        "truncate (2x + 1) / scale and (2x + 12) / scale",
        {
            "rounded": "corners of proposals rounded instead of truncated",
            "floating": "corners of proposals with fractions, not truncated",
        },
    ),
    "begin": ("begin a proposal at 2x + 1", {"2x": "proposals that begin at 2x instead of 2x + 1"}),
    "end": ("use the size x2 - x1", {"one more": "proposals one pixel too large: x2 - x1 + 1"}),
    "axes": ("take x from the columns and y from the rows", {"exchanged": "x and y of proposals swapped"}),
    **OFFSET_ORDER_FAULTS,
}
MOVE_FAULTS = {
    "before": (
        "round boxes to the nearest integers before the offsets are applied",
        {
            "none": "boxes not rounded before the offsets are applied",
            "truncated": "boxes truncated before the offsets are applied",
        },
    ),
    "offsets": ("apply the offsets", {"none": "offsets not applied"}),
    **OFFSET_ORDER_FAULTS,
}
SQUARE_FAULTS = {
    **MOVE_FAULTS,
    "add": ("do not add 1 here", {"one": "1 added to width and height before the offsets are applied"}),
    "square": (
        "make squares of the longer side around the same centre",
        {
            "none": "boxes not made square",
            "corner": "squares at the same corner instead of the same centre",
            "shorter": "squares of the shorter side",
        },
    ),
    "whole": (
        "truncate squares to integers (toward zero)",
        {
            "none": "squares with fractions, not truncated",
            "rounded": "squares rounded instead of truncated",
            "floored": "squares rounded down instead of toward zero",
        },
    ),
    "clip": ("do not clip squares to the image", {"picture": "squares clipped to the image"}),
}
FINAL_MOVE_FAULTS = MOVE_FAULTS | {
    "add": (
        "add 1 to width and height before ONet's offsets are applied",
        {"none": "1 not added to width and height before the offsets are applied"},
    )
}
LANDMARK_FAULTS = {
    "points": (
        "use the landmark order x1 … x5, y1 … y5",
        {"pairs": "landmarks in the order x1, y1, x2, y2, …"},
    ),
    "point start": (
        "begin at x - 1, y - 1",
        {"at x": "landmarks relative to (x, y) instead of (x - 1, y - 1)"},
    ),
    "point size": ("scale landmarks by w + 1", {"w": "landmarks scaled by w instead of w + 1"}),
    "point unit": (
        "convert landmarks to image coordinates",
        {"relative": "landmarks relative to the square"},
    ),
}
CORRECTION_FAULTS = {
    "correction": (
        "return x - 0.0075 w, y + 0.2459 h, 1.0323 w, 0.7751 h",
        {
            "none": "OpenFace's final correction of boxes missing",
            "in place": "final correction of x and y with the corrected size",
        },
    )
}


def threshold_faults(right: float) -> FaultTable:
    """Faults of a threshold of the face probability. `right`: correct value of the threshold."""
    others = [f"{value:g}" for value in (0.5, 0.6, 0.7, 0.8, 0.9, 0.95) if abs(value - right) > 1e-6]
    texts = {value: f"threshold {value} instead of {right:g}" for value in others}
    return {"threshold": (f"keep scores of at least {right:g}", texts)}


def nms_faults(limit: float, mode: str) -> FaultTable:
    """Faults of non-maximum suppression.

    `limit`, `mode`: correct overlap limit and mode ("union" or "minimum").
    """
    others = [value for value in OVERLAP_LIMITS if value != f"{limit:g}"]
    areas = {"union": "the union of the areas", "minimum": "the smaller area"}
    other = "minimum" if mode == "union" else "union"
    return {
        "rounding": (
            "round boxes to the nearest integers before suppression",
            {
                "none": "boxes not rounded before suppression",
                "truncated": "boxes truncated before suppression",
            },
        ),
        "overlap": (
            f"divide the intersection by {areas[mode]}",
            {other: f"overlap relative to {areas[other]} instead of {areas[mode]}"},
        ),
        "limit": (
            f"suppress boxes that overlap by more than {limit:g}",
            {value: f"overlap limit {value} instead of {limit:g}" for value in others},
        ),
        "area": ("use w * h as the area", {"plus one": "areas of (w + 1) * (h + 1) in suppression"}),
        "listing": (
            "list the boxes sorted by descending score",
            {"by index": "boxes after suppression sorted by index, not by descending score"},
        ),
        "skip": ("suppress overlapping boxes here", {"all": "suppression missing"}),
    }


def probability(logits: Array, parameters: Parameters = CORRECT, *, wide: bool = False) -> FloatArray:
    """Face probability of logits (2 or more, …).

    `wide`: False for the formula of PNet, True for the formula of RNet and ONet.
    """
    mode = parameters.get("probability")
    if mode == "logit":
        return np.asarray(logits[1], np.float32)
    exponent = -logits[1] if mode == "one logit" else difference(logits)
    exp = exp_glibc if wide else exp_opencv
    powers = exp(np.ascontiguousarray(-exponent if mode == "of not-face" else exponent))
    with np.errstate(over="ignore"):
        result = 1.0 / (1.0 + powers.astype(np.float64)) if wide else ONE / (ONE + powers)
    return np.asarray(result, np.float32)


def propose(
    heat_map: FloatArray,
    logits: FloatArray,
    scale: float,
    threshold: float,
    parameters: Parameters = CORRECT,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Boxes, scores and offsets of a pyramid level."""
    reached = heat_map >= np.float32(parameters.get("threshold", threshold))
    if parameters.get("walk") == "rows":
        y, x = np.nonzero(reached)
    else:
        x, y = np.nonzero(reached.T)
    scores, offsets = heat_map[y, x], logits[2:6, y, x].T
    if "axes" in parameters:
        x, y = y, x
    (left, width), (top, height) = (extent(cells, scale, parameters) for cells in (x, y))
    boxes = np.stack([left, top, width, height], axis=1).astype(np.float32)
    return boxes, scores, order_offsets(offsets, parameters)


def extent(cells: Array, scale: float, parameters: Parameters) -> tuple[Array, Array]:
    """Start and size of proposals along one axis."""
    begin = STRIDE * cells + int("begin" not in parameters)
    corners = [value.astype(np.float32) / np.float32(scale) for value in (begin, STRIDE * cells + CELL)]
    mode = parameters.get("corner")
    if mode != "floating":
        corners = [(np.rint(value) if mode == "rounded" else value).astype(np.int64) for value in corners]
    return corners[0], corners[1] - corners[0] + int("end" in parameters)


def order_offsets(offsets: FloatArray, parameters: Parameters) -> FloatArray:
    return offsets[:, [1, 0, 3, 2]] if "columns" in parameters else offsets


def round_boxes(boxes: Array, mode: str | None) -> Array:
    """Return the boxes as float64. They are rounded to the nearest integers, truncated, or unchanged."""
    wide = boxes.astype(np.float64)
    return wide if mode == "none" else np.trunc(wide) if mode == "truncated" else np.rint(wide)


def suppress(
    boxes: FloatArray, scores: FloatArray, limit: float, mode: str, parameters: Parameters = CORRECT
) -> Array:
    """Return the indices of the boxes that non-maximum suppression keeps.

    Areas are computed in float64, and are exact if the sizes of the boxes are integers.
    """
    if len(boxes) > MAX_BOXES or len(scores) != len(boxes):
        raise ValueError(
            f"expected at most {MAX_BOXES} boxes and one score per box, found {len(boxes)} boxes and "
            f"{len(scores)} scores"
        )
    order = np.argsort(scores, kind="stable")[::-1]
    if "skip" in parameters:
        return np.arange(len(boxes), dtype=np.int32)
    x, y, width, height = round_boxes(boxes, parameters.get("rounding")).T
    more = int("area" in parameters)
    area = (width + more) * (height + more)
    threshold, mode = np.float32(parameters.get("limit", limit)), parameters.get("overlap", mode)
    picked = []
    while order.size:
        best, rest = order[0], order[1:]
        picked.append(best)
        across = np.minimum(x[best] + width[best], (x + width)[rest]) - np.maximum(x[best], x[rest]) + more
        down = np.minimum(y[best] + height[best], (y + height)[rest]) - np.maximum(y[best], y[rest]) + more
        shared = (np.maximum(across, 0) * np.maximum(down, 0)).astype(np.float32)
        if mode == "union":
            total = (area[best] + area[rest]).astype(np.float32) - shared
        else:
            total = np.minimum(area[best], area[rest]).astype(np.float32)
        with np.errstate(divide="ignore", invalid="ignore"):
            order = rest[~(shared / total > threshold)]
    result = np.array(picked, np.int32)
    return np.sort(result) if "listing" in parameters else result


def move(
    boxes: FloatArray, offsets: FloatArray, parameters: Parameters = CORRECT, *, add: bool = False
) -> FloatArray:
    """Move each corner by offset * size. `add`: whether to add 1 to the size before the multiplication."""
    if parameters.get("offsets") == "none":
        return boxes
    rounded = round_boxes(boxes, parameters.get("before"))
    rounded[:, 2:] += int(add != ("add" in parameters))
    x, y, width, height = rounded.astype(np.float32).T
    dx1, dy1, dx2, dy2 = order_offsets(offsets, parameters).T
    with np.errstate(over="ignore", invalid="ignore"):
        left, top = x + dx1 * width, y + dy1 * height
        right, bottom = (x + width) + width * dx2, (y + height) + height * dy2
        return np.stack([left, top, right - left, bottom - top], axis=1)


def make_squares(
    boxes: FloatArray, offsets: FloatArray, height: int, width: int, parameters: Parameters = CORRECT
) -> FloatArray:
    """The squares that enter the next network, for an image of `height` x `width`."""
    moved = move(boxes, offsets, parameters)
    moved = moved[are_usable(moved)]
    found = to_integers(square(moved, parameters.get("square")), parameters.get("whole"))
    found = found[are_inside(np.trunc(found), height, width)]
    if "clip" in parameters:
        start = np.maximum(found[:, :2], 0)
        end = np.minimum(found[:, :2] + found[:, 2:], np.array([width, height], np.float32))
        found = np.concatenate([start, np.maximum(end - start, 0)], axis=1).astype(np.float32)
    return found


def square(boxes: FloatArray, mode: str | None) -> FloatArray:
    if mode == "none":
        return boxes
    x, y, width, height = boxes.T
    side = np.minimum(width, height) if mode == "shorter" else np.maximum(width, height)
    if mode == "corner":
        return np.stack([x, y, side, side], axis=1)
    moved = [
        (start.astype(np.float64) + 0.5 * (size - side).astype(np.float64)).astype(np.float32)
        for start, size in ((x, width), (y, height))
    ]
    return np.stack([*moved, side, side], axis=1)


def to_integers(boxes: FloatArray, mode: str | None) -> FloatArray:
    if mode == "none":
        return boxes
    rounding = {"rounded": np.rint, "floored": np.floor}.get(mode or "", np.trunc)
    return np.asarray(rounding(boxes) + np.float32(0), np.float32)  # + 0 turns -0 into 0


def place_landmarks(boxes: FloatArray, values: FloatArray, parameters: Parameters = CORRECT) -> FloatArray:
    """Compute the landmarks (N, 5, 2) from ONet's values (N, 10)."""
    if "points" in parameters:
        values = values.reshape(-1, 5, 2).swapaxes(1, 2).reshape(-1, 10)
    if not parameters.keys() & {"point start", "point size", "point unit"}:
        return landmarks_in(boxes, np.ascontiguousarray(values))
    relative = values.reshape(-1, 2, 5).swapaxes(1, 2)
    if "point unit" in parameters:
        return np.ascontiguousarray(relative)
    start, side = boxes[:, None, :2], boxes[:, None, 2:]
    begin = start if "point start" in parameters else start - ONE
    return np.asarray(begin + relative * (side if "point size" in parameters else side + ONE), np.float32)


def correct_boxes(boxes: FloatArray, parameters: Parameters = CORRECT) -> FloatArray:
    """Apply OpenFace's final correction to boxes."""
    mode = parameters.get("correction")
    if mode == "none":
        return boxes
    if mode == "in place":
        x, y, width, height = boxes.astype(np.float64).T
        width, height = width * 1.0323, height * 0.7751
        return np.stack([x + width * -0.0075, y + height * 0.2459, width, height], axis=1).astype(np.float32)
    return to_faces(boxes)
