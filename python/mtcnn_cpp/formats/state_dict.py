"""state_dict files of PyTorch: written for facenet-pytorch, read without running code from them."""

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

from ..files import write_whole
from ..model import Model
from ..reference.model import Network
from ..reference.plan import STAGES
from ..types import StageName
from ..user_files import read_file
from . import flat
from .errors import PortError, need, reading, shown, words
from .facenet import to_state_dict
from .found import FoundActivation, FoundConv, FoundDense, FoundNetwork
from .limits import Budget
from .tables import Row, as_float, found_from_table

OLD_PICKLES = 5  # magic number, protocol, system, state_dict, names of what follows


def export_torch(model: Model, folder: str | Path) -> dict[StageName, Path]:
    """Write pnet.pt, rnet.pt, onet.pt into `folder` (made if need be); their paths by stage.

    Each is a state_dict that facenet-pytorch's PNet, RNet, ONet load unchanged. Raises MissingExtra without
    torch, ValueError for networks of other layers.
    """
    need("torch", "'mtcnn-cpp[torch]'", "writing PyTorch files")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths: dict[StageName, Path] = {}
    for stage in STAGES:
        paths[stage] = folder / f"{stage}.pt"
        write_torch(model.networks[stage], stage, paths[stage])
    return paths


def write_torch(network: Network, stage: StageName, path: str | Path) -> None:
    """One network's state_dict into a file. Raises as `export_torch`."""
    torch = need("torch", "'mtcnn-cpp[torch]'", "writing PyTorch files")
    arrays = to_state_dict(network, stage)
    file = io.BytesIO()
    torch.save({name: torch.from_numpy(array.copy()) for name, array in arrays.items()}, file)
    write_whole(path, file.getvalue())


def read_torch(path: Path) -> list[FoundNetwork]:
    """The networks of a state_dict: one, or a whole detector's. Raises as `read_state_dict`."""
    return from_state_dicts(read_state_dict(path), str(path))


def read_state_dict(path: str | Path) -> dict[str, npt.NDArray[np.float32]]:
    """A file of tensors as arrays, in its order. Raises FileNotFoundError; PortError for anything but
    tensors, such as a file that wants to run code; MissingExtra without torch."""
    data = read_file(Path(path))
    torch = need("torch", "'mtcnn-cpp[torch]'", "reading PyTorch files")
    with reading(path):
        return load_arrays(torch, data, path)


def load_arrays(torch: Any, data: bytes, path: str | Path) -> dict[str, npt.NDArray[np.float32]]:
    """The tensors of a file's bytes, once their sizes are known to be honest."""
    try:
        check_stated_sizes(data)
        held = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # its class depends on what is wrong, and on torch's version
        raise PortError(f"refused: not a file of tensors alone ({words(error)})") from error
    if isinstance(held, Mapping) and isinstance(held.get("state_dict"), Mapping):
        others = [str(name) for name in held if name != "state_dict"]
        if others:
            told = shown(f"{path}: its state_dict was read; left out: {', '.join(others)}")
            warnings.warn(told, UserWarning, stacklevel=2)
        held = held["state_dict"]
    if not isinstance(held, Mapping) or not all(isinstance(value, torch.Tensor) for value in held.values()):
        raise PortError(f"expected a state_dict (names → tensors), found {type(held).__name__}")
    budget = Budget()
    for name, value in held.items():  # a view can have more values than the file has bytes
        budget.spend(4 * value.numel(), f"{name} of {4 * value.numel()}")
    return {str(name): value.detach().float().numpy() for name, value in held.items()}


def check_stated_sizes(data: bytes) -> None:
    """PortError where a file of PyTorch states sizes that no network has. What PyTorch wrote before 1.6 is
    not an archive, but pickles one after the other: no number in them is larger than the file."""
    if zipfile.is_zipfile(io.BytesIO(data)):
        budget = Budget()
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for entry in archive.infolist():
                budget.spend(entry.file_size, f"{entry.filename} of {entry.file_size}")
        return
    file = io.BytesIO(data)
    for number in range(OLD_PICKLES):
        for _, value, at in pickletools.genops(file):
            if number >= 3 and isinstance(value, int) and value > len(data):  # 0: a magic number
                raise PortError(f"byte {at}: states {value}, in a file of {len(data)} bytes")


def from_state_dicts(arrays: Mapping[str, npt.NDArray[Any]], source: str) -> list[FoundNetwork]:
    """The one network of a state_dict; or three, where all names start with pnet., rnet. or onet."""
    parts: dict[str, dict[str, npt.NDArray[Any]]] = {}
    for name, array in arrays.items():
        stage, _, rest = name.partition(".")
        if stage not in STAGES:
            return [from_state_dict(arrays, source)]
        parts.setdefault(stage, {})[rest] = array
    return [from_state_dict(part, f"{source}: {stage}") for stage, part in parts.items()]


def from_state_dict(arrays: Mapping[str, npt.NDArray[Any]], source: str) -> FoundNetwork:
    """The network of one state_dict, as arrays. `NAME.weight` of rank 4 is a convolution, of rank 2 a dense
    layer (out, in), of rank 1 slopes. PortError for other names and ranks.

    The input of a dense layer named `dense…` is laid flat (x, y, channel), as facenet-pytorch does; that of
    any other (channel, y, x), as PyTorch does by itself.
    """
    rows: list[Row] = []
    orders = set()
    for key, array in arrays.items():
        name, _, field = key.rpartition(".")
        if field != "weight":
            if field != "bias" or f"{name}.weight" not in arrays:
                raise PortError(f"{source}: {key}: expected a weight, or a bias beside a weight")
            continue
        bias = as_float(arrays[f"{name}.bias"]) if f"{name}.bias" in arrays else None
        values = as_float(array)
        if values.ndim == 4:
            rows.append(FoundConv(name, values, bias))
        elif values.ndim == 2:
            order = flat.FACENET if name.rpartition(".")[2].startswith("dense") else flat.NCHW
            rows.append(FoundDense(name, values.T, bias, order))
            orders.add(order)
        elif values.ndim == 1 and bias is not None:
            raise PortError(
                f"{source}: {name}: expected slopes without a bias (a PReLU), found a weight and a bias of "
                f"shape {values.shape}, as a normalisation has"
            )
        elif values.ndim == 1:
            rows.append(FoundActivation(name, "PRelu", values))
        else:
            raise PortError(f"{source}: {key}: expected rank 4, 2 or 1, found shape {values.shape}")
    note = f"dense layers read as laid flat ({', '.join(orders.pop())})" if len(orders) == 1 else ""
    return found_from_table(rows, source, note)
