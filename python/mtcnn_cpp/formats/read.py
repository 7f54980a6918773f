"""Any file or folder with networks of this detector, read by the kind that its ending tells."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..model import INDEX, Model, read_file, read_index
from ..reference.dat import read_network
from ..reference.model import Conv2d, FullyConnected, MaxPool, Network, PReLU
from ..reference.plan import STAGES
from . import flat
from .assemble import assemble
from .errors import PortError
from .found import FoundActivation, FoundConv, FoundDense, FoundLayer, FoundNetwork, FoundNetworks, FoundPool
from .onnx.read import read_onnx
from .pickles import read_joblib, read_npy_object
from .recognise import recognise
from .state_dict import read_state_dict
from .tables import as_float, from_caffe_table, from_package_list, from_state_dict


def read_found(path: str | Path) -> FoundNetworks:
    """The networks of a file (or of a folder's files of one kind) by stage: those of pnet, rnet, onet that
    are there.

    Kinds: .onnx; .pt, .pth (state_dict); .npz (ours, or a state_dict as arrays); .npy (facenet's tables);
    .lz4, .joblib (the `mtcnn` package's lists); .dat, and MTCNN_detector.txt. Raises FileNotFoundError,
    PortError, MissingExtra; ValueError for a `.dat`.
    """
    path = Path(path)
    if path.is_dir():
        return read_folder(path)
    if path.name == INDEX:
        return {
            stage: found for file in read_index(path).values() for stage, found in read_found(file).items()
        }
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise PortError(
            f"{path}: expected a file ending in {', '.join(READERS)}, found {path.suffix or 'no ending'}"
        )
    return reader(path)


def import_model(path: str | Path) -> Model:
    """All three networks of a folder or file, in any kind that `read_found` reads, as a Model: `.save`
    writes its `.dat`.

    Raises PortError where one is missing, or holds what a `.dat` cannot.
    """
    found = read_found(path)
    missing = [stage for stage in STAGES if stage not in found]
    if missing:
        raise PortError(f"{path}: expected the three networks, found no {', '.join(missing)}")
    return Model(**{stage: assemble(network, stage) for stage, network in found.items()})


def read_folder(folder: Path) -> FoundNetworks:
    kinds: dict[str, list[Path]] = {}
    for file in sorted(folder.iterdir()):
        if file.suffix.lower() in READERS:
            kinds.setdefault(file.suffix.lower(), []).append(file)
    if len(kinds) != 1:
        there = ", ".join(kinds) or "none"
        raise PortError(
            f"{folder}: expected files of one kind ({', '.join(READERS)}), found {there}; name one file"
        )
    result: FoundNetworks = {}
    (files,) = kinds.values()
    for file in files:
        for stage, network in read_found(file).items():
            if stage in result:
                raise PortError(f"{file}: a second {stage}, after {result[stage].source}")
            result[stage] = network
    return result


def alone(found: FoundNetwork) -> FoundNetworks:
    return {recognise(found.weighted, found.source): found}


def from_network(network: Network, source: str) -> FoundNetwork:
    """One of our own networks as if found. Its pooling needs no looking at."""
    layers: list[FoundLayer] = []
    for name, layer in zip(network.names, network.layers, strict=True):
        if isinstance(layer, Conv2d):
            layers.append(FoundConv(name, layer.kernel, layer.bias))
        elif isinstance(layer, MaxPool):
            kernel, strides = (layer.kernel_y, layer.kernel_x), (layer.stride_y, layer.stride_x)
            layers.append(FoundPool(name, kernel, strides, mode="unknown"))
        elif isinstance(layer, FullyConnected):
            layers.append(FoundDense(name, layer.weights, layer.bias, flat.OPENFACE))
        elif isinstance(layer, PReLU):
            layers.append(FoundActivation(name, "PRelu", layer.slopes))
        else:
            layers.append(FoundActivation(name, "Sigmoid", np.zeros(1, np.float32)))
    return FoundNetwork(source, tuple(layers), complete=True)


def read_dat(path: Path) -> FoundNetworks:
    return alone(from_network(read_network(read_file(path), str(path)), str(path)))


def read_npz(path: Path) -> FoundNetworks:
    arrays = read_arrays(path)
    if arrays and all(name.endswith((".weight", ".bias")) for name in arrays):
        return alone(from_state_dict(arrays, str(path)))
    return from_arrays(arrays, str(path))


def read_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """An `.npz` of plain arrays. Raises FileNotFoundError, PortError (pickles are refused)."""
    file = io.BytesIO(read_file(path))
    try:
        with np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        raise PortError(f"{path}: expected an .npz of plain arrays ({error})") from error


def from_arrays(arrays: Mapping[str, npt.NDArray[Any]], source: str) -> FoundNetworks:
    """`Model.arrays()`, or what somebody made of it: `pnet/conv1/kernel`, …; a bias may be missing."""
    named: dict[str, dict[str, dict[str, npt.NDArray[Any]]]] = {}
    for key, array in arrays.items():
        stage, layer, field = (*key.split("/"), "", "")[:3]
        if stage not in STAGES or not field:
            raise PortError(
                f"{source}: {key}: expected a name like pnet/conv1/kernel (pnet, rnet or onet first)"
            )
        named.setdefault(stage, {}).setdefault(layer, {})[field] = array
    if not named:
        raise PortError(f"{source}: expected arrays named pnet/conv1/kernel, …, found none")
    result: FoundNetworks = {}
    for stage, layers in named.items():
        rows = tuple(from_fields(name, fields, source) for name, fields in layers.items())
        result |= alone(FoundNetwork(f"{source}: {stage}", rows, complete=True))
    return result


def from_fields(name: str, fields: Mapping[str, npt.NDArray[Any]], source: str) -> FoundLayer:
    bias = as_float(fields["bias"]).ravel() if "bias" in fields else None
    if "kernel" in fields and fields["kernel"].ndim == 4:
        return FoundConv(name, as_float(fields["kernel"]), bias)
    if "weights" in fields and fields["weights"].ndim == 2:
        return FoundDense(name, as_float(fields["weights"]), bias, flat.OPENFACE)
    if "slopes" in fields:
        return FoundActivation(name, "PRelu", as_float(fields["slopes"]).ravel())
    if "window" in fields and fields["window"].shape == (4,):
        kernel_x, kernel_y, stride_x, stride_y = fields["window"].tolist()
        return FoundPool(name, (kernel_y, kernel_x), (stride_y, stride_x), mode="unknown")
    there = ", ".join(f"{field} {array.shape}" for field, array in fields.items())
    raise PortError(f"{source}: {name}: expected kernel, weights, slopes or window, found {there}")


def read_list(path: Path) -> FoundNetworks:
    held = read_joblib(path)
    if not isinstance(held, list) or not all(isinstance(item, np.ndarray) for item in held):
        raise PortError(f"{path}: expected a list of arrays, found {type(held).__name__}")
    return alone(from_package_list(held, str(path)))


def read_table(path: Path) -> FoundNetworks:
    held = read_npy_object(path)
    if not isinstance(held, dict) or not all(isinstance(item, dict) for item in held.values()):
        raise PortError(f"{path}: expected a table of layers, found {type(held).__name__}")
    return alone(from_caffe_table(held, str(path)))


def read_torch(path: Path) -> FoundNetworks:
    """One network's state_dict, or a whole detector's, whose names start with pnet., rnet. and onet."""
    arrays = read_state_dict(path)
    parts: dict[str, dict[str, npt.NDArray[Any]]] = {}
    for name, array in arrays.items():
        stage, _, rest = name.partition(".")
        if stage not in STAGES:
            return alone(from_state_dict(arrays, str(path)))
        parts.setdefault(stage, {})[rest] = array
    result: FoundNetworks = {}
    for stage, part in parts.items():
        result |= alone(from_state_dict(part, f"{path}: {stage}"))
    return result


READERS: dict[str, Callable[[Path], FoundNetworks]] = {
    ".onnx": lambda path: alone(read_onnx(path)),
    ".pt": read_torch,
    ".pth": read_torch,
    ".npz": read_npz,
    ".npy": read_table,
    ".lz4": read_list,
    ".joblib": read_list,
    ".dat": read_dat,
}
