"""Any file or folder with networks of this detector: its ending tells who reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from ..model import INDEX, Model, read_index
from ..reference.plan import STAGES
from .agreement.imported import check_imported
from .assemble import assemble
from .dat import read_dat
from .errors import PortError, reading, shown
from .found import FoundNetwork, FoundNetworks
from .joblib import read_joblib
from .npy import read_npy
from .npz import read_npz
from .onnx.guarded import graph_limits
from .onnx.read import read_onnx
from .recognise import recognise
from .state_dict import read_torch

READERS: dict[str, Callable[[Path], list[FoundNetwork]]] = {
    ".onnx": lambda path: [read_onnx(path)],
    ".pt": read_torch,
    ".pth": read_torch,
    ".npz": read_npz,
    ".npy": read_npy,
    ".lz4": read_joblib,
    ".joblib": read_joblib,
    ".dat": read_dat,
}
LONGEST_NAME = 100  # of a layer


def import_model(path: str | Path) -> Model:
    """All three networks of a folder or file, of any kind that `read_found` reads; `.save` writes them as
    `.dat`.

    A graph is also run, in a process of its own with limits (`graph_limits`), and must compute
    what was read from it. A Softmax of the class values at its end is left out, with a warning: the detector
    applies it.

    Raises as `read_found`; PortError too if a network is missing, or computes or holds what a `.dat` cannot.
    """
    found = read_found(path)
    missing = [stage for stage in STAGES if stage not in found]
    if missing:
        raise PortError(f"{path}: expected the three networks, found no {', '.join(missing)}")
    model = Model(**{stage: assemble(network, stage) for stage, network in found.items()})
    with graph_limits():
        for stage, network in found.items():
            with reading(network.source):
                check_imported(network, model.networks[stage], stage)
    return model


def read_found(path: str | Path) -> FoundNetworks:
    """The networks of a file, or of a folder's files of one kind, by stage: those of pnet, rnet and onet
    that are there.

    Kinds: .onnx; .pt, .pth (state_dict); .npz (the arrays of a Model, or a state_dict as arrays); .npy
    (facenet's tables); .lz4, .joblib (the `mtcnn` package's lists); .dat, and MTCNN_detector.txt. Raises
    FileNotFoundError; PortError for what cannot be read, or two networks of one stage; MissingExtra;
    ValueError for a `.dat`.
    """
    result: FoundNetworks = {}
    for file in files_of(Path(path)):
        for network in read_one(file):
            stage = recognise(network.weighted, network.source)
            if stage in result:
                raise PortError(f"{network.source}: a second {stage}, after {result[stage].source}")
            result[stage] = network
    return result


def files_of(path: Path) -> Iterable[Path]:
    """The files that belong to a path: those of a folder, those that an index names, or the file itself."""
    if path.is_dir():
        return files_in(path)
    return read_index(path).values() if path.name == INDEX else [path]


def files_in(folder: Path) -> list[Path]:
    """A folder's files that have a reader. PortError where there are none, or they end differently."""
    files = [file for file in sorted(folder.iterdir()) if file.suffix.lower() in READERS]
    kinds = dict.fromkeys(file.suffix.lower() for file in files)
    if len(kinds) != 1:
        there = ", ".join(kinds) or "none"
        raise PortError(
            f"{folder}: expected files of one kind ({', '.join(READERS)}), found {there}; name one file"
        )
    return files


def read_one(path: Path) -> list[FoundNetwork]:
    """The networks of one file, whatever they are."""
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise PortError(
            f"{path}: expected a file ending in {', '.join(READERS)}, found {path.suffix or 'no ending'}"
        )
    with reading(path):
        return [presentable(network) for network in reader(path)]


def presentable(network: FoundNetwork) -> FoundNetwork:
    """The same network, its names fit to be shown: they come from the file."""
    layers = tuple(replace(layer, name=shown(layer.name, LONGEST_NAME)) for layer in network.layers)
    notes = tuple(map(shown, network.notes))
    return replace(network, source=shown(network.source), layers=layers, notes=notes)
