"""Images for comparisons with other packages, and the measurements that compare faces."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import cv2
import numpy as np
from crowd import crowd
from images import ROOT, portrait
from mtcnn_cpp import sample_image


@functools.cache
def rgb_images() -> dict[str, np.ndarray]:
    """Ten images, (H, W, 3) uint8 RGB: one face, several, some at the border, none."""
    sample, collage = sample_image(), cv2.imread(str(ROOT / "tests/gold/collage.png"))
    images = {
        "sample": sample,
        "portrait": portrait(),
        "mirrored": sample[:, ::-1],
        "half": sample[::2, ::2],
        "double": sample.repeat(2, axis=0).repeat(2, axis=1),
        "dark": (sample * 0.4).astype(np.uint8),
        "crowd": crowd(),
        "collage": collage,
        "collage, mirrored": collage[:, ::-1],
        "no face": sample[300:],
    }
    return {name: np.ascontiguousarray(image[..., ::-1]) for name, image in images.items()}


def describe(result: Any) -> Any:
    """Return the types, shapes and dtypes of a result, without its numbers."""
    kind = type(result).__name__
    if isinstance(result, (list, tuple)):
        return kind, [describe(item) for item in result]
    if isinstance(result, dict):
        return kind, [(key, describe(value)) for key, value in result.items()]
    if not hasattr(result, "shape") or not result.shape:
        return kind
    inner = [describe(item) for item in result.ravel()] if result.dtype == object else []
    return kind, tuple(result.shape), str(result.dtype), inner


class Difference(NamedTuple):
    """One face of another package and the nearest face of this one. Lengths are relative to the box."""

    overlap: float  # intersection over union of the boxes
    box: float  # largest difference of a coordinate
    landmarks: float  # largest difference of a coordinate
    score: float


def differences(found: np.ndarray, expected: np.ndarray) -> list[Difference]:
    """Compare faces, one row each: x1, y1, x2, y2, score, ten coordinates of landmarks."""
    result = []
    for face in expected:
        sizes = np.minimum(found[:, 2:4], face[2:4]) - np.maximum(found[:, :2], face[:2])
        shared = sizes.clip(0).prod(axis=1)
        own, areas = ((rows[:, 2:4] - rows[:, :2]).prod(axis=1) for rows in (face[None], found))
        overlaps = shared / (areas + own - shared)
        change = abs(found[overlaps.argmax()] - face)
        side = own[0] ** 0.5
        largest = change[:4].max() / side, change[5:].max() / side
        result.append(Difference(float(overlaps.max()), *map(float, (*largest, change[4]))))
    return result


def summary(rows: list[Difference]) -> str:
    """Return the medians and the worst values as text, for `pytest -rP`."""
    values = np.array(rows)
    worst = [values[:, 0].min(), *values[:, 1:].max(axis=0)]
    lines = [f"{len(rows)} faces; median and worst:"]
    for name, median, extreme in zip(Difference._fields, np.median(values, axis=0), worst, strict=True):
        lines.append(f"{name}: {median:.3f}, {extreme:.3f}" if name != "score" else "")
    lines[-1] = f"score: {np.median(values[:, 3]):.5f}, {values[:, 3].max():.5f}"
    return "\n".join(lines)
