"""Write state_dict files of PyTorch for facenet-pytorch, and read such files without running their code."""

from __future__ import annotations

import io
import pickletools
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .._util.errors import import_extra
from .._util.files import write_file
from .._util.user_files import read_file
from ..model import Model
from ..reference.model import Conv2d, FullyConnected, Network, PReLU
from ..reference.plan import STAGES, iterate_layers
from ..types import StageName
from . import conventions
from .arrays import Budget
from .conventions import HEADS
from .errors import PortError, error_message, safe_text, translate_errors
from .found import FoundActivation, FoundConv, FoundFullyConnected, FoundNetwork
from .tables import TableLayer, as_float, found_from_table

LEGACY_PICKLES = 5  # number of pickles: magic number, protocol, system, state_dict, names of values


def export_torch(model: Model, folder: str | Path) -> dict[StageName, Path]:
    """Write the state_dict files pnet.pt, rnet.pt and onet.pt. The networks of facenet-pytorch can load them.

    Each network must have the same layers as OpenFace's network of the same stage. This function checks only
    the kinds of the layers, not their sizes.

    Args:
        model: The networks.
        folder: Folder of the files. It is created if it does not exist.

    Returns:
        The path of the file of each stage.

    Raises:
        MissingExtra: If torch is not installed.
        ValueError: If a network has layers of other kinds than OpenFace's.
        OSError: If a file cannot be written.
    """
    import_extra("torch", "mtcnn-cpp[torch]", "writing PyTorch files")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths: dict[StageName, Path] = {}
    for stage in STAGES:
        paths[stage] = folder / f"{stage}.pt"
        write_torch(model.networks[stage], stage, paths[stage])
    return paths


def write_torch(network: Network, stage: StageName, path: str | Path) -> None:
    """Write the state_dict of one network. Raises the errors of `export_torch`."""
    torch = import_extra("torch", "mtcnn-cpp[torch]", "writing PyTorch files")
    arrays = to_state_dict(network, stage)
    file = io.BytesIO()
    torch.save({name: torch.from_numpy(array.copy()) for name, array in arrays.items()}, file)
    write_file(path, file.getvalue())


def read_torch(path: Path) -> list[FoundNetwork]:
    """Read one network, or all three networks of a detector. Raises the errors of `read_state_dict`."""
    return networks_from_state_dict(read_state_dict(path), str(path))


def read_state_dict(path: str | Path) -> dict[str, npt.NDArray[np.float32]]:
    """Read a file of tensors. Return the arrays by name, in the order of the file.

    Raises FileNotFoundError. Raises PortError if the file contains anything other than tensors, such as code.
    Raises MissingExtra if torch is not installed.
    """
    data = read_file(Path(path))
    torch = import_extra("torch", "mtcnn-cpp[torch]", "reading PyTorch files")
    with translate_errors(path):
        return load_arrays(torch, data, path)


def load_arrays(torch: Any, data: bytes, path: str | Path) -> dict[str, npt.NDArray[np.float32]]:
    """Check the sizes that the file states, and then load the tensors."""
    try:
        check_stated_sizes(data)
        content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # its class depends on the kind of damage and on the version of torch
        raise PortError(f"refused: expected a file of tensors only ({error_message(error)})") from error
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        others = [str(name) for name in content if name != "state_dict"]
        if others:
            message = safe_text(f"{path}: only its state_dict was read; ignored: {', '.join(others)}")
            warnings.warn(message, UserWarning, stacklevel=2)
        content = content["state_dict"]
    if not isinstance(content, Mapping) or not all(
        isinstance(value, torch.Tensor) for value in content.values()
    ):
        raise PortError(f"expected a state_dict (names → tensors), found {type(content).__name__}")
    budget = Budget()
    for name, value in content.items():  # a view can have more values than the file has bytes
        budget.spend(4 * value.numel(), f"{name} of {4 * value.numel()} bytes")
    return {str(name): value.detach().float().numpy() for name, value in content.items()}


def check_stated_sizes(data: bytes) -> None:
    """Raise PortError if a file of PyTorch states sizes that no network has.

    A file of a PyTorch version before 1.6 is a sequence of pickles. In a valid file of this kind, all numbers
    in the last two pickles are at most the size of the file in bytes.
    """
    if zipfile.is_zipfile(io.BytesIO(data)):
        budget = Budget()
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for entry in archive.infolist():
                budget.spend(entry.file_size, f"{entry.filename} of {entry.file_size} bytes")
        return
    file = io.BytesIO(data)
    for number in range(LEGACY_PICKLES):
        for _, value, at in pickletools.genops(file):
            if (
                number >= 3 and isinstance(value, int) and value > len(data)
            ):  # the first pickles contain a magic number, which is greater
                raise PortError(
                    f"byte {at}: expected a number up to {len(data)}, the size of the file, found {value}"
                )


def networks_from_state_dict(arrays: Mapping[str, npt.NDArray[Any]], source: str) -> list[FoundNetwork]:
    """Convert a state_dict to networks.

    If all names start with pnet., rnet. or onet., the result has one network for each of these stages.
    Otherwise it has one network.
    """
    parts: dict[str, dict[str, npt.NDArray[Any]]] = {}
    for name, array in arrays.items():
        stage, _, rest = name.partition(".")
        if stage not in STAGES:
            return [network_from_state_dict(arrays, source)]
        parts.setdefault(stage, {})[rest] = array
    return [network_from_state_dict(part, f"{source}: {stage}") for stage, part in parts.items()]


def network_from_state_dict(arrays: Mapping[str, npt.NDArray[Any]], source: str) -> FoundNetwork:
    """Convert the arrays of one network.

    The rank of `NAME.weight` determines the layer. Rank 4 means a convolution, rank 2 means a fully connected
    layer (out, in), and rank 1 means slopes. If the name of a fully connected layer starts with `dense`, its
    flattening order is (x, y, channel), as in facenet-pytorch. Otherwise it is (channel, y, x), the order of
    PyTorch. Raises PortError if an array has another name or rank.
    """
    rows: list[TableLayer] = []
    orders = set()
    for key, array in arrays.items():
        name, _, field = key.rpartition(".")
        if field != "weight":
            if field != "bias" or f"{name}.weight" not in arrays:
                raise PortError(
                    f"{source}: {key}: expected a name that ends in .weight, or in .bias if "
                    "the layer also has a .weight"
                )
            continue
        bias = as_float(arrays[f"{name}.bias"]) if f"{name}.bias" in arrays else None
        values = as_float(array)
        if values.ndim == 4:
            rows.append(FoundConv(name, values, bias))
        elif values.ndim == 2:
            order = (
                conventions.FACENET_ORDER
                if name.rpartition(".")[2].startswith("dense")
                else conventions.NCHW_ORDER
            )
            rows.append(FoundFullyConnected(name, values.T, bias, order))
            orders.add(order)
        elif values.ndim == 1 and bias is not None:
            raise PortError(
                f"{source}: {name}: expected slopes without a bias (a PReLU), found a weight and a bias of "
                f"shape {values.shape}, which belong to a normalisation"
            )
        elif values.ndim == 1:
            rows.append(FoundActivation(name, "PRelu", values))
        else:
            raise PortError(f"{source}: {key}: expected rank 4, 2 or 1, found shape {values.shape}")
    note = (
        f"fully connected layers read with flattening order ({', '.join(orders.pop())})"
        if len(orders) == 1
        else ""
    )
    return found_from_table(rows, source, note)


# Names that facenet-pytorch uses for the fully connected layers before the heads, and for the heads. The
# heads are class, box and landmarks, in this order.
FULLY_CONNECTED_NAMES = {"pnet": (), "rnet": ("dense4",), "onet": ("dense5",)}
HEAD_NAMES = {
    "pnet": ("conv4_1", "conv4_2"),
    "rnet": ("dense5_1", "dense5_2"),
    "onet": ("dense6_1", "dense6_2", "dense6_3"),
}


def to_state_dict(network: Network, stage: StageName) -> dict[str, npt.NDArray[np.float32]]:
    """Return the arrays of a network by the names that facenet-pytorch uses.

    The flattening order of the arrays is (x, y, channel), and the heads are separate layers. Raises
    ValueError if the layers are of other kinds than OpenFace's, because a state_dict contains arrays only.
    """
    official = Model.default().networks[stage]
    kinds, expected = ([type(layer).__name__ for layer in net.layers] for net in (network, official))
    if kinds != expected:
        raise ValueError(
            f"{stage}: a state_dict can contain only the layers {', '.join(expected)}; "
            f"found {', '.join(kinds)}"
        )
    result: dict[str, npt.NDArray[np.float32]] = {}
    names = list(FULLY_CONNECTED_NAMES[stage])
    for step in iterate_layers(network, STAGES[stage].size):
        layer = step.layer
        if isinstance(layer, Conv2d):
            result |= {f"{step.name}.weight": layer.kernel, f"{step.name}.bias": layer.bias}
        elif isinstance(layer, PReLU):
            result[f"{step.name}.weight"] = layer.slopes
        elif isinstance(layer, FullyConnected):
            weights = layer.weights
            if step.flattens:
                weights = conventions.reorder_inputs(
                    weights, step.input.shape, conventions.OPENFACE_ORDER, conventions.FACENET_ORDER
                )
            if names:
                name = names.pop(0)
                result |= {f"{name}.weight": weights.T, f"{name}.bias": layer.bias}
                continue
            outputs_first = weights.T if step.input.flat else weights.T[:, :, None, None]
            for name, columns in zip(HEAD_NAMES[stage], HEADS.values(), strict=False):
                part = slice(columns.start, columns.stop)
                result |= {f"{name}.weight": outputs_first[part], f"{name}.bias": layer.bias[part]}
    return {name: np.ascontiguousarray(array) for name, array in result.items()}
