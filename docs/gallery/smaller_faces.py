"""Smaller faces.

`min_face` is the side, in pixels, of the smallest face that the detector searches for. The default is 60,
as in OpenFace. With half of this value, PNet processes four times as many pixels. The smallest heads of
this collage are below 20 pixels, which is too small for the networks.
"""

from pathlib import Path

import cv2
from mtcnn_cpp import Detector, annotate, read_image

image = read_image(Path(__file__).parents[2] / "tests" / "gold" / "collage.png")
for number, min_face in enumerate((60, 40, 20), 1):
    faces = Detector(min_face=min_face).detect(image)
    print(f"min_face={min_face}: {len(faces)} faces, the smallest {faces.boxes[:, 2].min():.0f} pixels wide")
    cv2.imwrite(f"smaller_faces_{number}.jpg", annotate(image, faces))
