"""The two functions of torchvision that facenet-pytorch uses, for machines without torchvision.

torchvision cannot be imported together with a build of PyTorch for another device or of another version.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


def batched_nms(boxes: Any, scores: Any, groups: Any, threshold: float) -> Any:
    """Non-maximum suppression in each group: indices of kept boxes, sorted by descending score."""
    import torch

    low, high = boxes[:, :2], boxes[:, 2:]
    areas = (high - low).prod(dim=1)
    left = torch.argsort(scores, descending=True)
    keep = []
    while len(left):
        best, left = left[0], left[1:]
        keep.append(best)
        sizes = (torch.minimum(high[best], high[left]) - torch.maximum(low[best], low[left])).clamp(min=0)
        shared = sizes.prod(dim=1)
        overlaps = shared / (areas[best] + areas[left] - shared)
        left = left[(overlaps <= threshold) | (groups[left] != groups[best])]
    return torch.stack(keep) if keep else torch.empty(0, dtype=torch.long)


def to_tensor(image: Any) -> Any:
    """Transpose a float32 array (H, W, C) to a tensor (C, H, W)."""
    import torch

    return torch.from_numpy(image.transpose(2, 0, 1)).contiguous()


@contextmanager
def torchvision() -> Iterator[None]:
    """Make torchvision importable in the block: the real one if it is installed, else these functions."""
    if importlib.util.find_spec("torchvision"):
        yield
        return
    names = ("torchvision", "torchvision.transforms", "torchvision.ops", "torchvision.ops.boxes")
    modules = {name: ModuleType(name) for name in names}
    modules["torchvision.transforms"].functional = ModuleType("functional")  # type: ignore[attr-defined]
    modules["torchvision.transforms"].functional.to_tensor = to_tensor
    modules["torchvision.ops.boxes"].batched_nms = batched_nms  # type: ignore[attr-defined]
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]
