"""Networks in PyTorch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..formats.errors import need
from ..model import Model
from ..reference.model import Network
from ..reference.plan import STAGES
from .protocol import Settings
from .runner import INPUT, Array, RunnerBackend, split_run


class TorchRunner:
    """One network in PyTorch, on `device`; `input_size`: the side of its square input, None for any. Raises
    MissingExtra without torch."""

    def __init__(self, network: Network, input_size: int | None, *, device: str = "cpu") -> None:
        self._torch = need("torch", "'mtcnn-cpp[torch]'", "running PyTorch")
        from .torch_modules import TorchNetwork

        self.title = "torch"
        self.names = network.names
        self.module = TorchNetwork(network, input_size).to(device)
        self._device = device

    def run(self, inputs: Mapping[str, Array], outputs: Iterable[str] | None = None) -> dict[str, Array]:
        given, batch, asked = split_run(self.names, inputs, outputs)
        found: dict[str, Any] = {}
        tensor = self._torch.from_numpy(np.array(batch, np.float32)).to(self._device)
        with self._torch.inference_mode():
            for name in self.names[(INPUT, *self.names).index(given) :]:
                tensor = self.module.get_submodule(name)(tensor)
                found[name] = tensor
                if name == asked[-1]:
                    break
        return {name: found[name].cpu().numpy() for name in asked}


def make(name: str, model: Model, settings: Settings) -> RunnerBackend:
    """The backend "torch", on the CPU."""
    runners = {stage.name: TorchRunner(model.networks[stage.name], stage.side) for stage in STAGES.values()}
    return RunnerBackend("torch", runners, model)
