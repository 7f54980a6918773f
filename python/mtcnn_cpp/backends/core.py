"""The backend of the compiled core, which has several variants."""

from __future__ import annotations

from .._util.core import import_core
from ..model import Model
from ..reference.types import CancellationSource, Cancelled, Faces
from ..types import FloatArray, StageName
from .engine import Backend, Request, Settings


class CoreBackend:
    """Runs the compiled core.

    `isa` is the name of the variant. "" selects the fastest variant that this CPU supports.
    """

    def __init__(self, model: Model, isa: str = "") -> None:
        self._core = import_core().Detector(model.pnet, model.rnet, model.onet, isa)

    @property
    def name(self) -> str:
        return str(self._core.isa)

    def detect(self, request: Request) -> Faces:
        core = import_core()
        options = request.options
        try:
            faces: Faces = self._core.detect(
                request.image,
                request.is_rgb,
                options.min_face,
                options.thresholds,
                options.scale_factor,
                request.threads,
                request.hook,
                request.cancellation,
                request.memory_limit or 0,
            )
        except core.Cancelled as error:
            raise Cancelled(str(error)) from error
        return faces

    def make_cancellation(self) -> CancellationSource:
        cancellation: CancellationSource = import_core().CancellationSource()
        return cancellation

    def layer(self, stage: StageName, name: str, maps: FloatArray) -> FloatArray:
        output: FloatArray = self._core.layer(stage, name, maps)
        return output

    def forward(self, stage: StageName, maps: FloatArray) -> FloatArray:
        output: FloatArray = self._core.forward(stage, maps)
        return output


def make(name: str, model: Model, settings: Settings) -> Backend:
    """Return the backend of a variant. The name "core" selects the fastest supported variant."""
    return CoreBackend(model, "" if name == "core" else name)
