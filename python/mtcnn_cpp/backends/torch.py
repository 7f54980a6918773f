"""The backend that runs the networks in PyTorch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from .._util.errors import import_extra
from ..model import Model
from ..reference.model import Network
from ..reference.plan import STAGES
from .engine import Settings
from .runner import INPUT, Array, CascadeBackend, split_run


class TorchRunner:
    """Runs one network in PyTorch.

    Args:
        network: The network.
        input_size: Side of the square input in pixels. None: any size.
        device: Name of the PyTorch device that runs the network.

    Raises:
        MissingExtra: If PyTorch is not installed.
    """

    def __init__(self, network: Network, input_size: int | None, *, device: str = "cpu") -> None:
        self._torch = import_extra("torch", "mtcnn-cpp[torch]", "running PyTorch")
        from .torch_modules import TorchNetwork

        self.title = "torch"
        self.names = network.names
        self.module = TorchNetwork(network, input_size).to(device)
        self._device = device

    def run(self, inputs: Mapping[str, Array], outputs: Iterable[str] | None = None) -> dict[str, Array]:
        start, batch, requested = split_run(self.names, inputs, outputs)
        results: dict[str, Any] = {}
        tensor = self._torch.from_numpy(np.array(batch, np.float32)).to(self._device)
        with self._torch.inference_mode():
            for name in self.names[(INPUT, *self.names).index(start) :]:
                tensor = self.module.get_submodule(name)(tensor)
                results[name] = tensor
                if name == requested[-1]:
                    break
        return {name: results[name].cpu().numpy() for name in requested}


def make(name: str, model: Model, settings: Settings) -> CascadeBackend:
    """Return the backend "torch", which runs the networks on the CPU."""
    runners = {stage.name: TorchRunner(model.networks[stage.name], stage.side) for stage in STAGES.values()}
    return CascadeBackend("torch", runners, model)
