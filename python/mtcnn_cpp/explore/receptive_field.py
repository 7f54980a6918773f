"""The receptive field of one value: the part of each earlier tensor, and of the image, on which it depends.

The field is exact: for a fixed crop, pixels outside the field cannot change the value, but each pixel on its
border can.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np

from ..model import Conv2d, FullyConnected, MaxPool, Model
from ..reference.plan import STAGES, LayerStep, iterate_layers, stage_name
from ..reference.resize import positions
from ..trace.errors import TraceError
from ..trace.trace import Trace
from .boxes import boxes_of, crop_square, planned_levels

_LAYER = re.compile(r"(pnet)/level(\d+)/([^/]+)|(rnet|onet)/crop(\d+)/([^/]+)")
_LISTS = re.compile(r"(rnet|onet)/(scores|offsets|landmarks)|pnet/level(\d+)/(scores|offsets|boxes)")


@dataclass(frozen=True)
class Region:
    """Ranges [start, stop) of a tensor's channels, rows and columns. A vector has channels only."""

    name: str
    channels: tuple[int, int]
    rows: tuple[int, int] = (0, 1)
    columns: tuple[int, int] = (0, 1)


@dataclass(frozen=True)
class ReceptiveField:
    """The regions on which a value depends.

    `regions` are in the order from the value back to the network's input. `image` is (first row, stop row,
    first column, stop column) in pixels. It is None if the region is unknown or completely outside the image.
    """

    regions: tuple[Region, ...]
    image: tuple[int, int, int, int] | None


def receptive_field(
    trace: Trace, name: str, index: tuple[int, ...], model: Model | None = None
) -> ReceptiveField:
    """Return the receptive field of one element.

    The tensor is the output of a layer, a heat map, the list `scores`, `offsets` or `boxes` of a level, or
    the list `scores`, `offsets` or `landmarks` of RNet or ONet. Raises TraceError for an index outside the
    tensor, and for a tensor without a receptive field.
    """
    shape = trace.info(name).shape
    if len(index) != len(shape) or not all(0 <= i < size for i, size in zip(index, shape, strict=True)):
        raise TraceError(
            f"{name} has shape {shape}; the index {','.join(map(str, index))} is outside this shape"
        )
    model = model or Model.default()
    region = _start(trace, name, index, model)
    match = _LAYER.fullmatch(region.name)
    if match is None:
        raise _no_receptive_field(name)
    stage, number, layer = match[1] or match[4], int(match[2] or match[5]), match[3] or match[6]
    group = region.name.rpartition("/")[0]
    steps = _steps(trace, model, stage, group)
    names = [step.name for step in steps]
    if layer != "input" and layer not in names:
        raise TraceError(f"{name} is not the output of a layer")
    regions = [region]
    for step in reversed(steps[: names.index(layer) + 1 if layer != "input" else 0]):
        position = names.index(step.name)
        source = f"{group}/{names[position - 1] if position else 'input'}"
        regions.append(_input_region(regions[-1], step, source))
    if region.name != name:
        regions.insert(0, Region(name, (0, 1)))
    return ReceptiveField(tuple(regions), _image_region(trace, stage, number, regions[-1]))


def _steps(trace: Trace, model: Model, stage: str, group: str) -> list[LayerStep]:
    side = STAGES[stage_name(stage)].side
    size = (side, side) if side is not None else None
    if f"{group}/input" in trace and len(trace.info(f"{group}/input").shape) == 3:
        size = trace.info(f"{group}/input").shape[1:]  # type: ignore[assignment]
    elif stage == "pnet":
        level = planned_levels(trace).get(int(group[len("pnet/level") :]))
        size = level[1:] if level else None
    if size is None:
        raise TraceError(f"the size of {group}/input is unknown: the trace does not contain this tensor")
    return list(iterate_layers(model.networks[stage_name(stage)], size))


def _no_receptive_field(name: str) -> TraceError:
    return TraceError(
        f"{name} has no receptive field; expected the output of a layer, a heat map, or a list of scores, "
        "offsets, landmarks, or boxes of one level"
    )


def _start(trace: Trace, name: str, index: tuple[int, ...], model: Model) -> Region:
    """Return the region of a layer's output that contains the value, or from which the value is computed."""
    if _LAYER.fullmatch(name) and not name.endswith(
        ("/heat_map", "/scores", "/offsets", "/boxes", "/nms_keep")
    ):
        channel, *rest = index
        ranges = [(i, i + 1) for i in rest]
        return Region(name, (channel, channel + 1), *ranges[:2])
    group, _, kind = name.rpartition("/")
    if kind == "heat_map" and len(index) == 2:
        return _logits(model, "pnet", group, (0, 2), (index[0], index[1]))
    if not _LISTS.fullmatch(name):
        raise _no_receptive_field(name)
    # x of all points comes before y of all points
    first = 6 + index[1] + 5 * index[2] if len(index) == 3 else 6
    outputs = {
        "scores": (0, 2), "boxes": (0, 2),
        "offsets": (2 + index[-1], 3 + index[-1]),
        "landmarks": (first, first + 1) if len(index) == 3 else (6, 16),
    }[kind]  # fmt: skip
    if not group.startswith("pnet/level"):
        return _logits(model, group, f"{group}/crop{index[0]:03d}", outputs, None)
    level = next((level for level in boxes_of(trace).levels if level.name == group), None)
    if level is None or level.cells is None or index[0] >= len(level.cells):
        raise TraceError(
            f"{name}: the trace does not show which cell of the heat map produced element {index[0]}"
        )
    row, column = level.cells[index[0]]
    return _logits(model, "pnet", group, outputs, (row, column))


def _logits(
    model: Model, stage: str, group: str, channels: tuple[int, int], cell: tuple[int, int] | None
) -> Region:
    last = model.networks[stage_name(stage)].names[-1]
    region = Region(f"{group}/{last}", channels)
    if cell is None:
        return region
    return replace(region, rows=(cell[0], cell[0] + 1), columns=(cell[1], cell[1] + 1))


def _input_region(region: Region, step: LayerStep, name: str) -> Region:
    """Return the region of a layer's input on which a region of its output depends."""
    layer, entering = step.layer, step.input
    height, width = entering.size or (1, 1)
    channels = (0, entering.channels or 0)
    if isinstance(layer, Conv2d):
        kernel_y, kernel_x = layer.kernel.shape[2:]
        rows, columns = (
            (start, stop + kernel - 1)
            for (start, stop), kernel in ((region.rows, kernel_y), (region.columns, kernel_x))
        )
        return Region(name, channels, rows, columns)
    if isinstance(layer, MaxPool):
        rows, columns = (
            (start * stride, min((stop - 1) * stride + kernel, size))
            for (start, stop), stride, kernel, size in (
                (region.rows, layer.stride_y, layer.kernel_y, height),
                (region.columns, layer.stride_x, layer.kernel_x, width),
            )
        )
        return Region(name, region.channels, rows, columns)
    if isinstance(layer, FullyConnected):
        if step.flattens:
            return Region(name, channels, (0, height), (0, width))
        return Region(name, channels, region.rows, region.columns)
    return replace(region, name=name)


def _image_region(trace: Trace, stage: str, number: int, region: Region) -> tuple[int, int, int, int] | None:
    if trace.manifest.image is None or not region.name.endswith("/input"):
        return None
    height, width = trace.manifest.image.shape[:2]
    top = left = 0
    source_height, source_width = height, width
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
        source_height = source_width = side
        size = (STAGES[stage_name(stage)].side or 0,) * 2
    if min(source_height, source_width, *size) < 1 or region.rows[1] > size[0] or region.columns[1] > size[1]:
        return None
    unchanged = (source_height, source_width) == size
    halved = (source_height, source_width) == (2 * size[0], 2 * size[1])
    rows, columns = (
        bounds
        if unchanged
        else (2 * bounds[0], 2 * bounds[1])
        if halved
        else _bilinear(source, target, bounds, horizontal)
        for source, target, bounds, horizontal in (
            (source_height, size[0], region.rows, False),
            (source_width, size[1], region.columns, True),
        )
    )
    first_row, stop_row = max(rows[0] + top, 0), min(rows[1] + top, height)
    first_column, stop_column = max(columns[0] + left, 0), min(columns[1] + left, width)
    if first_row >= stop_row or first_column >= stop_column:
        return None
    return first_row, stop_row, first_column, stop_column


def _bilinear(source: int, target: int, bounds: tuple[int, int], horizontal: bool) -> tuple[int, int]:
    """Return the source pixels [start, stop) that have a weight in the target pixels `bounds`.

    See `reference.resize.resample`.
    """
    before, weight = (values[bounds[0] : bounds[1]] for values in positions(source, target))
    if horizontal:  # outside the columns, only the first or last column has a weight
        weight = np.where((before < 0) | (before >= source - 1), 0, weight)
    last = np.where(weight > 0, before + 1, before)
    return int(before.clip(0, source - 1).min()), int(last.clip(0, source - 1).max()) + 1
