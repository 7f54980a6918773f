"""What every backend can do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from ..reference.options import Options
from ..types import Faces, FloatArray, StageName, Stop, Tap


@dataclass(frozen=True)
class Settings:
    """What only some backends look at. providers: ONNX Runtime's execution providers, best first (None: the
    CPU). threads: of the runtime; 0 for its own choice."""

    providers: tuple[str, ...] | None = None
    threads: int = 0


class Backend(Protocol):
    """A detector on checked pixels: (H, W, 3 or 4) uint8 or (H, W, 3) float32 (see `image.Pixels`)."""

    @property
    def name(self) -> str: ...

    def detect(
        self,
        image: NDArray[Any],
        *,
        red_first: bool,
        options: Options,
        threads: int,
        tap: Tap | None = None,
        stop: Stop | None = None,
        memory_limit: int = 0,
    ) -> Faces:
        """The whole cascade; `tap` gets name and array (read-only) of every tensor, in execution order.

        Raises `Stopped` soon after `stop`, which `make_stop` made, is set. `memory_limit`: bytes that one
        detection may take, 0 for what the machine has free; the core raises MemoryError before it takes more,
        other backends have no limit.
        """
        ...

    def make_stop(self) -> Stop:
        """What asks detections of this backend to end."""
        ...

    def layer(self, stage: StageName, name: str, maps: FloatArray) -> FloatArray:
        """The output of one layer alone, of maps (C, H, W) or values (C,). ValueError for an unknown name."""
        ...

    def forward(self, stage: StageName, maps: FloatArray) -> FloatArray:
        """The output of a network, of maps (N, 3, H, W): pnet (N, 6, h, w), rnet (N, 6), onet (N, 16)."""
        ...
