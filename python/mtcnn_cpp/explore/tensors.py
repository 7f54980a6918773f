"""One tensor in numbers: a window of its values, thumbnails of its channels, statistics; of a, of b, and of
how they differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from ..trace.errors import TraceError
from ..trace.file.statistics import Statistics
from ..trace.judge.ulp import ulp_distance
from .source import Source
from .views import View, view_of

Which: TypeAlias = Literal["a", "b", "difference", "ulp"]
SHOW_LIMIT = 512 << 20  # bytes of a tensor that is drawn
WINDOW_LIMIT = 1 << 22  # values in one answer
NOT_A_NUMBER, THUMB_LEVELS = 255, 254  # in thumbnails: the byte of NaN and infinities; of the greatest value


@dataclass(frozen=True)
class Window:
    """Rows and columns of one channel, every `step`-th of them."""

    channel: int
    top: int
    left: int
    height: int
    width: int
    step: int


def which(word: str) -> Which:
    """The word itself, if it says what to show; else TraceError."""
    if word not in get_args(Which):
        raise TraceError(f"expected one of {', '.join(get_args(Which))}, got {word!r:.40}")
    return word  # type: ignore[return-value]


def window(source: Source, name: str, what: Which, place: Window) -> NDArray[Any]:
    """Values of one window, (height, width) float32, or float64 where float32 does not hold them.

    TraceError for one that is not in the tensor, or of more values than one answer has.
    """
    view = _view(source, name, what)
    inside = (
        place.channel < view.channels
        and place.top + place.height <= view.height
        and place.left + place.width <= view.width
    )
    if not inside or min(place.height, place.width, place.step) < 1:
        raise TraceError(
            f"{name} has {view.channels} maps of {view.height} x {view.width}: {place} is not in it"
        )
    if -(-place.height // place.step) * -(-place.width // place.step) > WINDOW_LIMIT:
        raise TraceError(
            f"at most {WINDOW_LIMIT} values are sent at once; ask for a smaller part or a larger step"
        )
    cut = np.s_[
        place.channel,
        place.top : place.top + place.height : place.step,
        place.left : place.left + place.width : place.step,
    ]
    return _portable(_values(source, name, what, view, cut))


def thumbnails(source: Source, name: str, what: Which, side: int) -> tuple[NDArray[np.uint8], float, float]:
    """All channels small, (C, h, w) bytes with no side above `side`, and the values of bytes 0 and 254.

    A pixel is the mean of its part of the map; of differences it is the greatest, so that one value that
    differs is seen. Where a part has NaN or infinities, it is 255. One scale for all channels.
    """
    view = _view(source, name, what)
    step = max(1, -(-max(view.height, view.width) // side))
    whole = what in ("difference", "ulp")
    maps = [
        _shrunk(_values(source, name, what, view, np.s_[channel]), step, greatest=whole)
        for channel in range(view.channels)
    ]
    small = np.stack(maps) if maps else np.zeros((0, 0, 0))
    finite = small[np.isfinite(small)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    spread = high - low
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = np.zeros_like(small) if not spread else (small - low) * (THUMB_LEVELS / spread)
    codes = np.where(np.isfinite(small), scaled, NOT_A_NUMBER)
    return np.rint(np.clip(codes, 0, NOT_A_NUMBER)).astype(np.uint8), low, high


def statistics(source: Source, name: str, side: str) -> Statistics | None:
    """In a few numbers; None where the trace has neither values nor statistics."""
    one = source.side(side).trace
    entry = one.entry(name)
    if entry.statistics is not None:
        return entry.statistics
    if one.manifest.capture != "full":
        return None
    array = one[name]
    if array.ndim < 3 or array.size == 0:
        return Statistics.of(array)
    return _joined([Statistics.of(part) for part in array.reshape(-1, *array.shape[-2:])], array.shape)


def _joined(parts: list[Statistics], shape: tuple[int, ...]) -> Statistics:
    """The statistics of equal parts as those of the whole."""
    size = int(np.prod(shape[-2:], dtype=object))
    counts = np.array([size - part.nans - part.infinities for part in parts], np.float64)
    held = [(part, count) for part, count in zip(parts, counts, strict=True) if count]
    total = counts.sum()
    mean = sum(part.mean * count for part, count in held) / total if held else float("nan")
    squares = sum((part.standard_deviation**2 + (part.mean - mean) ** 2) * count for part, count in held)
    return Statistics(
        min((part.minimum for part, _ in held), default=float("nan")),
        max((part.maximum for part, _ in held), default=float("nan")),
        mean,
        float(np.sqrt(squares / total)) if held else float("nan"),
        sum(part.zeros for part in parts),
        sum(part.nans for part in parts),
        sum(part.infinities for part in parts),
    )


def _view(source: Source, name: str, what: Which) -> View:
    """The view of what is asked for. TraceError where it cannot be shown."""
    first = source.side("b" if what == "b" else "a").trace.entry(name)
    if what in ("difference", "ulp"):
        second = source.side("b").trace.entry(name)
        if (first.shape, first.dtype) != (second.shape, second.dtype):
            raise TraceError(
                f"{name} is {first.shape} {first.dtype} in a, {second.shape} {second.dtype} in b: there is "
                "no difference to show"
            )
    if first.nbytes > SHOW_LIMIT:
        raise TraceError(
            f"{name} is too large to show: {first.nbytes:,} bytes of values, at most {SHOW_LIMIT:,} are drawn"
        )
    return view_of(first.shape, first.layout)


def _values(source: Source, name: str, what: Which, view: View, cut: Any) -> NDArray[Any]:
    if what in ("a", "b"):
        values: NDArray[Any] = view.of(source.side(what).trace[name])[cut]
        return values
    a, b = (view.of(source.side(side).trace[name])[cut] for side in ("a", "b"))
    if what == "difference":
        with np.errstate(invalid="ignore", over="ignore"):
            apart = b.astype(np.float64) - a.astype(np.float64)
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        return np.where(same, 0.0, apart)
    return _ulps(a, b)


def _ulps(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    """Distances in units of the last place; 0 where both are NaN, infinite where one is."""
    nan_a, nan_b = np.isnan(a), np.isnan(b)
    neither = ~(nan_a | nan_b)
    zero = np.zeros((), a.dtype)
    ulps = ulp_distance(np.where(neither, a, zero), np.where(neither, b, zero))
    return np.where(nan_a != nan_b, np.inf, ulps)


def _portable(values: NDArray[Any]) -> NDArray[Any]:
    """As little-endian float32 where no bit is lost, else as float64."""
    single = values.dtype.kind == "f" and values.dtype.itemsize <= 4
    return np.ascontiguousarray(values, "<f4" if single or values.dtype.itemsize < 4 else "<f8")


def _shrunk(values: NDArray[Any], step: int, *, greatest: bool) -> NDArray[np.float64]:
    """Parts of step x step as one number each: the mean, or the greatest magnitude."""
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
