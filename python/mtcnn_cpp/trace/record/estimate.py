"""How large a full capture will be, from shapes alone."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...backends.engine import Engine
from ...reference.model import Network
from ...reference.plan import ONET, RNET, Level, Size, map_size, pyramid, walk


@dataclass(frozen=True)
class Estimate:
    """Bytes of values. pnet: of the picture and all levels, without the lists of boxes. rnet and onet: of one
    crop; only the detection knows how many crops there are."""

    pnet: int
    rnet: int
    onet: int

    def __str__(self) -> str:
        return (
            f"{self.pnet / 1e6:.1f} MB for picture and PNet, "
            f"then {self.rnet / 1e6:.2f} MB a crop in RNet and {self.onet / 1e6:.2f} MB a crop in ONet"
        )


def estimate(engine: Engine, height: int, width: int, itemsize: int = 1) -> Estimate:
    """Of a picture of height x width pixels with 3 channels of `itemsize` bytes each."""
    model = engine.model
    levels = pyramid(height, width, engine.options)
    pnet = sum(_values(model.pnet, level.size) + _heat_map(model.pnet, level) for level in levels)
    return Estimate(
        height * width * 3 * itemsize + 4 * pnet,
        4 * _values(model.rnet, RNET.size),
        4 * _values(model.onet, ONET.size),
    )


def require_room(guess: Estimate, limit: int | None, *, traces: int = 1, where: str = "") -> None:
    """ValueError if so many traces of that size have more than `limit` bytes (None: no limit). where: the
    folder of temporary ones."""
    if limit is None or traces * guess.pnet <= limit:
        return
    size = f"{traces} temporary traces in {where}, each {guess}: " if where else ""
    less = "use a smaller image or a larger --min-face" if where else "capture less (--only, --capture hash)"
    raise ValueError(f"{size}that is more than {limit / 2**30:g} GiB; allow it with --yes, or {less}")


def _values(network: Network, size: Size | None) -> int:
    """Numbers in the input and in every layer's output; 0 where the input is too small."""
    steps = list(walk(network, size))
    shapes = [steps[0].entering.shape, *(step.leaving.shape for step in steps)]
    return sum(map(math.prod, shapes)) if min(map(min, shapes)) >= 1 else 0


def _heat_map(pnet: Network, level: Level) -> int:
    return math.prod(map_size(pnet, *level.size) or (0,))
