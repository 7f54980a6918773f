"""The receptive field of one value: in every tensor before it, and in the picture, what it was computed from.

Exact: a pixel outside of it has no influence on the value (given the crop), each border pixel can have.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np

from ..model import Conv2d, FullyConnected, MaxPool, Model
from ..reference.plan import STAGES, Step, stage_name, walk
from ..reference.resize import positions
from ..trace.errors import TraceError
from ..trace.file.trace import Trace
from .boxes import boxes_of, crop_square, planned_levels

_PLACE = re.compile(r"(pnet)/level(\d+)/([^/]+)|(rnet|onet)/crop(\d+)/([^/]+)")
_LISTS = re.compile(r"(rnet|onet)/(scores|offsets|landmarks)|pnet/level(\d+)/(scores|offsets|boxes)")


@dataclass(frozen=True)
class Part:
    """Ranges [first, after) of a tensor's channels, rows and columns. A vector has channels only."""

    name: str
    channels: tuple[int, int]
    rows: tuple[int, int] = (0, 1)
    columns: tuple[int, int] = (0, 1)


@dataclass(frozen=True)
class Field:
    """From the value back to the network's input, the last of `parts`. `picture`: first row, row after the
    last, first column, column after the last, in pixels; None where it is not known or wholly outside."""

    parts: tuple[Part, ...]
    picture: tuple[int, int, int, int] | None


def receptive_field(trace: Trace, name: str, at: tuple[int, ...], model: Model | None = None) -> Field:
    """Of the element `at` of a layer's output, of a heat map, or of a list of scores, offsets or landmarks.

    TraceError for an index that is not in the tensor, or a tensor that has no receptive field.
    """
    shape = trace.entry(name).shape
    if len(at) != len(shape) or not all(0 <= index < size for index, size in zip(at, shape, strict=True)):
        raise TraceError(f"{name} has shape {shape}; the index {','.join(map(str, at))} is not in it")
    model = model or Model.default()
    part = _start(trace, name, at, model)
    found = _PLACE.fullmatch(part.name)
    if found is None:
        raise TraceError(f"{name} is chosen from several places; it has no receptive field of its own")
    stage, number, layer = found[1] or found[4], int(found[2] or found[5]), found[3] or found[6]
    place = part.name.rpartition("/")[0]
    steps = _steps(trace, model, stage, place)
    names = [step.name for step in steps]
    if layer != "input" and layer not in names:
        raise TraceError(f"{name} is not the output of a layer")
    parts = [part]
    for step in reversed(steps[: names.index(layer) + 1 if layer != "input" else 0]):
        index = names.index(step.name)
        before = f"{place}/{names[index - 1] if index else 'input'}"
        parts.append(_before(parts[-1], step, before))
    if part.name != name:
        parts.insert(0, Part(name, (0, 1)))
    return Field(tuple(parts), _in_picture(trace, stage, number, parts[-1]))


def _steps(trace: Trace, model: Model, stage: str, place: str) -> list[Step]:
    side = STAGES[stage_name(stage)].side
    size = (side, side) if side is not None else None
    if f"{place}/input" in trace and len(trace.entry(f"{place}/input").shape) == 3:
        size = trace.entry(f"{place}/input").shape[1:]  # type: ignore[assignment]
    elif stage == "pnet":
        level = planned_levels(trace).get(int(place[len("pnet/level") :]))
        size = level[1:] if level else None
    if size is None:
        raise TraceError(f"the size of {place}/input is not known: the trace does not hold it")
    return list(walk(model.networks[stage_name(stage)], size))


def _start(trace: Trace, name: str, at: tuple[int, ...], model: Model) -> Part:
    """The part of a layer's output that the value is, or was computed from."""
    if _PLACE.fullmatch(name) and not name.endswith(
        ("/heat_map", "/scores", "/offsets", "/boxes", "/nms_keep")
    ):
        channel, *rest = at
        ranges = [(index, index + 1) for index in rest]
        return Part(name, (channel, channel + 1), *ranges[:2])
    place, _, kind = name.rpartition("/")
    if kind == "heat_map" and len(at) == 2:
        return _logits(model, "pnet", place, (0, 2), (at[0], at[1]))
    if not _LISTS.fullmatch(name):
        raise TraceError(f"{name} is chosen from several places; it has no receptive field of its own")
    outputs = {
        "scores": (0, 2), "boxes": (0, 2),
        "offsets": (2 + at[-1], 3 + at[-1]),
        "landmarks": (6 + at[1] + 5 * at[-1], 7 + at[1] + 5 * at[-1]) if len(at) == 3 else (6, 16),
    }[kind]  # fmt: skip
    if not place.startswith("pnet/level"):
        return _logits(model, place, f"{place}/crop{at[0]:03d}", outputs, None)
    level = next((one for one in boxes_of(trace).levels if one.name == place), None)
    if level is None or level.cells is None or at[0] >= len(level.cells):
        raise TraceError(f"which cell of the heat map {name} {at[0]} is, is not known")
    row, column = level.cells[at[0]]
    return _logits(model, "pnet", place, outputs, (row, column))


def _logits(
    model: Model, stage: str, place: str, channels: tuple[int, int], cell: tuple[int, int] | None
) -> Part:
    last = model.networks[stage_name(stage)].names[-1]
    part = Part(f"{place}/{last}", channels)
    if cell is None:
        return part
    return replace(part, rows=(cell[0], cell[0] + 1), columns=(cell[1], cell[1] + 1))


def _before(part: Part, step: Step, name: str) -> Part:
    """What of the layer's input the part of its output was computed from."""
    layer, entering = step.layer, step.entering
    height, width = entering.size or (1, 1)
    channels = (0, entering.channels or 0)
    if isinstance(layer, Conv2d):
        kernel_y, kernel_x = layer.kernel.shape[2:]
        rows, columns = (
            (first, after + kernel - 1)
            for (first, after), kernel in ((part.rows, kernel_y), (part.columns, kernel_x))
        )
        return Part(name, channels, rows, columns)
    if isinstance(layer, MaxPool):
        rows, columns = (
            (first * stride, min((after - 1) * stride + kernel, size))
            for (first, after), stride, kernel, size in (
                (part.rows, layer.stride_y, layer.kernel_y, height),
                (part.columns, layer.stride_x, layer.kernel_x, width),
            )
        )
        return Part(name, part.channels, rows, columns)
    if isinstance(layer, FullyConnected):
        if step.flattens:
            return Part(name, channels, (0, height), (0, width))
        return Part(name, channels, part.rows, part.columns)
    return replace(part, name=name)


def _in_picture(trace: Trace, stage: str, number: int, part: Part) -> tuple[int, int, int, int] | None:
    if trace.manifest.picture is None or not part.name.endswith("/input"):
        return None
    height, width = trace.manifest.picture.shape[:2]
    top = left = 0
    from_height, from_width = height, width
    if stage == "pnet":
        level = planned_levels(trace).get(number)
        if level is None:
            return None
        size = level[1:]
    else:
        try:
            left, top, side = crop_square(trace, stage, number)
        except TraceError:
            return None
        from_height = from_width = side
        size = (STAGES[stage_name(stage)].side or 0,) * 2
    if min(from_height, from_width, *size) < 1 or part.rows[1] > size[0] or part.columns[1] > size[1]:
        return None
    whole = (from_height, from_width) == size
    half = (from_height, from_width) == (2 * size[0], 2 * size[1])
    rows, columns = (
        part_range
        if whole
        else (2 * part_range[0], 2 * part_range[1])
        if half
        else _bilinear(source, target, part_range, across)
        for source, target, part_range, across in (
            (from_height, size[0], part.rows, False),
            (from_width, size[1], part.columns, True),
        )
    )
    first_row, after_row = max(rows[0] + top, 0), min(rows[1] + top, height)
    first_column, after_column = max(columns[0] + left, 0), min(columns[1] + left, width)
    if first_row >= after_row or first_column >= after_column:
        return None
    return first_row, after_row, first_column, after_column


def _bilinear(source: int, target: int, wanted: tuple[int, int], across: bool) -> tuple[int, int]:
    """The source pixels [first, after) that the target pixels `wanted` have a share of: see
    `reference.resize.resample`."""
    before, weight = (values[wanted[0] : wanted[1]] for values in positions(source, target))
    if across:  # a position beyond the first or last pixel takes that pixel alone
        weight = np.where((before < 0) | (before >= source - 1), 0, weight)
    last = np.where(weight > 0, before + 1, before)
    return int(before.clip(0, source - 1).min()), int(last.clip(0, source - 1).max()) + 1
