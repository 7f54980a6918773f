"""The C++ core. It does not convert arrays: an array of another dtype, shape or layout raises ValueError."""

from collections.abc import Callable
from typing import Any, Literal, TypeAlias, TypedDict, type_check_only

import numpy as np
from numpy.typing import NDArray

from ..reference.model import Network
from . import _testing as _testing

_Floats: TypeAlias = NDArray[np.float32]
_Image: TypeAlias = NDArray[np.uint8] | NDArray[np.float32]
_Faces: TypeAlias = tuple[_Floats, _Floats, _Floats]  # boxes (N, 4), scores (N,), landmarks (N, 5, 2)
_Hook: TypeAlias = Callable[[str, NDArray[Any]], object]
_Stage: TypeAlias = Literal["pnet", "rnet", "onet"]
_Isa: TypeAlias = str  # "", or a name from isa_variants()

@type_check_only
class _IsaVariant(TypedDict):
    name: str
    description: str
    supported: bool

@type_check_only
class _BuildInfo(TypedDict):
    version: str
    compiler: str
    flags: str

@type_check_only
class _Profile(TypedDict):
    resize: float
    pnet: float
    proposals: float
    rnet: float
    onet: float
    total: float
    boxes_into_rnet: int
    boxes_into_onet: int

@type_check_only
class _Type(type): ...  # the metaclass of pybind11's classes

class CancellationSource(metaclass=_Type):
    def __init__(self) -> None: ...
    def set(self) -> None: ...
    def is_set(self) -> bool: ...

class Cancelled(RuntimeError): ...

class Detector(metaclass=_Type):
    def __init__(
        self, pnet: Network, rnet: Network, onet: Network, isa: _Isa = "", filter: bool = True
    ) -> None: ...
    @property
    def isa(self) -> str: ...
    def detect(
        self,
        image: _Image,
        is_rgb: bool,
        min_face: float,
        thresholds: tuple[float, float, float],
        scale_factor: float,
        threads: int,
        hook: _Hook | None = None,
        cancellation: CancellationSource | None = None,
        memory_limit: int = 0,
    ) -> _Faces: ...
    def profile(
        self,
        image: _Image,
        is_rgb: bool,
        min_face: float,
        thresholds: tuple[float, float, float],
        scale_factor: float,
        threads: int,
    ) -> _Profile: ...
    def layer(self, stage: _Stage, name: str, maps: _Floats) -> _Floats: ...
    def forward(self, stage: _Stage, maps: _Floats) -> _Floats: ...

def isa_variants() -> list[_IsaVariant]: ...
def active_isa() -> str: ...
def usable_cpus() -> int: ...
def build_info() -> _BuildInfo: ...
def run_multiply_adds(steps: int, isa: _Isa = "") -> float: ...
def ffmpeg_log_callback(next: int) -> int: ...
def take_conversion_error() -> str: ...
