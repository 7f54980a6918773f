"""How far the walk through an ONNX graph has come, and why it may end."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

from ...types import FloatArray
from ..found import NO_PADS, FoundLayer, Pads


class Unsupported(Exception):
    """Why a node cannot be read."""


@dataclass
class State:
    """How far the walk has come. `axes`: what the tensor's axes are ("ncyx"; "n" and an order once
    `flat`)."""

    tensor: str
    axes: str
    flat: bool = False
    layers: list[FoundLayer] = field(default_factory=list)
    pads: Pads = NO_PADS  # of a Pad, waiting for the convolution or pooling that it belongs to
    channels: tuple[int, ...] = (0, 1, 2)  # of the picture, as the first layer gets them
    scale: FloatArray | None = None
    shift: FloatArray | None = None
    notes: list[str] = field(default_factory=list)
    slot: int = -1  # place in a Concat of heads
    shared: int | None = None  # layers before the heads part

    def copy(self) -> State:
        result = copy.copy(self)
        result.layers, result.notes = list(self.layers), list(self.notes)
        return result

    @property
    def sideways(self) -> bool:
        """Whether rows of the tensor run along the picture's x."""
        if self.axes not in ("ncyx", "ncxy") or self.flat:
            raise Unsupported(
                f"expected maps (N, C, H, W), found axes {self.axes}{' laid flat' if self.flat else ''}"
            )
        return self.axes == "ncxy"

    def take_pads(self, own: Pads) -> Pads:
        top, left, bottom, right = (a + b for a, b in zip(own, self.pads, strict=True))
        self.pads = NO_PADS
        return (left, top, right, bottom) if self.sideways else (top, left, bottom, right)
