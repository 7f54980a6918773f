"""Blur or pixelate faces.

A box of OpenFace ends at the eyebrows, so `annotate` hides a larger area. A face that the detector does not
find stays visible: check the result, and lower the thresholds or `min_face` if faces are missing. For videos:
`mtcnn-cpp detect clip.mp4 --save-dir hidden --annotate blur`.
"""

from pathlib import Path

import cv2
import numpy as np
from mtcnn_cpp import Detector, annotate, read_image

image = read_image(Path(__file__).parents[2] / "tests" / "gold" / "collage.png")
faces = Detector(min_face=30).detect(image)
blurred = annotate(image, faces, show="blur")
pixelated = annotate(image, faces, show="pixelate")
print(f"{len(faces)} faces are hidden")
cv2.imwrite("hide_faces.png", np.hstack([blurred, pixelated]))
