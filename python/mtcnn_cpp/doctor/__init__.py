"""The doctor: what a port of one of the networks got wrong, layer by layer, by name and with figures."""

from __future__ import annotations

from pathlib import Path

from ..formats.found import FoundNetwork
from ..formats.read import read_found
from .examine import Examination
from .findings import KINDS, Diagnosis, Finding

__all__ = ["KINDS", "Diagnosis", "Finding", "diagnose", "diagnose_file"]


def diagnose_file(path: str | Path) -> list[Diagnosis]:
    """A diagnosis of each network in a file or folder; raises as `read_found`."""
    return [diagnose(found) for found in read_found(path).values()]


def diagnose(found: FoundNetwork | str | Path) -> Diagnosis:
    """Compare one network (or the only one of a file) with OpenFace's. PortError where it is none of the
    three."""
    if not isinstance(found, FoundNetwork):
        networks = list(read_found(found).values())
        if len(networks) != 1:
            raise ValueError(f"{found}: expected one network, found {len(networks)}; use diagnose_file")
        found = networks[0]
    return Examination(found).result()
