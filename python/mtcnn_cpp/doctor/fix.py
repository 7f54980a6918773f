"""Writing a port anew with its rearrangements undone."""

from __future__ import annotations

from pathlib import Path

from ..formats.errors import PortError
from ..formats.onnx.export import write_onnx
from ..reference.plan import STAGES
from .findings import Diagnosis


def write_fixed(diagnosis: Diagnosis, path: str | Path) -> None:
    """The network's own numbers, put right, as ONNX. PortError where a mistake has changed numbers or lost
    them."""
    if diagnosis.repaired is None:
        lost = [f"{one.layer}: {one.text}" for one in diagnosis.findings if not one.exact]
        raise PortError(
            f"{diagnosis.source}: cannot be put right by rearranging: {'; '.join(lost)}. "
            "Export OpenFace's own: mtcnn-cpp export onnx OUT"
        )
    stage = STAGES[diagnosis.stage]
    write_onnx(diagnosis.repaired, stage.side, stage.file_name, path)
