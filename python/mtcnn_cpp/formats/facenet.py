"""facenet-pytorch's names and shapes for the three networks: our numbers as their state_dict.

The way back is `state_dict.from_state_dict`. Dense inputs lie (x, y, channel); the heads are separate layers.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..reference.model import Conv2d, FullyConnected, Network, PReLU
from ..reference.plan import STAGES, walk
from ..types import StageName
from . import flat
from .heads import HEADS

# Their names of the dense layers before the heads, and of the heads: class, box, landmarks.
DENSE = {"pnet": (), "rnet": ("dense4",), "onet": ("dense5",)}
HEAD_NAMES = {
    "pnet": ("conv4_1", "conv4_2"),
    "rnet": ("dense5_1", "dense5_2"),
    "onet": ("dense6_1", "dense6_2", "dense6_3"),
}


def to_state_dict(network: Network, stage: StageName) -> dict[str, npt.NDArray[np.float32]]:
    """Arrays by facenet-pytorch's names. ValueError for a network whose layers are not theirs."""
    result: dict[str, npt.NDArray[np.float32]] = {}
    dense = list(DENSE[stage])
    for step in walk(network, STAGES[stage].size):
        layer = step.layer
        if isinstance(layer, Conv2d):
            result |= {f"{step.name}.weight": layer.kernel, f"{step.name}.bias": layer.bias}
        elif isinstance(layer, PReLU):
            result[f"{step.name}.weight"] = layer.slopes
        elif isinstance(layer, FullyConnected):
            weights = layer.weights
            if step.flattens:
                weights = flat.reorder(weights, step.entering.shape, flat.OPENFACE, flat.FACENET)
            if dense:
                name = dense.pop(0)
                result |= {f"{name}.weight": weights.T, f"{name}.bias": layer.bias}
                continue
            spread = weights.T if step.entering.flat else weights.T[:, :, None, None]
            for name, columns in zip(HEAD_NAMES[stage], HEADS.values(), strict=False):
                part = slice(columns.start, columns.stop)
                result |= {f"{name}.weight": spread[part], f"{name}.bias": layer.bias[part]}
    return {name: np.ascontiguousarray(array) for name, array in result.items()}
