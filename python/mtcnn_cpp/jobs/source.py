"""One thing to look at: a picture, a video, or what is live."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["picture", "video", "live"]


@dataclass(frozen=True, slots=True)
class Source:
    """name: path or address, as tables name it. kind: what it is. place: its path below the folder of
    drawings, with slashes. address: where to read it, if that is not its name (it may hold a password).
    error: why it cannot be looked at, as far as that is known before."""

    name: str
    kind: Kind
    place: str
    address: str = ""
    error: str = ""
