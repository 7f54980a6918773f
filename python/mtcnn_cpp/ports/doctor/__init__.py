"""Diagnosis of ports. It finds the mistakes in a port of the networks or of the whole detection.

`network_diagnosis` compares the network in a file with OpenFace's network. `outputs` compares recorded
outputs of layers, and `trace_diagnosis` compares a trace of the whole detection. `known_errors` reproduces
three well-known errors. The names below are imported when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..._util.lazy import lazy_names

if TYPE_CHECKING:
    from .findings import Diagnosis, Finding
    from .network_diagnosis import diagnose, diagnose_file

__all__ = ["Diagnosis", "Finding", "diagnose", "diagnose_file"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Diagnosis": "findings",
        "Finding": "findings",
        "diagnose": "network_diagnosis",
        "diagnose_file": "network_diagnosis",
    },
)
