"""The boxes of a detection at each stage, and for each box its origin: a box of the previous stage."""

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
from ..trace.trace import Trace

Indices: TypeAlias = "list[int] | None"  # for each box, an index into another list; None if unknown
MAX_BOXES = 4000  # maximum number of boxes of one list that the page receives


@dataclass(frozen=True)
class LevelProposals:
    """One level of the pyramid with the proposals of PNet.

    `kept` contains the indices of the proposals that remain after the non-maximum suppression in this level.
    `cells` contains the row and column of each proposal in the heat map. `total` is the number of proposals;
    `boxes` contains at most the first MAX_BOXES proposals.
    """

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
class BoxList:
    """A list of boxes with their scores.

    `total` is the number of boxes; `boxes` contains at most the first MAX_BOXES boxes. For each box, `origin`
    contains the index of the box of the previous stage from which the cascade computed this box. Only
    `StageBoxes.joined` has `crop`.
    """

    boxes: list[list[float]]
    scores: list[float]
    total: int
    origin: Indices = None
    crop: Indices = None


@dataclass(frozen=True)
class StageBoxes:
    """The boxes of one trace at each stage. A list that the trace lacks is empty or None.

    Attributes:
        levels: Proposals of each level.
        joined: The boxes that remain after the suppression in each level, for all levels together. `crop` is
            the position of the level in `levels`, and `origin` is the index of the box in that level.
        after_nms: Indices into `joined` of the boxes that the suppression across levels keeps.
        rnet: Squares that enter RNet.
        onet: Squares that enter ONet.
        onet_out: Faces before the last correction.
        final: Faces.
        landmarks: Five points for each face.
    """

    levels: list[LevelProposals]
    joined: BoxList | None
    after_nms: list[int]
    rnet: BoxList | None
    onet: BoxList | None
    onet_out: BoxList | None
    final: BoxList | None
    landmarks: list[list[list[float]]]


def boxes_of(trace: Trace) -> StageBoxes:
    """Return the boxes of a trace. If the trace has no values, there are no boxes."""
    if trace.manifest.capture != "full":
        return StageBoxes([], None, [], None, None, None, None, [])
    levels = _levels(trace)
    joined = _boxes(trace, "pnet/boxes", "pnet/scores")
    if joined is not None:
        kept = [(position, index) for position, level in enumerate(levels) for index in level.kept]
        if len(kept) == joined.total:
            origin, crop = [index for _, index in kept], [position for position, _ in kept]
            joined = _with_origin(joined, origin, crop)
    after_nms = _indices(trace, "pnet/nms_keep")
    rnet = _boxes(trace, "rnet/boxes_in", "rnet/scores")
    if rnet is not None:
        rnet = _with_origin(rnet, _square_origins(trace, "pnet/boxes", "pnet/offsets", after_nms, rnet.total))
    onet = _boxes(trace, "onet/boxes_in", "onet/scores")
    if onet is not None:
        kept_crops = _kept_crops(trace, "rnet")
        onet = _with_origin(
            onet, _square_origins(trace, "rnet/boxes_in", "rnet/offsets", kept_crops, onet.total)
        )
    faces = _kept_crops(trace, "onet")
    out, final = _boxes(trace, "onet/boxes_out", "final/scores"), _boxes(trace, "final/boxes", "final/scores")
    out, final = (
        found and _with_origin(found, faces if len(faces) == found.total else None) for found in (out, final)
    )
    landmarks = _array(trace, "final/landmarks", 3)
    return StageBoxes(
        levels, joined, after_nms[:MAX_BOXES], rnet, onet, out, final,
        [] if landmarks is None else landmarks[:MAX_BOXES].tolist(),
    )  # fmt: skip


def _levels(trace: Trace) -> list[LevelProposals]:
    numbers = sorted(
        {int(found[1]) for found in (re.match(r"pnet/level(\d{2,6})/", name) for name in trace) if found}
    )
    image = trace.manifest.image
    planned = planned_levels(trace)
    threshold = _options(trace).thresholds[0]
    result = []
    for number in numbers:
        name = f"pnet/level{number:02d}"
        boxes, kept = _boxes(trace, f"{name}/boxes", f"{name}/scores"), _indices(trace, f"{name}/nms_keep")
        heat_map, level = _array(trace, f"{name}/heat_map", 2), planned.get(number)
        if level is None and image is not None and f"{name}/input" in trace:
            shape = trace.info(f"{name}/input").shape
            level = (shape[-1] / image.shape[1], shape[-2], shape[-1]) if len(shape) == 3 else None
        scale, height, width = level or (0.0, 0, 0)
        cells = None
        if boxes is not None and heat_map is not None:
            # column by column, as in the cascade
            x, y = np.nonzero((heat_map >= np.float32(threshold)).T)
            if len(x) == boxes.total:
                cells = np.stack([y, x], axis=1)[:MAX_BOXES].tolist()
        boxes = boxes or BoxList([], [], 0)
        result.append(
            LevelProposals(
                name, number, scale, height, width, boxes.boxes, boxes.scores, kept, cells, boxes.total
            )
        )
    return result


def planned_levels(trace: Trace) -> dict[int, tuple[float, int, int]]:
    """Return a map from the number of each level to its scale, height and width.

    They are computed from the size of the image and the options.
    """
    if trace.manifest.image is None:
        return {}
    height, width = trace.manifest.image.shape[:2]
    try:
        levels = pyramid(height, width, _options(trace))
    except ValueError:
        return {}
    return {number: (level.scale, level.height, level.width) for number, level in enumerate(levels)}


def _options(trace: Trace) -> Options:
    """Return the options in the manifest; OpenFace's defaults if they are missing or invalid."""
    given = {key: value for key, value in trace.manifest.options.items() if key in vars(Options())}
    try:
        return Options(**given)
    except (TypeError, ValueError):
        return Options()


def _array(trace: Trace, name: str, dimensions: int) -> NDArray[Any] | None:
    """Return a tensor, or None if the trace lacks it or its number of dimensions is not `dimensions`."""
    if name not in trace or len(trace.info(name).shape) != dimensions:
        return None
    return trace[name]


def _boxes(trace: Trace, boxes: str, scores: str) -> BoxList | None:
    found = _array(trace, boxes, 2)
    if found is None or found.shape[1] != 4:
        return None
    with_scores = _array(trace, scores, 1)
    listed = [] if with_scores is None or len(with_scores) != len(found) else with_scores[:MAX_BOXES].tolist()
    return BoxList(found[:MAX_BOXES].tolist(), listed, len(found))


def _with_origin(boxes: BoxList, origin: Indices, crop: Indices = None) -> BoxList:
    cut = [None if indices is None else indices[:MAX_BOXES] for indices in (origin, crop)]
    return BoxList(boxes.boxes, boxes.scores, boxes.total, *cut)


def _indices(trace: Trace, name: str) -> list[int]:
    found = _array(trace, name, 1)
    return [] if found is None or found.dtype.kind not in "iu" else found.tolist()


def _kept_crops(trace: Trace, network: str) -> list[int]:
    """Return the numbers of the crops that a network's suppression keeps, in the order of the suppression."""
    keep, kept = _indices(trace, f"{network}/keep"), _indices(trace, f"{network}/nms_keep")
    return [keep[index] for index in kept if 0 <= index < len(keep)]


def _square_origins(trace: Trace, boxes: str, offsets: str, kept: list[int], total: int) -> Indices:
    """Return the index in `boxes` for each square that enters the next network.

    This function repeats the steps of the cascade, which drop some boxes. The result is None if these steps
    do not give `total` squares.
    """
    before, correction, image = _array(trace, boxes, 2), _array(trace, offsets, 2), trace.manifest.image
    if before is None or correction is None or image is None or before.shape != correction.shape:
        return None
    indices = np.array(kept, np.int64).reshape(-1)
    if before.shape[1] != 4 or (indices.size and not 0 <= indices.min() <= indices.max() < len(before)):
        return None
    try:
        with np.errstate(all="ignore"):
            found = apply_offsets(
                before[indices].astype(np.float32), correction[indices].astype(np.float32), add_one=False
            )
            usable = are_usable(found)
            squares = make_square(found[usable])
            inside = are_inside(squares, *image.shape[:2])
    except ValueError:
        return None
    origins = indices[usable][inside]
    return origins.tolist() if len(origins) == total else None


def crop_square(trace: Trace, network: str, crop: int) -> tuple[int, int, int]:
    """Return left, top and side of the square that the cascade cuts from the image for a crop.

    Raises TraceError if the trace lacks the crop's box.
    """
    boxes = _array(trace, f"{network}/boxes_in", 2)
    if boxes is None or not crop < len(boxes) or boxes.shape[1] != 4 or not np.isfinite(boxes[crop]).all():
        raise TraceError(f"the trace does not contain the position of {network}'s crop {crop} in the image")
    left, top, side = (int(value) for value in boxes[crop, :3])
    return left - 1, top - 1, side + 1
