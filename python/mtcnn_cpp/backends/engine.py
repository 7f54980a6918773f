"""The interface of all backends, the class `Engine` of a detector, and the registration of hooks.

Hooks are stored in a context variable. Therefore a hook applies only to detections that the same thread (or
asyncio task) starts inside the `with` block (see `Detector.hook`). The hook does not apply to detections of
other threads, even if they share the detector.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from ..media.image.pixels import Pixels
from ..model import Model
from ..reference.options import Options
from ..reference.types import CancellationSource, Faces
from ..types import FloatArray, Hook, StageName


@dataclass(frozen=True, eq=False)
class Request:
    """A request to a backend for one detection.

    Attributes:
        image: Pixels that were checked. They are (H, W, 3 or 4) uint8, or (H, W, 3) float32 (see
            `media.image.Pixels`).
        options: Options of the cascade.
        is_rgb: Whether the channel order is RGB. Default: BGR.
        threads: Maximum number of threads, at least 1.
        hook: Function that is called for each tensor, in execution order, with its name and its read-only
            array. None: no hook.
        cancellation: Object that cancels the detection. The backend's `make_cancellation` creates it. None:
            the detection cannot be cancelled.
        memory_limit: Maximum number of bytes for the detection. None: the free memory of the machine. Only
            the core and OpenFace apply this limit.
    """

    image: NDArray[Any]
    options: Options
    is_rgb: bool = False
    threads: int = 1
    hook: Hook | None = None
    cancellation: CancellationSource | None = None
    memory_limit: int | None = None


@dataclass(frozen=True)
class Settings:
    """Settings that only some backends use.

    Attributes:
        providers: Execution providers of ONNX Runtime, in order of preference. None: the CPU.
        threads: Number of threads of the runtime. None: the default of the runtime.
    """

    providers: tuple[str, ...] | None = None
    threads: int | None = None


class Backend(Protocol):
    """Runs detections and single layers with the networks of one model.

    A backend may also have the following attributes. A trace stores the entries of `made_by` in the field
    `made_by` of its manifest. `notes` contains messages that the command `detect` prints. `providers`
    contains execution providers. The function `check_image(pixels)` raises an error if the backend does not
    support the image.
    """

    @property
    def name(self) -> str: ...

    def detect(self, request: Request) -> Faces:
        """Run the complete cascade, and return boxes, scores and landmarks.

        Raises:
            Cancelled: If the request is cancelled.
            MemoryError: If the detection needs more memory than the limit of the request.
        """
        ...

    def make_cancellation(self) -> CancellationSource:
        """Return a new cancellation source for requests to this backend."""
        ...

    def layer(self, stage: StageName, name: str, maps: FloatArray) -> FloatArray:
        """Return the output of one layer for one item: `maps` is (C, H, W), or (C,) for a vector.

        Raises ValueError if the name of the layer is unknown.
        """
        ...

    def forward(self, stage: StageName, maps: FloatArray) -> FloatArray:
        """Return the output of a network for maps (N, 3, H, W).

        The shape is (N, 6, h, w) for pnet, (N, 6) for rnet and (N, 16) for onet.
        """
        ...


@dataclass(frozen=True, eq=False)
class Engine:
    """A backend with a model, options, a maximum number of threads (at least 1) and a memory limit."""

    backend: Backend
    model: Model
    options: Options
    threads: int
    memory_limit: int | None = None

    def run(
        self,
        pixels: Pixels,
        hook: Hook | None = None,
        *,
        threads: int | None = None,
        cancellation: CancellationSource | None = None,
    ) -> Faces:
        """Run one detection. Raises the errors of `Backend.detect`.

        `threads` replaces the number of threads of the engine for this detection.
        """
        if check_image := getattr(self.backend, "check_image", None):
            check_image(pixels)
        return self.backend.detect(
            Request(
                pixels.array,
                self.options,
                is_rgb=pixels.is_rgb,
                threads=self.threads if threads is None else threads,
                hook=hook,
                cancellation=cancellation,
                memory_limit=self.memory_limit,
            )
        )


@dataclass(eq=False)
class _RegisteredHook:
    owner: object
    matches: Callable[[str], bool]
    function: Hook
    active: bool = True  # False after the block, because an asyncio task may have a copy of the context


_HOOKS: ContextVar[tuple[_RegisteredHook, ...]] = ContextVar("mtcnn_cpp_hooks", default=())


@contextmanager
def registered_hook(owner: object, matches: Callable[[str], bool], function: Hook) -> Iterator[None]:
    """Register a hook of `owner` for the duration of the `with` block.

    The hook is called only for the tensors whose names match.
    """
    added = _RegisteredHook(owner, matches, function)
    _HOOKS.set((*_HOOKS.get(), added))
    try:
        yield
    finally:
        added.active = False
        _HOOKS.set(tuple(other for other in _HOOKS.get() if other is not added))


def hook_for(owner: object, first: Hook | None = None) -> Hook | None:
    """Return one hook that calls `first`, and then the hooks of `owner` in order of registration.

    Return None if there is no hook.
    """
    hooks = [hook for hook in _HOOKS.get() if hook.active and hook.owner is owner]
    if not hooks:
        return first
    listeners: dict[str, list[Hook]] = {}

    def hook(name: str, array: NDArray[Any]) -> None:
        if first is not None:
            first(name, array)
        if name not in listeners:
            listeners[name] = [hook.function for hook in hooks if hook.matches(name)]
        for function in listeners[name]:
            function(name, array)

    return hook
