"""How the tensor lies that the reader has come to, in terms of the picture."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import Unsupported
from ..found import NO_PADS, Pads


@dataclass(frozen=True)
class Tensor:
    """A tensor of the graph. An operator never changes it; it returns another one.

    `axes`: a letter for each axis: n (batch), c (channel), y, x; so "ncyx" for maps, "nc" for a vector.
    `flat`: all axes after the batch are laid flat, in that order. `channels`: which of R, G, B each map is,
    before the first layer. `pads`: what a Pad has added to y and x, for the next convolution or pooling.
    """

    name: str
    axes: str
    flat: bool = False
    channels: tuple[int, ...] = (0, 1, 2)
    pads: Pads = NO_PADS

    @property
    def sideways(self) -> bool:
        """Whether its rows run along the picture's x. Unsupported for anything but maps, channels first."""
        if self.axes not in ("ncyx", "ncxy") or self.flat:
            raise Unsupported(
                f"expected maps (N, C, H, W), found axes {self.axes}{' laid flat' if self.flat else ''}"
            )
        return self.axes == "ncxy"

    def axis(self, index: int) -> str:
        """The letter of an axis; empty where there is no such axis."""
        return self.axes[index] if -len(self.axes) <= index < len(self.axes) else ""

    def padded(self, added: Pads) -> Pads:
        """Its own padding and `added`, all in terms of the picture."""
        top, left, bottom, right = (a + b for a, b in zip(self.pads, added, strict=True))
        return top, left, bottom, right
