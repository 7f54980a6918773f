"""Results of the package mtcnn 1.0.0, recorded because it needs TensorFlow.

Record them again where mtcnn, tensorflow-cpu 2.21.0 and opencv-python-headless are installed:
`PYTHONPATH=python:tests/helpers python tests/helpers/recorded_mtcnn.py`. Then
`pytest tests/compat` compares the file with new results.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from compat_images import describe, rgb_images

FILE = Path(__file__).parents[1] / "compat" / "mtcnn_results.json"
FORMATS = [
    {"output_type": output, "box_format": box} for output in ("json", "numpy") for box in ("xywh", "xyxy")
]


def inputs() -> dict[str, Any]:
    """Return images as a caller can pass them. The images of a list have one size."""
    images = rgb_images()
    sample, nothing = images["sample"], np.full((120, 160, 3), 128, np.uint8)
    return {
        "array": sample,
        "float array": sample.astype(np.float32),
        "several faces": images["crowd"],
        "no face": nothing,
        "bytes": cv2.imencode(".png", sample[..., ::-1])[1].tobytes(),
        "list of one": [sample],
        "list": [sample, images["mirrored"]],
        "list, several faces": [images["crowd"], images["crowd"]],
        "list, one without": [images["crowd"], np.full_like(images["crowd"], 128)],
        "list, none": [nothing, nothing],
    }


def call_all(mtcnn: Any) -> dict[str, Any]:
    """Return the types of the results for each input and format, and the faces in each image."""
    kinds = {
        name: [describe(mtcnn.detect_faces(image, **options)) for options in FORMATS]
        for name, image in inputs().items()
    }
    faces = {}
    for name, image in rgb_images().items():
        table = mtcnn.detect_faces(image, output_type="numpy", box_format="xyxy")[:, 1:]
        faces[name] = table.round(3).tolist()
    return json.loads(json.dumps({"kinds": kinds, "faces": faces}))  # type: ignore[no-any-return]


if __name__ == "__main__":
    from mtcnn import MTCNN

    lines = [
        f'"{part}": {{\n' + ",\n".join(f'"{name}": {json.dumps(value)}' for name, value in found.items())
        for part, found in call_all(MTCNN()).items()
    ]
    FILE.write_text("{" + "\n},\n".join(lines) + "\n}}\n", encoding="utf-8")
