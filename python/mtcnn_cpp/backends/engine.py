"""The engine of a detector: a backend with its model, its options and its threads."""

from __future__ import annotations

from dataclasses import dataclass

from ..image import Pixels
from ..model import Model
from ..reference.options import Options
from ..types import Faces, Stop, Tap
from .protocol import Backend


@dataclass(frozen=True, eq=False)
class Engine:
    """Detects on checked pixels. `threads`: at most so many, 1 or more. `memory_limit`: as for backends."""

    backend: Backend
    model: Model
    options: Options
    threads: int
    memory_limit: int = 0

    def run(
        self,
        pixels: Pixels,
        tap: Tap | None = None,
        *,
        threads: int | None = None,
        stop: Stop | None = None,
    ) -> Faces:
        """One detection; `tap` sees every tensor. `threads`: for this one, instead of the engine's. Raises
        `Stopped` soon after `stop`, which the backend's `make_stop` made, is set."""
        if check_image := getattr(self.backend, "check_image", None):
            check_image(pixels)
        return self.backend.detect(
            pixels.array,
            red_first=pixels.red_first,
            options=self.options,
            threads=self.threads if threads is None else threads,
            tap=tap,
            stop=stop,
            memory_limit=self.memory_limit,
        )
