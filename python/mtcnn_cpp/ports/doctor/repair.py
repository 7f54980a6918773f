"""Repair of a port's network: the port's own numbers are arranged as in OpenFace and written to a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ..._util.files import write_file
from ...formats import conventions
from ...formats.arrays import write_npz
from ...formats.errors import PortError
from ...formats.importer import assemble, read_found
from ...formats.onnx.export import write_onnx
from ...formats.state_dict import write_torch
from ...model import network_arrays
from ...reference.dat import write_network
from ...reference.model import Conv2d, FullyConnected, Layer, Network, PReLU
from ...reference.plan import STAGES
from ...types import StageName
from .arrangement import Arrangement
from .findings import Diagnosis
from .structure import CandidateSegment, ReferenceSegment
from .values import align_vector


def rebuild_network(
    reference: Sequence[ReferenceSegment],
    candidate: Sequence[CandidateSegment],
    arrangements: Sequence[Arrangement | None],
) -> Network:
    """Return a network with the port's numbers in OpenFace's arrangement.

    The result is only meaningful if every finding is exact.
    """
    layers: list[Layer] = []
    for ours, segment, found in zip(reference, candidate, arrangements, strict=True):
        if found is not None:
            layers += rebuild_segment(ours, segment, found)
    return Network(tuple(layers))


def rebuild_segment(
    reference: ReferenceSegment, candidate: CandidateSegment, found: Arrangement
) -> Iterator[Layer]:
    """The layers of one segment. A layer is left out if OpenFace's layer has a different size."""
    bias = candidate.weighted.bias
    if bias is not None and bias.size == reference.weighted.bias.size:
        bias = align_vector(bias, reference.weighted.bias, found.outputs).values
        if isinstance(reference.weighted, Conv2d):
            yield Conv2d(found.kernel, bias)
        else:
            yield FullyConnected(
                conventions.kernel_to_weights(found.kernel, conventions.OPENFACE_ORDER), bias
            )
    if reference.activation is not None:
        layer, slopes = reference.activation.layer, [one.slopes for one in candidate.activations[:1]]
        assert isinstance(layer, PReLU)
        if slopes and slopes[0].size == len(found.outputs):
            yield PReLU(align_vector(slopes[0], layer.slopes, found.outputs).values)
    if reference.pool is not None:
        yield reference.pool.layer


def write_repaired(diagnosis: Diagnosis, path: str | Path) -> None:
    """Write the repaired network and read it back to verify it.

    Args:
        diagnosis: Diagnosis of the port's network.
        path: File to write. Its suffix selects the format: .onnx, .dat, .npz or .pt.

    Raises:
        PortError: If the suffix is not one of these, if a mistake cannot be undone, or if the network that is
            read back is not the one that was written.
        MissingExtra: If the package for the format is not installed.
    """
    path = Path(path)
    write = WRITERS.get(path.suffix.lower())
    if write is None:
        found = path.suffix or "no ending"
        raise PortError(f"{path}: expected a name ending in {', '.join(WRITERS)}, found {found}")
    repaired = diagnosis.repaired
    if repaired is None:
        lost = [f"{one.layer}: {one.text}" for one in diagnosis.findings if not one.exact]
        raise PortError(
            f"{diagnosis.source}: cannot be repaired by rearranging its numbers: {'; '.join(lost)}. "
            "Export OpenFace's network instead: mtcnn-cpp export onnx OUT"
        )
    write(repaired, diagnosis.stage, path)
    back = read_found(path).get(diagnosis.stage)
    if back is None or write_network(assemble(back, diagnosis.stage)) != write_network(repaired):
        raise PortError(
            f"{path}: the file was written, but the network that was read back differs; do not use this file"
        )


def _write_onnx(network: Network, stage: StageName, path: Path) -> None:
    write_onnx(network, STAGES[stage].side, STAGES[stage].file_name, path)


def _write_dat(network: Network, stage: StageName, path: Path) -> None:
    write_file(path, write_network(network))


def _write_npz(network: Network, stage: StageName, path: Path) -> None:
    write_npz(network_arrays(network, stage), path)


WRITERS: dict[str, Callable[[Network, StageName, Path], None]] = {
    ".onnx": _write_onnx,
    ".dat": _write_dat,
    ".npz": _write_npz,
    ".pt": write_torch,
}
