"""Hooks: functions that see tensors while a detection runs.

Hooks live in a context variable: they hold for detections that the same thread (or asyncio task) starts
inside the ``with`` block. Other threads that share the detector are not disturbed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from .types import Tap


@dataclass(frozen=True, eq=False)
class _Hook:
    owner: object
    fits: Callable[[str], bool]
    function: Tap


_HOOKS: ContextVar[tuple[_Hook, ...]] = ContextVar("mtcnn_cpp_hooks", default=())


@contextmanager
def hooked(owner: object, fits: Callable[[str], bool], function: Tap) -> Iterator[None]:
    """While the block runs, `tap_for(owner)` calls `function(name, array)` for names that fit."""
    added = _Hook(owner, fits, function)
    _HOOKS.set((*_HOOKS.get(), added))
    try:
        yield
    finally:
        _HOOKS.set(tuple(other for other in _HOOKS.get() if other is not added))


def tap_for(owner: object, first: Tap | None = None) -> Tap | None:
    """One tap that calls `first`, then the owner's hooks in the order they were set; None for none."""
    hooks = [hook for hook in _HOOKS.get() if hook.owner is owner]
    if not hooks:
        return first
    listeners: dict[str, list[Tap]] = {}

    def tap(name: str, array: NDArray[Any]) -> None:
        if first is not None:
            first(name, array)
        if name not in listeners:
            listeners[name] = [hook.function for hook in hooks if hook.fits(name)]
        for function in listeners[name]:
            function(name, array)

    return tap
