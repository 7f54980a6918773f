"""Hooks: functions that see tensors while a detection runs.

Hooks live in a context variable, not in the detector: they hold for detections that the same thread (or
asyncio task) starts inside the ``with`` block. Other threads that share the detector are not disturbed, and a
detector stays immutable and picklable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from .names import matcher, require_possible

if TYPE_CHECKING:
    from ..detector import Detector

Tap = Callable[[str, NDArray[Any]], None]


@dataclass(frozen=True, eq=False)
class _Hook:
    detector: Detector
    fits: Callable[[str], bool]
    function: Tap


_HOOKS: ContextVar[tuple[_Hook, ...]] = ContextVar("mtcnn_cpp_hooks", default=())


@contextmanager
def hook(detector: Detector, pattern: str, function: Tap) -> Iterator[None]:
    """While the block runs, `function(name, array)` sees every tensor whose name fits `pattern`.

    See `Detector.hook`. Raises TraceError, with the nearest names, for a pattern that no name can fit.
    """
    require_possible([pattern], layer_names(detector))
    added = _Hook(detector, matcher([pattern]), function)
    _HOOKS.set((*_HOOKS.get(), added))
    try:
        yield
    finally:
        _HOOKS.set(tuple(other for other in _HOOKS.get() if other is not added))


def tap_for(detector: Detector, recorder: Tap | None = None) -> Tap | None:
    """One tap for the recorder and the hooks on this detector, in the order they were set; None if none."""
    hooks = [hook for hook in _HOOKS.get() if hook.detector is detector]
    if not hooks:
        return recorder
    listeners: dict[str, list[Tap]] = {}

    def tap(name: str, array: NDArray[Any]) -> None:
        if recorder is not None:
            recorder(name, array)
        if name not in listeners:
            listeners[name] = [hook.function for hook in hooks if hook.fits(name)]
        for function in listeners[name]:
            function(name, array)

    return tap


def layer_names(detector: Detector) -> dict[str, tuple[str, ...]]:
    """The names of the layers of each network."""
    model = detector.model
    return {"pnet": model.pnet.names, "rnet": model.rnet.names, "onet": model.onet.names}
