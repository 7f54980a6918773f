"""The first faces.

The picture that comes with the package, with what was found drawn in: a box, five landmarks, and a label with
the face's number and its score.
"""

import cv2
from mtcnn_cpp import Detector, draw, sample_image

image = sample_image()  # (512, 512, 3) uint8, blue first
faces = Detector().detect(image)
print(faces)
cv2.imwrite("first_faces.png", draw(image, faces))
