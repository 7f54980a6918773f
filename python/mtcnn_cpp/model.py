"""The three networks of a detector, from and to files, arrays and pickles."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np
import numpy.typing as npt

from .files import write_whole
from .reference.dat import read_network, write_network
from .reference.model import (
    Conv2d,
    FullyConnected,
    Layer,
    MaxPool,
    Network,
    PReLU,
    Sigmoid,
)
from .reference.plan import STAGES, find_misfit
from .types import StageName
from .user_files import read_file

__all__ = ["Conv2d", "FullyConnected", "Layer", "MaxPool", "Model", "Network", "PReLU", "Sigmoid"]

INDEX = "MTCNN_detector.txt"
INDEX_LIMIT = 1 << 20  # bytes
FILE_NAMES = tuple(stage.file_name for stage in STAGES.values())  # as the index file has them


@dataclass(frozen=True, eq=False, repr=False)
class Model:
    """PNet, RNet and ONet. Immutable and picklable.

    pnet takes (3, H, W) of any size and gives 6 maps, rnet (3, 24, 24) and gives 6 values, onet (3, 48, 48)
    and gives 16. Raises ValueError, naming network and layer, where one does not.
    """

    pnet: Network
    rnet: Network
    onet: Network

    def __post_init__(self) -> None:
        for stage in STAGES.values():
            misfit = find_misfit(self.networks[stage.name], input_size=stage.side, outputs=stage.outputs)
            if misfit:
                raise ValueError(f"{stage.file_name}: expected {misfit.expected}, found {misfit.found}")

    @property
    def networks(self) -> dict[StageName, Network]:
        """The three by stage: pnet, rnet, onet."""
        return {"pnet": self.pnet, "rnet": self.rnet, "onet": self.onet}

    @property
    def layer_names(self) -> dict[StageName, tuple[str, ...]]:
        """The names of each network's layers, by stage."""
        return {stage: network.names for stage, network in self.networks.items()}

    def __repr__(self) -> str:
        hashes = (f"{stage} {digest[:12]}…" for stage, digest in self.hashes().items())
        return f"Model({', '.join(hashes)})"

    @staticmethod
    def default() -> Model:
        """OpenFace's networks, which come with the package."""
        return load_default()

    @classmethod
    def load(cls, path: str | Path) -> Model:
        """Read the three networks that an index file (`MTCNN_detector.txt`) names, or those of a folder.

        A folder has an index file, or else PNet.dat, RNet.dat and ONet.dat. Raises FileNotFoundError naming
        the path, ValueError naming file and line of the index, or file and byte of a network.
        """
        path = Path(path)
        if path.is_dir():
            index = path / INDEX
            plain = {name: path / f"{name}.dat" for name in FILE_NAMES}
            files = read_index(index) if index.exists() else plain
        else:
            files = read_index(path)
        networks = {}
        for stage in STAGES.values():
            file = files[stage.file_name]
            networks[stage.name] = read_network(
                read_file(file), str(file), input_size=stage.side, outputs=stage.outputs
            )
        return cls(**networks)

    def save(self, folder: str | Path) -> None:
        """Write PNet.dat, RNet.dat, ONet.dat and MTCNN_detector.txt into a folder, made if need be."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for stage in STAGES.values():
            write_whole(folder / f"{stage.file_name}.dat", write_network(self.networks[stage.name]))
        index = "".join(f"{name} {name}.dat\n" for name in FILE_NAMES)
        write_whole(folder / INDEX, index.encode())

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """All numbers by name, layers in order: `pnet/conv1/kernel`, `pnet/conv1/bias`,
        `pnet/prelu1/slopes`, ….

        Fields: conv kernel (out, in, kernel_y, kernel_x) and bias (out,); fc weights (in, out) and bias
        (out,); prelu slopes (channels,), all float32; pool window (kernel_x, kernel_y, stride_x, stride_y)
        int32; sigmoid empty (0,).
        """
        result: dict[str, npt.NDArray[Any]] = {}
        for stage, network in self.networks.items():
            result |= network_arrays(network, stage)
        return result

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.ArrayLike]) -> Model:
        """The reverse of `arrays()`; takes an opened `.npz` too. Layers are in the order of the mapping.

        Arrays may have any real dtype and are rounded to float32. Raises ValueError naming the entry.
        """
        layers: dict[str, dict[str, dict[str, npt.ArrayLike]]] = {stage: {} for stage in STAGES}
        for key, array in arrays.items():
            stage, _, rest = key.partition("/")
            name, _, field = rest.partition("/")
            if stage not in layers or not field:
                raise ValueError(f"{key}: expected a name like pnet/conv1/kernel (pnet, rnet or onet first)")
            layers[stage].setdefault(name, {})[field] = array
        networks = {}
        for stage, named in layers.items():
            if not named:
                raise ValueError(f"{stage}: expected arrays named {stage}/…, found none")
            network = Network(tuple(from_fields(f"{stage}/{name}", fields) for name, fields in named.items()))
            if network.names != tuple(named):
                raise ValueError(
                    f"{stage}: expected layers named {', '.join(network.names)}, found {', '.join(named)}"
                )
            networks[stage] = network
        return cls(**networks)

    def hashes(self) -> dict[str, str]:
        """SHA-256 (hexadecimal) of the three `.dat` files, by stage."""
        return {
            stage: hashlib.sha256(write_network(network)).hexdigest()
            for stage, network in self.networks.items()
        }


@functools.cache
def load_default() -> Model:
    return Model.load(Path(__file__).parent / "weights")


def read_index(path: Path) -> dict[str, Path]:
    """Files by network name, from lines `NAME FILE`, FILE relative to the index file's folder and below it.

    An index may come from a stranger, so a FILE that leads out of the folder (an absolute path, `..`, a
    drive) is a ValueError.
    """
    data = read_file(path, limit=INDEX_LIMIT)
    files: dict[str, Path] = {}
    try:
        lines = data.decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}: expected a text of lines NAME FILE, found bytes that are not UTF-8"
        ) from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        name, *rest = line.split(maxsplit=1)
        if name not in FILE_NAMES or not rest or name in files:
            expected = "NAME FILE, where NAME is PNet, RNet or ONet, each once"
            raise ValueError(f"{path}: line {number}: expected {expected}, found {line[:80]!r}")
        file = rest[0].strip()
        if leads_out(file):
            expected = "a FILE in the folder of this file or below it"
            raise ValueError(f"{path}: line {number}: expected {expected}, found {file[:80]!r}")
        files[name] = path.parent / file
    missing = [name for name in FILE_NAMES if name not in files]
    if missing:
        raise ValueError(
            f"{path}: line {len(lines) + 1}: expected a line for {missing[0]}, found the end of the file"
        )
    return files


def leads_out(file: str) -> bool:
    """Whether a relative name leads out of its folder, with slashes or backslashes, on any system."""
    name = PureWindowsPath(file)
    return bool(name.drive or name.root) or ".." in name.parts


def network_arrays(network: Network, stage: StageName) -> dict[str, npt.NDArray[Any]]:
    """One network's part of `Model.arrays`."""
    return {
        f"{stage}/{name}/{field}": array
        for name, layer in zip(network.names, network.layers, strict=True)
        for field, array in to_fields(layer).items()
    }


def to_fields(layer: Layer) -> dict[str, npt.NDArray[Any]]:
    if isinstance(layer, Conv2d):
        return {"kernel": layer.kernel, "bias": layer.bias}
    if isinstance(layer, FullyConnected):
        return {"weights": layer.weights, "bias": layer.bias}
    if isinstance(layer, PReLU):
        return {"slopes": layer.slopes}
    if isinstance(layer, MaxPool):
        window = [layer.kernel_x, layer.kernel_y, layer.stride_x, layer.stride_y]
        return {"window": np.array(window, np.int32)}
    return {"empty": np.empty(0, np.float32)}


def from_fields(name: str, fields: Mapping[str, npt.ArrayLike]) -> Layer:
    try:
        match sorted(fields):
            case ["bias", "kernel"]:
                return Conv2d(np.asarray(fields["kernel"]), np.asarray(fields["bias"]))
            case ["bias", "weights"]:
                return FullyConnected(np.asarray(fields["weights"]), np.asarray(fields["bias"]))
            case ["slopes"]:
                return PReLU(np.asarray(fields["slopes"]))
            case ["window"] if np.shape(fields["window"]) == (4,):
                return MaxPool(*np.asarray(fields["window"]).tolist())
            case ["empty"]:
                return Sigmoid()
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    expected = "kernel and bias, weights and bias, slopes, window (4 integers) or empty"
    raise ValueError(f"{name}: expected {expected}, found {', '.join(sorted(fields))}")
