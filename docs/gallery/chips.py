"""Crops and chips.

Above, each face cut out with a fifth of its box added on every side; below, turned and scaled so that eyes,
nose and mouth lie where networks for recognition expect them.
"""

from pathlib import Path

import cv2
import numpy as np
from mtcnn_cpp import Detector, read_image

image = read_image(Path(__file__).parents[2] / "tests" / "gold" / "collage.png")
faces = Detector(min_face=40).detect(image)
crops = faces.crops(image, margin=0.2, size=112)
chips = faces.chips(image, size=112)
print(f"{len(chips)} chips of {chips[0].shape}")
cv2.imwrite("chips.png", np.vstack([np.hstack(crops), np.hstack(chips)]))
