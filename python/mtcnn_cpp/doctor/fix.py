"""A port's own numbers with its rearrangements undone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ..formats import flat
from ..formats.errors import PortError
from ..formats.onnx.export import write_onnx
from ..reference.model import Conv2d, FullyConnected, Layer, Network, PReLU
from ..reference.plan import STAGES
from .arrange import Arrangement
from .findings import Diagnosis
from .segments import OurSegment, TheirSegment
from .vectors import straighten


def rebuild(
    ours: Sequence[OurSegment], theirs: Sequence[TheirSegment], arranged: Sequence[Arrangement | None]
) -> Network:
    """Their numbers, lying as OpenFace's do. Of use only where all that was found can be undone."""
    layers: list[Layer] = []
    for our, their, found in zip(ours, theirs, arranged, strict=True):
        if found is not None:
            layers += rebuild_segment(our, their, found)
    return Network(tuple(layers))


def rebuild_segment(ours: OurSegment, theirs: TheirSegment, found: Arrangement) -> Iterator[Layer]:
    """The layers of one segment, without those whose sizes are not OpenFace's."""
    bias = theirs.weighted.bias
    if bias is not None and bias.size == ours.weighted.bias.size:
        bias = straighten(bias, ours.weighted.bias, found.outputs).values
        if isinstance(ours.weighted, Conv2d):
            yield Conv2d(found.kernel, bias)
        else:
            yield FullyConnected(flat.from_kernel(found.kernel, flat.OPENFACE), bias)
    if ours.activation is not None:
        layer, slopes = ours.activation.layer, [one.slopes for one in theirs.activations[:1]]
        assert isinstance(layer, PReLU)
        if slopes and slopes[0].size == len(found.outputs):
            yield PReLU(straighten(slopes[0], layer.slopes, found.outputs).values)
    if ours.pool is not None:
        yield ours.pool.layer


def write_fixed(diagnosis: Diagnosis, path: str | Path) -> None:
    """Write the port's network, put right, as an ONNX file. PortError where a mistake has changed numbers or
    lost them, MissingExtra without onnx."""
    if diagnosis.repaired is None:
        lost = [f"{one.layer}: {one.text}" for one in diagnosis.findings if not one.exact]
        raise PortError(
            f"{diagnosis.source}: cannot be put right by rearranging: {'; '.join(lost)}. "
            "Export OpenFace's own: mtcnn-cpp export onnx OUT"
        )
    stage = STAGES[diagnosis.stage]
    write_onnx(diagnosis.repaired, stage.side, stage.file_name, path)
