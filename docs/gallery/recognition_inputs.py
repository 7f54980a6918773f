"""Inputs for ArcFace and FaceNet.

Each recognition network expects its own form of input. ArcFace: 112 x 112 pixels, aligned by five
landmarks, RGB, (value - 127.5) / 127.5. FaceNet (facenet-pytorch): a crop of 160 x 160 pixels, RGB,
(value - 127.5) / 128. This crop contains the forehead, which OpenFace's boxes leave out.
Top row: ArcFace. Bottom row: FaceNet.
"""

from pathlib import Path

import cv2
import numpy as np
from mtcnn_cpp import Detector, read_image

image = read_image(Path(__file__).parents[2] / "tests" / "gold" / "collage.png")[..., ::-1]  # RGB
faces = Detector(min_face=40).detect(image, color="rgb")

aligned = faces.aligned(image, size=112, color="rgb")
arcface = (np.stack(aligned).astype(np.float32).transpose(0, 3, 1, 2) - 127.5) / 127.5

crops = faces.aligned(image, template="facenet", color="rgb")
facenet = (np.stack(crops).astype(np.float32).transpose(0, 3, 1, 2) - 127.5) / 128

print(f"ArcFace: {arcface.shape} {arcface.dtype}, from {arcface.min():.3f} to {arcface.max():.3f}")
print(f"FaceNet: {facenet.shape} {facenet.dtype}, from {facenet.min():.3f} to {facenet.max():.3f}")
rows = [np.hstack([cv2.resize(face, (160, 160)) for face in group]) for group in (aligned, crops)]
cv2.imwrite("recognition_inputs.png", np.vstack(rows)[..., ::-1])
