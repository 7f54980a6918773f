"""The first faces.

This is the bundled sample image with the detected face: a box, five landmarks, and a label with the number
of the face and its score.
"""

import cv2
from mtcnn_cpp import Detector, annotate, sample_image

image = sample_image()  # (512, 512, 3) uint8, BGR
faces = Detector().detect(image)
print(faces)
cv2.imwrite("first_faces.png", annotate(image, faces))
