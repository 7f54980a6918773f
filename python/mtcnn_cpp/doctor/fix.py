"""A port's own numbers with its rearrangements undone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ..files import write_whole
from ..formats import flat
from ..formats.assemble import assemble
from ..formats.errors import PortError
from ..formats.npz import write_npz
from ..formats.onnx.export import write_onnx
from ..formats.read import read_found
from ..formats.state_dict import write_torch
from ..model import network_arrays
from ..reference.dat import write_network
from ..reference.model import Conv2d, FullyConnected, Layer, Network, PReLU
from ..reference.plan import STAGES
from ..types import StageName
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
    """Write the port's network, put right, in the format that the path's ending names, and read it back.

    PortError for another ending, where a mistake has changed numbers or lost them, and where anything but the
    same network comes back; MissingExtra without the package that the format needs.
    """
    path = Path(path)
    write = WRITERS.get(path.suffix.lower())
    if write is None:
        found = path.suffix or "no ending"
        raise PortError(f"{path}: expected a name ending in {', '.join(WRITERS)}, found {found}")
    fixed = diagnosis.repaired
    if fixed is None:
        lost = [f"{one.layer}: {one.text}" for one in diagnosis.findings if not one.exact]
        raise PortError(
            f"{diagnosis.source}: cannot be put right by rearranging: {'; '.join(lost)}. "
            "Export OpenFace's own: mtcnn-cpp export onnx OUT"
        )
    write(fixed, diagnosis.stage, path)
    back = read_found(path).get(diagnosis.stage)
    if back is None or write_network(assemble(back, diagnosis.stage)) != write_network(fixed):
        raise PortError(f"{path}: was written, but another network is read from it: do not use it")


def as_onnx(network: Network, stage: StageName, path: Path) -> None:
    write_onnx(network, STAGES[stage].side, STAGES[stage].file_name, path)


def as_dat(network: Network, stage: StageName, path: Path) -> None:
    write_whole(path, write_network(network))


def as_npz(network: Network, stage: StageName, path: Path) -> None:
    write_npz(network_arrays(network, stage), path)


WRITERS: dict[str, Callable[[Network, StageName, Path], None]] = {
    ".onnx": as_onnx,
    ".dat": as_dat,
    ".npz": as_npz,
    ".pt": write_torch,
}
