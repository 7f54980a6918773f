"""Crops and aligned faces.

The top row shows the box of each face, enlarged by a fifth of its size on every side. The bottom row shows
the aligned faces: they are rotated and scaled so that eyes, nose and mouth lie where face recognition
networks expect them.
"""

from pathlib import Path

import cv2
import numpy as np
from mtcnn_cpp import Detector, read_image

image = read_image(Path(__file__).parents[2] / "tests" / "gold" / "collage.png")
faces = Detector(min_face=40).detect(image)
crops = faces.crops(image, margin=0.2, size=112)
aligned = faces.aligned(image, size=112)
print(f"{len(aligned)} aligned faces of shape {aligned[0].shape}")
cv2.imwrite("aligned_faces.png", np.vstack([np.hstack(crops), np.hstack(aligned)]))
