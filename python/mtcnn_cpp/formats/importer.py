"""Import networks from a file or folder of any supported format. The file extension selects the reader."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..model import INDEX, Model, read_index
from ..reference.model import Conv2d, FullyConnected, Layer, MaxPool, Network, PReLU, Sigmoid
from ..reference.plan import STAGES, MapShape, Size, find_mismatch, output_shape
from ..types import StageName
from . import conventions
from .agreement import check_imported
from .arrays import read_arrays
from .conventions import find_window_differences
from .errors import PortError, safe_text, translate_errors
from .found import (
    NO_PADS,
    FoundActivation,
    FoundConv,
    FoundFullyConnected,
    FoundLayer,
    FoundNetwork,
    FoundNetworks,
    FoundPool,
    recognise_stage,
)
from .onnx.process import graph_limits
from .onnx.reader import read_onnx
from .state_dict import networks_from_state_dict, read_torch
from .tables import networks_from_arrays, read_dat, read_joblib, read_npy

MAX_NAME = 100  # maximum number of characters of a layer's name


def import_model(path: str | Path) -> Model:
    """Read all three networks from a file or folder of any supported format.

    If a file contains a graph, the function also runs the graph in a separate process with limits
    (`graph_limits`). The outputs of the graph must equal the outputs of the network that was read from the
    graph.

    Args:
        path: A file, or a folder with files of one format. A file .onnx contains a graph. Files .pt and .pth
            contain a state_dict. A file .npz contains the arrays of a Model or of a state_dict. A file .npy
            contains a table of facenet. Files .lz4 and .joblib contain a list of the `mtcnn` package. Files
            .dat are those of OpenFace. The file MTCNN_detector.txt names .dat files.

    Returns:
        The networks. `Model.save` writes them as `.dat` files.

    Raises:
        FileNotFoundError: If there is no such file.
        PortError: If a file cannot be read, if a network is missing or exists twice, or if a `.dat` file
            cannot represent a network.
        MissingExtra: If a package that the format needs is not installed.
        ValueError: If a `.dat` file is damaged.

    Warns:
        UserWarning: If a graph ends in a Softmax of the class values. The networks have no Softmax, because
            the detector applies it.

    Example:
        >>> model = import_model("port.onnx")
        >>> model.save("folder")
    """
    found = read_found(path)
    missing = [stage for stage in STAGES if stage not in found]
    if missing:
        raise PortError(f"{path}: expected the three networks, found no {', '.join(missing)}")
    model = Model(**{stage: assemble(network, stage) for stage, network in found.items()})
    with graph_limits():
        for stage, network in found.items():
            with translate_errors(network.source):
                check_imported(network, model.networks[stage], stage)
    return model


def read_found(path: str | Path) -> FoundNetworks:
    """Read the networks in a file or folder, and return them by stage (pnet, rnet, onet).

    The formats are those of `import_model`.

    Raises FileNotFoundError and MissingExtra. Raises PortError if a file is unreadable, or if there are two
    networks of one stage. Raises ValueError if a `.dat` file is damaged.
    """
    result: FoundNetworks = {}
    for file in list_files(Path(path)):
        for network in read_networks(file):
            stage = recognise_stage(network.weighted, network.source)
            if stage in result:
                first = result[stage].source
                raise PortError(
                    f"{network.source}: expected one {stage}, found a second {stage}; the first is in {first}"
                )
            result[stage] = network
    return result


def list_files(path: Path) -> Iterable[Path]:
    """Return the network files to which a path refers.

    `path` is a folder, an index (MTCNN_detector.txt) that names files, or a single file.
    """
    if path.is_dir():
        return list_folder(path)
    return read_index(path).values() if path.name == INDEX else [path]


def list_folder(folder: Path) -> list[Path]:
    """List the network files of a folder.

    Raises PortError if there are no such files, or if they have different formats.
    """
    files = [file for file in sorted(folder.iterdir()) if file.suffix.lower() in READERS]
    formats = dict.fromkeys(file.suffix.lower() for file in files)
    if len(formats) != 1:
        found = ", ".join(formats) or "none"
        raise PortError(
            f"{folder}: expected files of one format ({', '.join(READERS)}), found {found}; give one file"
        )
    return files


def read_networks(path: Path) -> list[FoundNetwork]:
    """Read the networks of one file."""
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise PortError(
            f"{path}: expected one of the file extensions {', '.join(READERS)}, found {path.suffix or 'none'}"
        )
    with translate_errors(path):
        return [with_safe_names(network) for network in reader(path)]


def read_npz(path: Path) -> list[FoundNetwork]:
    """Read the networks of an `.npz` file. It contains the arrays of a Model or of a state_dict."""
    arrays = read_arrays(path)
    if arrays and all(name.endswith((".weight", ".bias")) for name in arrays):
        return networks_from_state_dict(arrays, str(path))
    return networks_from_arrays(arrays, str(path))


def with_safe_names(network: FoundNetwork) -> FoundNetwork:
    """Return the network with names that are printable and not too long."""
    layers = tuple(replace(layer, name=safe_text(layer.name, MAX_NAME)) for layer in network.layers)
    notes = tuple(map(safe_text, network.notes))
    return replace(network, source=safe_text(network.source), layers=layers, notes=notes)


def assemble(found: FoundNetwork, stage: StageName) -> Network:
    """Convert a found network to a Network, with OpenFace's flattening order.

    Raises PortError if a `.dat` file cannot represent a layer. The message contains the name of the layer.
    """
    if found.scale is not None or found.shift is not None:
        raise PortError(
            f"{found.source}: the graph normalises its input, and a .dat file cannot represent this "
            "operation; remove the nodes of the normalisation from the graph"
        )
    plan = STAGES[stage]
    maps = MapShape(3, plan.size)
    layers: list[Layer] = []
    last_weighted = found.weighted[-1] if found.weighted else None
    for layer in found.layers:
        where = f"{found.source}: {layer.name}"
        try:
            layers.append(_layer(layer, where, maps, head=layer is last_weighted))
        except PortError:
            raise
        except ValueError as error:  # shapes do not match, for example those of the kernel and the bias
            raise PortError(f"{where}: {error}") from error
        maps = output_shape(layers[-1], maps)
    network = Network(tuple(layers))
    mismatch = find_mismatch(network, input_size=plan.side, outputs=plan.outputs)
    if mismatch:
        raise PortError(f"{found.source}: expected {mismatch.expected}, found {mismatch.found}")
    return network


def _layer(layer: FoundLayer, where: str, maps: MapShape, *, head: bool) -> Layer:
    if isinstance(layer, FoundConv):
        return _conv(layer, where, maps.size, head=head)
    if isinstance(layer, FoundPool):
        return _pool(layer, where, maps.size)
    if isinstance(layer, FoundFullyConnected):
        return _fully_connected(layer, where, maps)
    return _activation(layer, where, maps)


def _bias(layer: FoundConv | FoundFullyConnected, outputs: int) -> np.ndarray:
    return np.zeros(outputs, np.float32) if layer.bias is None else layer.bias


def _conv(layer: FoundConv, where: str, size: Size | None, *, head: bool) -> Layer:
    """Convert a convolution to Conv2d or FullyConnected.

    The result is FullyConnected if the kernel is as large as its maps, or if the layer is the last layer and
    its kernel is 1x1.
    """
    if layer.pads != NO_PADS or layer.strides != (1, 1):
        raise PortError(
            f"{where}: a .dat file has only convolutions with stride 1 and no padding, found stride "
            f"{layer.strides}, padding {layer.pads}; mtcnn-cpp doctor reports whether that is an error"
        )
    bias = _bias(layer, layer.kernel.shape[0])
    if layer.kernel.shape[2:] == size or (head and layer.kernel.shape[2:] == (1, 1)):
        return FullyConnected(conventions.kernel_to_weights(layer.kernel, conventions.OPENFACE_ORDER), bias)
    return Conv2d(layer.kernel, bias)


def _pool(layer: FoundPool, where: str, size: Size | None) -> MaxPool:
    for difference in find_window_differences(layer, size):
        raise PortError(
            f"{where}: a .dat file pools {difference.size} values along {difference.axis} into "
            f"{difference.expected} without padding, found a pooling into {difference.found} after "
            f"{difference.begin} values of padding; mtcnn-cpp doctor reports whether that is an error"
        )
    return MaxPool(layer.kernel[1], layer.kernel[0], layer.strides[1], layer.strides[0])


def _fully_connected(layer: FoundFullyConnected, where: str, maps: MapShape) -> FullyConnected:
    weights = layer.weights
    if not maps.flat and maps.size is not None and layer.order is not None and len(weights) != maps.channels:
        if len(weights) != math.prod(maps.shape):
            inputs = f"{math.prod(maps.shape)} inputs ({' x '.join(map(str, maps.shape))})"
            raise PortError(f"{where}: expected {inputs}, found {len(weights)}")
        weights = conventions.reorder_inputs(weights, maps.shape, layer.order, conventions.OPENFACE_ORDER)
    return FullyConnected(weights, _bias(layer, weights.shape[1]))


def _activation(layer: FoundActivation, where: str, maps: MapShape) -> Layer:
    if layer.kind == "Sigmoid":
        return Sigmoid()
    if layer.slopes.size not in (1, maps.channels):
        raise PortError(f"{where}: expected 1 or {maps.channels} slopes, found {layer.slopes.size}")
    return PReLU(np.broadcast_to(layer.slopes, maps.channels or 0))


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
