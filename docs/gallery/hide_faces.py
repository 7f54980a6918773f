"""Blur or pixelate faces.

`to_supervision` gives the boxes to the annotators of the package supervision. A box of OpenFace ends at the
eyebrows, so the boxes are enlarged first. A face that the detector does not find stays visible: check the
result, and lower the thresholds or `min_face` if faces are missing.
"""

from pathlib import Path

import cv2
import numpy as np
import supervision
from mtcnn_cpp import Detector, read_image

image = read_image(Path(__file__).parents[2] / "tests" / "gold" / "collage.png")
faces = Detector(min_face=30).detect(image).to_supervision()
size = faces.xyxy[:, 2:] - faces.xyxy[:, :2]
faces.xyxy[:, :2] -= size * [0.15, 0.5]  # left, top: the forehead and hair
faces.xyxy[:, 2:] += size * [0.15, 0.15]  # right, bottom
blurred = supervision.BlurAnnotator(kernel_size=45).annotate(image.copy(), faces)
pixelated = supervision.PixelateAnnotator(pixel_size=24).annotate(image.copy(), faces)
print(f"{len(faces)} faces are hidden")
cv2.imwrite("hide_faces.png", np.hstack([blurred, pixelated]))
