"""The reference in NumPy as a backend, on one thread."""

from __future__ import annotations

import threading
from typing import Any

from numpy.typing import NDArray

from ..model import Model
from ..reference import cascade
from ..reference.network import Networks
from ..reference.options import Options
from ..types import Faces, FloatArray, StageName, Stop, Tap
from .protocol import Backend, Settings


class ReferenceBackend:
    """`reference.cascade` with the networks of a model."""

    name = "reference"

    def __init__(self, model: Model) -> None:
        self._networks = Networks(model.pnet, model.rnet, model.onet)

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
        return cascade.detect(self._networks, image, red_first=red_first, options=options, tap=tap, stop=stop)

    def make_stop(self) -> Stop:
        return threading.Event()

    def layer(self, stage: StageName, name: str, maps: FloatArray) -> FloatArray:
        return self._networks.layer(stage, name, maps)

    def forward(self, stage: StageName, maps: FloatArray) -> FloatArray:
        return self._networks.forward(stage, maps)


def make(name: str, model: Model, settings: Settings) -> Backend:
    """The backend "reference"."""
    return ReferenceBackend(model)
