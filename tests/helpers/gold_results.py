"""Results of the original program, from tests/gold or from the shared folder beside the repository."""

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

HERE = Path(__file__).parents[1] / "gold"
SHARED = Path(__file__).parents[3] / "shared" / "gold"

Case = dict[str, Any]


def cases() -> list[Case]:
    """All recorded detections: 35 if the shared folder exists, otherwise the 6 in the repository."""
    folder = SHARED if SHARED.exists() else HERE
    return list(json.loads((folder / "detections.json").read_text())["detections"])


@functools.cache
def load_image(name: str) -> np.ndarray:
    """Return the pixels of an image file, (H, W, 3) uint8 BGR, read-only."""
    path = HERE / name if (HERE / name).exists() else SHARED / "images" / name
    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
    assert pixels is not None, path
    pixels.flags.writeable = False
    return pixels


def case_image(case: Case) -> np.ndarray:
    """The image of a case; its decoded pixels must equal the recorded pixels."""
    pixels = load_image(case["image"])
    assert hashlib.sha256(pixels.tobytes()).hexdigest() == case["sha256_pixels_bgr"], "decoded otherwise"
    return pixels


def floats(hexadecimal: list[Any]) -> np.ndarray:
    """C99 hexadecimal floats in nested lists, as float32 (exact)."""
    values = [floats(v) if isinstance(v, list) else float.fromhex(v) for v in hexadecimal]
    return np.array(values, np.float32)


@functools.cache
def tensors() -> dict[str, np.ndarray]:
    """Tensors of collage.png, min_face 60, with this package's names and layout (maps (C, H, W), RGB).

    The original program computed the probabilities in the second file; a prototype with another exponential
    computed those in the first.
    """
    model = Model.default()
    found: dict[str, np.ndarray] = {}
    for name in ("layers_collage.npz", "stages_collage.npz"):
        with np.load(HERE / name) as file:
            found |= dict(renamed(model, key, file[key]) for key in file.files)
    return found


def exp_cases() -> list[Case]:
    """Return detections that depend on the original's exp: `pixels`, `rows` (N, 5) of boxes and scores."""
    cases: list[Case] = json.loads((HERE / "exp_cases.json").read_text())["cases"]
    for case in cases:
        pixels = (
            load_image("astronaut.png")
            if case["picture"] == "astronaut_gray3.png"
            else load_image(case["picture"])
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
    """Whether shape, dtype and all bits are equal, including those of signed zeros and NaN."""
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()
