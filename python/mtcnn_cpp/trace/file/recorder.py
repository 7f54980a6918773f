"""Recorder: the tap of a capture. It describes every tensor, and passes the values on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from ...types import Tap
from ..errors import TraceError
from ..names import layout, matcher
from .manifest import Capture, Entry
from .npz import digest
from .statistics import Statistics


def describe_tensor(name: str, array: NDArray[Any], capture: Capture) -> Entry:
    """What the manifest says of a tensor at that capture level."""
    return Entry(
        name,
        array.shape,
        array.dtype.name,
        layout(name, array.ndim),
        None if capture == "names" else digest(array),
        Statistics.of(array) if capture == "stats" else None,
    )


class Recorder:
    """Give `tap` to a detection; then `entries` describe the tensors whose names fit `only`, in order.

    store: called with name and array of each of them, at level "full". only: patterns; none for all. limit:
    the bytes of values that may be stored, None for no limit; TraceError beyond it. used: how many of these
    are taken already.
    """

    def __init__(
        self,
        capture: Capture,
        store: Tap,
        only: Sequence[str] = (),
        limit: int | None = None,
        used: int = 0,
    ) -> None:
        self.entries: list[Entry] = []
        self.nbytes = used
        self._capture = capture
        self._store = store
        self._wanted = matcher(only) if only else lambda name: True
        self._limit = limit
        self._seen: set[str] = set()

    def tap(self, name: str, array: NDArray[Any]) -> None:
        """Take one tensor. The array is read at once and not kept. TraceError for a name that came before."""
        if not self._wanted(name):
            return
        if name in self._seen:
            raise TraceError(f"two tensors have the name {name!r}")
        self._seen.add(name)
        entry = describe_tensor(name, array, self._capture)
        self.entries.append(entry)
        if self._capture != "full":
            return
        self.nbytes += entry.nbytes
        if self._limit is not None and self.nbytes > self._limit:
            raise TraceError(
                f"the capture grew beyond {self._limit / 2**30:.3g} GiB at {name}; "
                "allow it (--yes), or capture less (--only, --capture hash)"
            )
        self._store(name, array)
