"""The doctor: what a port of one of the networks got wrong, layer by layer, by name and with figures.

From a file: `examine` lays its network beside OpenFace's, cut into `segments`. The structure is looked at in
`weighted`, `orders` and `pools`, the numbers in `arrange`, `normalisation`, `vectors` and `values`; `fix`
writes what can be put right. A graph is also run (`agreement`) and its outputs held against what was read
from it (`formats.agreement`).

From what a port computed on a picture: `outputs`, with the `preparations` of the picture that are tried.
`story` makes the three well-known errors again.

The names below are imported when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .examine import diagnose, diagnose_file
    from .findings import KINDS, Diagnosis, Finding

__all__ = ["KINDS", "Diagnosis", "Finding", "diagnose", "diagnose_file"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "KINDS": "findings",
        "Diagnosis": "findings",
        "Finding": "findings",
        "diagnose": "examine",
        "diagnose_file": "examine",
    },
)
