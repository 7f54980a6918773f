"""Reads and writes the three networks of a detector, and converts them to and from arrays."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np
import numpy.typing as npt

from ._util.files import write_file
from ._util.user_files import read_file
from .reference.dat import read_network, write_network
from .reference.model import Conv2d, FullyConnected, Layer, MaxPool, Network, PReLU, Sigmoid
from .reference.plan import STAGES, find_mismatch
from .types import StageName

__all__ = ["Conv2d", "FullyConnected", "Layer", "MaxPool", "Model", "Network", "PReLU", "Sigmoid"]

INDEX = "MTCNN_detector.txt"
INDEX_LIMIT = 1 << 20  # bytes
FILE_NAMES = tuple(stage.file_name for stage in STAGES.values())  # names in the index file


@dataclass(frozen=True, eq=False, repr=False)
class Model:
    """The networks PNet, RNet and ONet. A model is immutable and picklable.

    Two models are equal if their layers have the same kinds and all arrays have the same shapes and bits.

    Args:
        pnet: Network that accepts an input (3, H, W) of any size and has 6 output maps.
        rnet: Network that accepts an input (3, 24, 24) and has 6 outputs.
        onet: Network that accepts an input (3, 48, 48) and has 16 outputs.

    Raises:
        ValueError: The input or the outputs of a network differ from the list above. The message names the
            network and the layer.
    """

    pnet: Network
    rnet: Network
    onet: Network

    def __post_init__(self) -> None:
        for stage in STAGES.values():
            misfit = find_mismatch(self.networks[stage.name], input_size=stage.side, outputs=stage.outputs)
            if misfit:
                raise ValueError(f"{stage.file_name}: expected {misfit.expected}, found {misfit.found}")

    @property
    def networks(self) -> dict[StageName, Network]:
        """The three networks, as a dictionary with the keys pnet, rnet and onet."""
        return {"pnet": self.pnet, "rnet": self.rnet, "onet": self.onet}

    @property
    def layer_names(self) -> dict[StageName, tuple[str, ...]]:
        """The layer names of each network, as a dictionary with the keys pnet, rnet and onet."""
        return {stage: network.names for stage, network in self.networks.items()}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Model):
            return NotImplemented
        if self is other:
            return True
        mine, its = self.arrays(), other.arrays()
        return list(mine) == list(its) and all(
            array.shape == its[name].shape and array.tobytes() == its[name].tobytes()
            for name, array in mine.items()
        )

    def __hash__(self) -> int:
        return hash(tuple(self.hashes().values()))

    def __repr__(self) -> str:
        hashes = (f"{stage} {digest[:12]}…" for stage, digest in self.hashes().items())
        return f"Model({', '.join(hashes)})"

    @staticmethod
    def default() -> Model:
        """Return the networks of OpenFace, which are bundled with this package."""
        return load_default()

    @classmethod
    def load(cls, path: str | Path) -> Model:
        """Read three networks in OpenFace's format.

        Args:
            path: Path of an index file (`MTCNN_detector.txt`) or of a folder. The folder must contain an
                index file, or the three files PNet.dat, RNet.dat and ONet.dat.

        Raises:
            FileNotFoundError: A file does not exist; the message names it.
            ValueError: A file is not valid. The message names the file, and the line or byte at which the
                error is.
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
        """Write PNet.dat, RNet.dat, ONet.dat and MTCNN_detector.txt.

        Args:
            folder: Folder to write to. It is created if it does not exist.

        Raises:
            OSError: A file cannot be written.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for stage in STAGES.values():
            write_file(folder / f"{stage.file_name}.dat", write_network(self.networks[stage.name]))
        index = "".join(f"{name} {name}.dat\n" for name in FILE_NAMES)
        write_file(folder / INDEX, index.encode())

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return all parameters as arrays with names such as `pnet/conv1/kernel`, in the order of the layers.

        Returns:
            A conv layer has `kernel` (out, in, kernel_y, kernel_x) and `bias` (out,), float32. An fc layer
            has `weights` (in, out) and `bias` (out,), float32. A prelu layer has `slopes` (channels,),
            float32. A pool layer has `window` (kernel_x, kernel_y, stride_x, stride_y), int32. A sigmoid
            layer has `empty` (0,), float32.
        """
        result: dict[str, npt.NDArray[Any]] = {}
        for stage, network in self.networks.items():
            result |= network_arrays(network, stage)
        return result

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.ArrayLike]) -> Model:
        """Create a model from the result of `arrays`.

        Args:
            arrays: Mapping from names to arrays, for example an opened `.npz` file. The order of the mapping
                is the order of the layers. The arrays can have any real dtype. Their values are rounded to
                float32.

        Raises:
            ValueError: An entry is missing or not valid. The message names this entry.
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
        """Return the hexadecimal SHA-256 of the `.dat` file of each network.

        The keys are pnet, rnet and onet.
        """
        import hashlib

        return {
            stage: hashlib.sha256(write_network(network)).hexdigest()
            for stage, network in self.networks.items()
        }


@functools.cache
def load_default() -> Model:
    folder = Path(__file__).parent / "weights"
    if not folder.exists():  # a source tree that was not built
        folder = Path(__file__).parents[2] / "third_party" / "weights"
    return Model.load(folder)


def read_index(path: Path) -> dict[str, Path]:
    """Read an index file and return the path of each network's file. Each line of the index is `NAME FILE`.

    FILE is a path relative to the folder of the index. The index can come from an untrusted source.
    Therefore, ValueError is raised if FILE is an absolute path, or contains `..` or a Windows drive (`C:`).
    """
    data = read_file(path, limit=INDEX_LIMIT)
    files: dict[str, Path] = {}
    try:
        lines = data.decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}: expected text with lines NAME FILE, found bytes that are not UTF-8"
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
    """Return whether a relative path can lead out of its folder on at least one operating system.

    Slashes and backslashes both count as separators.
    """
    name = PureWindowsPath(file)
    return bool(name.drive or name.root) or ".." in name.parts


def network_arrays(network: Network, stage: StageName) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of one network as in `Model.arrays`."""
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
