"""state_dict files: written for facenet-pytorch, read with weights_only."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..model import Model
from ..reference.plan import STAGES
from ..types import StageName
from .errors import PortError, need
from .facenet import to_state_dict


def export_torch(model: Model, folder: str | Path) -> dict[StageName, Path]:
    """Write pnet.pt, rnet.pt, onet.pt into `folder` (made if need be); their paths by stage.

    Each is a state_dict that facenet-pytorch's PNet, RNet, ONet load unchanged. Raises MissingExtra without
    torch, ValueError for networks of other layers.
    """
    torch = need("torch", "'mtcnn-cpp[torch]'", "writing PyTorch files")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths: dict[StageName, Path] = {}
    for stage in STAGES:
        arrays = to_state_dict(model.networks[stage], stage)
        paths[stage] = folder / f"{stage}.pt"
        torch.save({name: torch.from_numpy(array.copy()) for name, array in arrays.items()}, paths[stage])
    return paths


def read_state_dict(path: str | Path) -> dict[str, npt.NDArray[np.float32]]:
    """A file of tensors, in order, as arrays. A file that wants to run code is refused. Raises PortError,
    MissingExtra."""
    torch = need("torch", "'mtcnn-cpp[torch]'", "reading PyTorch files")
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected a file, found nothing there")
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except (
        Exception
    ) as error:  # UnpicklingError, RuntimeError, EOFError, by what is wrong and torch's version
        reason = str(error).partition("\n")[0]
        raise PortError(f"{path}: refused: not a file of tensors alone ({reason})") from error
    if isinstance(held, Mapping) and isinstance(held.get("state_dict"), Mapping):
        held = held["state_dict"]
    if not isinstance(held, Mapping) or not all(isinstance(value, torch.Tensor) for value in held.values()):
        raise PortError(f"{path}: expected a state_dict (names → tensors), found {type(held).__name__}")
    return {str(name): value.float().numpy() for name, value in held.items()}
