"""What the original program computed: from tests/gold, or from the shared folder beside the repository."""

from __future__ import annotations

import functools
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mtcnn_cpp import Model

HERE = Path(__file__).parent / "gold"
SHARED = Path(__file__).parents[2] / "shared" / "gold"

Case = dict[str, Any]


def cases() -> list[Case]:
    """All detections on record: 35 where the shared folder is, else the 6 that travel with the tests."""
    folder = SHARED if SHARED.exists() else HERE
    return list(json.loads((folder / "detections.json").read_text())["detections"])


@functools.cache
def picture(name: str) -> np.ndarray:
    """Pixels (H, W, 3) uint8 BGR, read-only, by file name."""
    path = HERE / name if (HERE / name).exists() else SHARED / "images" / name
    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
    assert pixels is not None, path
    pixels.flags.writeable = False
    return pixels


def picture_of(case: Case) -> np.ndarray:
    """The picture of a case, decoded to the very pixels of the record."""
    pixels = picture(case["image"])
    assert hashlib.sha256(pixels.tobytes()).hexdigest() == case["sha256_pixels_bgr"], "decoded otherwise"
    return pixels


def floats(hexadecimal: list[Any]) -> np.ndarray:
    """C99 hex floats, nested as they come, as float32 (exact)."""
    values = [floats(v) if isinstance(v, list) else float.fromhex(v) for v in hexadecimal]
    return np.array(values, np.float32)


@functools.cache
def tensors() -> dict[str, np.ndarray]:
    """Tensors of collage.png, min_face 60, by our names and in our layout (maps (C, H, W), R G B).

    The probabilities in the second file are the original's; those in the first were computed by a prototype
    with another exponential.
    """
    model = Model.default()
    found: dict[str, np.ndarray] = {}
    for name in ("layers_collage.npz", "stages_collage.npz"):
        with np.load(HERE / name) as file:
            found |= dict(renamed(model, key, file[key]) for key in file.files)
    return found


def exp_cases() -> list[Case]:
    """Detections that need the original's exponentials, with `pixels` and `rows` (N, 5): boxes, scores."""
    cases: list[Case] = json.loads((HERE / "exp_cases.json").read_text())["cases"]
    for case in cases:
        pixels = (
            picture("astronaut.png") if case["picture"] == "astronaut_gray3.png" else picture(case["picture"])
        )
        if case["picture"] == "astronaut_gray3.png":
            pixels = np.repeat(pixels.astype(int).sum(axis=2, keepdims=True) // 3, 3, axis=2).astype(np.uint8)
        if case["crop"]:
            y, x, height, width = case["crop"]
            pixels = np.ascontiguousarray(pixels[y : y + height, x : x + width])
        case |= {"pixels": pixels, "rows": floats(case["rows"])}
    return cases


def renamed(model: Model, key: str, array: np.ndarray) -> tuple[str, np.ndarray]:
    name = key.removeprefix("stages/")
    name = re.sub(r"level(\d)", r"level0\1", name)
    name = re.sub(r"crop(\d+)", lambda match: f"crop{int(match[1]):03d}", name)
    stage, *_, last = name.split("/")
    if last.startswith("layer"):
        name = name.removesuffix(last) + getattr(model, stage).names[int(last.removeprefix("layer"))]
    if last == "input":
        array = array[:, :, ::-1].transpose(2, 0, 1)
    return name, np.ascontiguousarray(array)


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    """Same shape, dtype and bits: signed zeros and NaN count."""
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()
