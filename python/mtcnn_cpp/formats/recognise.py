"""Which of the three networks is this? The outputs of its weighted layers tell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..model import Model
from ..reference.model import Conv2d, FullyConnected, Network
from ..reference.plan import STAGES
from ..types import StageName
from .errors import PortError
from .found import FoundConv, FoundDense


def official(stage: StageName) -> Network:
    """OpenFace's network of that stage."""
    return Model.default().networks[stage]


def recognise(layers: Sequence[FoundConv | FoundDense], source: str) -> StageName:
    """The stage whose weighted layers have the same numbers of outputs. PortError, naming what was expected
    and what was found, where there is none."""
    found = [output_count(layer) for layer in layers]
    for stage in STAGES:
        if found == expected(stage):
            return stage
    ours = "; ".join(f"{stage.file_name} {arrows(expected(stage.name))}" for stage in STAGES.values())
    raise PortError(
        f"{source}: another architecture: expected layers with these numbers of outputs: {ours}; "
        f"found {arrows(found)}"
    )


def output_count(layer: FoundConv | FoundDense) -> int:
    """How many maps or values a weighted layer gives."""
    return int(layer.kernel.shape[0] if isinstance(layer, FoundConv) else layer.weights.shape[1])


def expected(stage: StageName) -> list[int]:
    """The numbers of outputs of OpenFace's weighted layers."""
    return [
        layer.kernel.shape[0] if isinstance(layer, Conv2d) else layer.weights.shape[1]
        for layer in official(stage).layers
        if isinstance(layer, (Conv2d, FullyConnected))
    ]


def arrows(numbers: Iterable[int]) -> str:
    return " → ".join(map(str, numbers)) or "none"
