"""The backend "reference": the NumPy implementation, which uses one thread."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import ClassVar

from ..model import Model
from ..reference import cascade
from ..reference.network import Networks
from ..reference.types import CancellationSource, Faces
from ..types import FloatArray, StageName
from .engine import Backend, Request, Settings


class ReferenceBackend:
    """Runs `reference.cascade` with the networks of a model."""

    name = "reference"
    made_by: ClassVar[Mapping[str, str]] = {"compiler": "none (NumPy)"}

    def __init__(self, model: Model) -> None:
        self._networks = Networks(model.pnet, model.rnet, model.onet)

    def detect(self, request: Request) -> Faces:
        return cascade.detect(
            self._networks, request.image, is_rgb=request.is_rgb, options=request.options,
            hook=request.hook, cancellation=request.cancellation,
        )  # fmt: skip

    def make_cancellation(self) -> CancellationSource:
        return threading.Event()

    def layer(self, stage: StageName, name: str, maps: FloatArray) -> FloatArray:
        return self._networks.layer(stage, name, maps)

    def forward(self, stage: StageName, maps: FloatArray) -> FloatArray:
        return self._networks.forward(stage, maps)


def make(name: str, model: Model, settings: Settings) -> Backend:
    """Return the backend "reference"."""
    return ReferenceBackend(model)
