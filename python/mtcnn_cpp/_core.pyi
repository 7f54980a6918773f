"""The C++ core. Arrays are taken as they are: nothing is converted; what does not fit is a ValueError."""

from collections.abc import Callable
from typing import Any, Literal, TypeAlias, TypedDict, type_check_only

import numpy as np
from numpy.typing import NDArray

from .reference.model import Network

_Floats: TypeAlias = NDArray[np.float32]
_Indices: TypeAlias = NDArray[np.int32]
_Image: TypeAlias = NDArray[np.uint8] | NDArray[np.float32]
_Faces: TypeAlias = tuple[_Floats, _Floats, _Floats]  # boxes (N, 4), scores (N,), landmarks (N, 5, 2)
_Tap: TypeAlias = Callable[[str, NDArray[Any]], object]
_Stage: TypeAlias = Literal["pnet", "rnet", "onet"]
_Isa: TypeAlias = str  # "", or a name from isa_variants()
_Lanes: TypeAlias = Literal["pixels", "channels"]

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
class _Type(type): ...  # what pybind11 makes classes with

class Detector(metaclass=_Type):
    def __init__(self, pnet: Network, rnet: Network, onet: Network, isa: _Isa = "") -> None: ...
    @property
    def isa(self) -> str: ...
    def detect(
        self,
        image: _Image,
        red_first: bool,
        min_face: float,
        thresholds: tuple[float, float, float],
        scale_factor: float,
        threads: int,
        tap: _Tap | None = None,
    ) -> _Faces: ...
    def profile(
        self,
        image: _Image,
        red_first: bool,
        min_face: float,
        thresholds: tuple[float, float, float],
        scale_factor: float,
        threads: int,
    ) -> _Profile: ...
    def layer(self, stage: _Stage, name: str, maps: _Floats) -> _Floats: ...
    def forward(self, stage: _Stage, maps: _Floats) -> _Floats: ...

class FaceDetectorMTCNN(metaclass=_Type):
    def __init__(self, path: str = ...) -> None: ...
    def read(self, path: str) -> None: ...
    def empty(self) -> bool: ...
    def detect_faces(
        self, image: _Image, min_face: float = 60.0, t1: float = 0.6, t2: float = 0.7, t3: float = 0.7
    ) -> tuple[_Floats, _Floats]: ...

def read_network(
    data: bytes, source: str, *, input_size: int | None = None, outputs: int | None = None
) -> Network: ...
def write_network(network: Network) -> bytes: ...
def resize(image: _Image, height: int, width: int, isa: _Isa = "") -> _Floats: ...
def cut(image: _Image, box: _Floats) -> _Floats: ...
def cut_resize(image: _Image, box: _Floats, size: int, isa: _Isa = "") -> _Floats: ...
def conv2d(
    maps: _Floats, kernel: _Floats, bias: _Floats, isa: _Isa = "", lanes: _Lanes = "pixels"
) -> _Floats: ...
def prelu(maps: _Floats, slopes: _Floats, isa: _Isa = "", lanes: _Lanes = "pixels") -> _Floats: ...
def max_pool(
    maps: _Floats,
    kernel_x: int,
    kernel_y: int,
    stride_x: int,
    stride_y: int,
    isa: _Isa = "",
    lanes: _Lanes = "pixels",
) -> _Floats: ...
def fully_connected(
    maps: _Floats, weights: _Floats, bias: _Floats, isa: _Isa = "", lanes: _Lanes = "pixels"
) -> _Floats: ...
def sigmoid(maps: _Floats) -> _Floats: ...
def exp(values: _Floats) -> _Floats: ...
def non_maximum_suppression(
    boxes: _Floats, scores: _Floats, threshold: float, mode: Literal["union", "minimum"]
) -> _Indices: ...
def apply_offsets(boxes: _Floats, offsets: _Floats, add_one: bool) -> _Floats: ...
def make_square(boxes: _Floats) -> _Floats: ...
def isa_variants() -> list[_IsaVariant]: ...
def active_isa() -> str: ...
def build_info() -> _BuildInfo: ...
def burn(steps: int, isa: _Isa = "") -> float: ...
