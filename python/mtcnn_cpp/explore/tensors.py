"""Values of one tensor for the page: a window of a map, thumbnails of all channels, and statistics.

The view "a" or "b" shows the values of one trace. "difference" shows b - a, and "ulp" shows the distance of a
and b in units in the last place. Every tensor is shown as maps (channels, height, width).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from ..trace.comparison.statistics import ulp_distance
from ..trace.errors import TraceError
from ..trace.manifest import Statistics
from .traces import OpenTraces

View: TypeAlias = Literal["a", "b", "difference", "ulp"]
SHOW_LIMIT = 512 << 20  # size of the largest tensor that is shown, in bytes
WINDOW_LIMIT = 1 << 22  # maximum number of values in one answer
NOT_A_NUMBER, THUMB_LEVELS = 255, 254  # thumbnail bytes for NaN and infinities, and for the greatest value


@dataclass(frozen=True)
class MapShape:
    """The shape in which the page shows a tensor: `channels` maps of `height` x `width` values.

    `kind` is "maps" for tensors (C, H, W), "table" for lists of boxes (N, k) or landmarks (N, 5, 2), "map"
    for (H, W), "vector" for (N,), and "stack" for more than three axes.
    """

    kind: str
    channels: int
    height: int
    width: int

    def reshape(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return a view of the array as (channels, height, width)."""
        return array.reshape(self.channels, self.height, self.width)


def map_shape(shape: tuple[int, ...], layout: str) -> MapShape:
    """Return the shape of a tensor's maps from its shape and its layout in the manifest."""
    if len(shape) <= 1:
        return MapShape("vector", 1, 1, math.prod(shape))
    if layout.startswith("box"):
        return MapShape("table", 1, shape[0], math.prod(shape[1:]))
    if len(shape) == 2:
        return MapShape("map", 1, *shape)
    kind = "maps" if len(shape) == 3 else "stack"
    return MapShape(kind, math.prod(shape[:-2]), *shape[-2:])


@dataclass(frozen=True)
class Window:
    """A rectangle of one channel. Only every `step`-th row and column of it is used."""

    channel: int
    top: int
    left: int
    height: int
    width: int
    step: int


def check_view(name: str) -> View:
    """Return the name of a view. Raise TraceError for an unknown name."""
    if name not in get_args(View):
        raise TraceError(f"view must be one of {', '.join(get_args(View))}, got {name!r:.40}")
    return name  # type: ignore[return-value]


def window(traces: OpenTraces, name: str, view: View, part: Window) -> NDArray[Any]:
    """Return the values of one window, (rows, columns) float32, or float64 if float32 is not exact.

    Raises TraceError if the window is outside the tensor, or if the window has more values than one answer
    may contain.
    """
    maps = _checked_maps(traces, name, view)
    inside = (
        part.channel < maps.channels
        and part.top + part.height <= maps.height
        and part.left + part.width <= maps.width
    )
    if not inside or min(part.height, part.width, part.step) < 1:
        raise TraceError(
            f"{name} has {maps.channels} maps of {maps.height} x {maps.width}; the window must lie inside "
            f"one map, and its height, width and step must be 1 or more, got {part}"
        )
    if -(-part.height // part.step) * -(-part.width // part.step) > WINDOW_LIMIT:
        raise TraceError(
            f"one request can return at most {WINDOW_LIMIT} values; request a smaller part or a larger step"
        )
    cut = np.s_[
        part.channel,
        part.top : part.top + part.height : part.step,
        part.left : part.left + part.width : part.step,
    ]
    return _portable(_values(traces, name, view, maps, cut))


def thumbnails(
    traces: OpenTraces, name: str, view: View, side: int
) -> tuple[NDArray[np.uint8], float, float]:
    """Return thumbnails of all channels, (C, h, w) uint8, and the values that the bytes 0 and 254 stand for.

    h and w are at most `side`. A pixel is the mean of its block of values. For differences it is the greatest
    magnitude in the block, so that a single difference stays visible. A block with NaN or infinities has the
    byte 255. All channels have the same scale.
    """
    maps = _checked_maps(traces, name, view)
    step = max(1, -(-max(maps.height, maps.width) // side))
    greatest = view in ("difference", "ulp")
    channels = [
        _reduce_blocks(_values(traces, name, view, maps, np.s_[channel]), step, greatest=greatest)
        for channel in range(maps.channels)
    ]
    small = np.stack(channels) if channels else np.zeros((0, 0, 0))
    finite = small[np.isfinite(small)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    spread = high - low
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = np.zeros_like(small) if not spread else (small - low) * (THUMB_LEVELS / spread)
    codes = np.where(np.isfinite(small), scaled, NOT_A_NUMBER)
    return np.rint(np.clip(codes, 0, NOT_A_NUMBER)).astype(np.uint8), low, high


def statistics(traces: OpenTraces, name: str, side: str) -> Statistics | None:
    """Return statistics of a tensor, or None if the trace has neither its values nor its statistics."""
    trace = traces.side(side).trace
    entry = trace.info(name)
    if entry.statistics is not None:
        return entry.statistics
    if trace.manifest.capture != "full":
        return None
    array = trace[name]
    if array.ndim < 3 or array.size == 0:
        return Statistics.of(array)
    return _join_statistics(
        [Statistics.of(part) for part in array.reshape(-1, *array.shape[-2:])], array.shape
    )


def _join_statistics(parts: list[Statistics], shape: tuple[int, ...]) -> Statistics:
    """Combine the statistics of parts of equal size into the statistics of the whole tensor."""
    size = int(np.prod(shape[-2:], dtype=object))
    counts = np.array([size - part.nans - part.infinities for part in parts], np.float64)
    finite = [(part, count) for part, count in zip(parts, counts, strict=True) if count]
    total = counts.sum()
    mean = sum(part.mean * count for part, count in finite) / total if finite else float("nan")
    squares = sum((part.standard_deviation**2 + (part.mean - mean) ** 2) * count for part, count in finite)
    return Statistics(
        min((part.minimum for part, _ in finite), default=float("nan")),
        max((part.maximum for part, _ in finite), default=float("nan")),
        mean,
        float(np.sqrt(squares / total)) if finite else float("nan"),
        sum(part.zeros for part in parts),
        sum(part.nans for part in parts),
        sum(part.infinities for part in parts),
    )


def _checked_maps(traces: OpenTraces, name: str, view: View) -> MapShape:
    """Return the shape of the maps of a view. Raise TraceError if the view cannot be shown."""
    first = traces.side("b" if view == "b" else "a").trace.info(name)
    if view in ("difference", "ulp"):
        second = traces.side("b").trace.info(name)
        if (first.shape, first.dtype) != (second.shape, second.dtype):
            raise TraceError(
                f"{name}: expected the same shape and dtype in both traces, found {first.shape} "
                f"{first.dtype} in a, {second.shape} {second.dtype} in b"
            )
    if first.nbytes > SHOW_LIMIT:
        raise TraceError(
            f"{name} is too large to show: its values take {first.nbytes:,} bytes, "
            f"the limit is {SHOW_LIMIT:,}"
        )
    return map_shape(first.shape, first.layout)


def _values(traces: OpenTraces, name: str, view: View, maps: MapShape, cut: Any) -> NDArray[Any]:
    if view in ("a", "b"):
        values: NDArray[Any] = maps.reshape(traces.side(view).trace[name])[cut]
        return values
    a, b = (maps.reshape(traces.side(side).trace[name])[cut] for side in ("a", "b"))
    if view == "difference":
        with np.errstate(invalid="ignore", over="ignore"):
            difference = b.astype(np.float64) - a.astype(np.float64)
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        return np.where(same, 0.0, difference)
    return _ulps(a, b)


def _ulps(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    """Return distances in units in the last place.

    The distance is 0 if both values are NaN, and infinite if only one value is NaN.
    """
    nan_a, nan_b = np.isnan(a), np.isnan(b)
    neither = ~(nan_a | nan_b)
    zero = np.zeros((), a.dtype)
    ulps = ulp_distance(np.where(neither, a, zero), np.where(neither, b, zero))
    return np.where(nan_a != nan_b, np.inf, ulps)


def _portable(values: NDArray[Any]) -> NDArray[Any]:
    """Convert values to little-endian float32 if this is exact, otherwise to float64."""
    single = values.dtype.kind == "f" and values.dtype.itemsize <= 4
    return np.ascontiguousarray(values, "<f4" if single or values.dtype.itemsize < 4 else "<f8")


def _reduce_blocks(values: NDArray[Any], step: int, *, greatest: bool) -> NDArray[np.float64]:
    """Reduce each block of step x step values to its mean, or to its greatest magnitude."""
    full = np.asarray(values, np.float64)
    if greatest:
        full = np.abs(full)
    if step == 1:
        return full
    height, width = full.shape
    rows, columns = np.arange(0, height, step), np.arange(0, width, step)
    reduce = np.maximum.reduceat if greatest else np.add.reduceat
    with np.errstate(invalid="ignore", over="ignore"):
        small: NDArray[np.float64] = reduce(reduce(full, rows, axis=0), columns, axis=1)
        if not greatest:
            down, across = np.diff([*rows, height]), np.diff([*columns, width])
            small = small / (down[:, None] * across[None, :])
    return small
