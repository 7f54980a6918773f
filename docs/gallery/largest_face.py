"""The largest face of each frame.

In a video of one participant, other people may pass behind. `largest` keeps only the face with the largest
box. The image shows the face of every twelfth frame, aligned, with the time in seconds.
"""

import subprocess

import cv2
import numpy as np
from mtcnn_cpp import Detector

subprocess.run(
    ["mtcnn-cpp", "sample", "largest_face.mp4", "--overwrite"], check=True, stdout=subprocess.DEVNULL
)
tiles = []
for frame in Detector(min_face=40).detect_video("largest_face.mp4", every=12):
    for face in frame.faces.largest().aligned(frame.image, size=128):
        text = f"{frame.time:.2f} s"
        cv2.putText(face, text, (4, 122), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1, cv2.LINE_AA)
        tiles.append(face)
print(f"{len(tiles)} faces of {tiles[0].shape[1]} x {tiles[0].shape[0]} pixels")
cv2.imwrite("largest_face.png", np.hstack(tiles))
