"""The compiled core, in one of its variants."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from ..model import Model
from ..reference.options import Options
from ..types import Faces, FloatArray, StageName, Stop, Stopped, Tap
from .protocol import Backend, Settings


class CoreBackend:
    """The compiled core; `isa` forces one of its variants, "" takes the best that this CPU has."""

    def __init__(self, model: Model, isa: str = "") -> None:
        self._core = import_core().Detector(model.pnet, model.rnet, model.onet, isa)

    @property
    def name(self) -> str:
        return str(self._core.isa)

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
        core = import_core()
        try:
            faces: Faces = self._core.detect(
                image,
                red_first,
                options.min_face,
                options.thresholds,
                options.scale_factor,
                threads,
                tap,
                stop,
                memory_limit,
            )
        except core.Stopped as error:
            raise Stopped(str(error)) from error
        return faces

    def make_stop(self) -> Stop:
        stop: Stop = import_core().Stop()
        return stop

    def layer(self, stage: StageName, name: str, maps: FloatArray) -> FloatArray:
        output: FloatArray = self._core.layer(stage, name, maps)
        return output

    def forward(self, stage: StageName, maps: FloatArray) -> FloatArray:
        output: FloatArray = self._core.forward(stage, maps)
        return output


def make(name: str, model: Model, settings: Settings) -> Backend:
    """The backend "core" (the best variant here), or the variant of that name."""
    return CoreBackend(model, "" if name == "core" else name)


def import_core() -> Any:
    """The module `_core`, or an ImportError that says what to do."""
    try:
        from .. import _core
    except ImportError as error:
        raise ImportError(
            f"the compiled core of mtcnn_cpp cannot be imported: {error}. "
            "Install the package again (pip install .), or use backend='reference'"
        ) from error
    return _core
