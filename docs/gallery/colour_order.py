"""Red and blue exchanged.

An array has no sign of its channel order. OpenCV's is blue first, and so is this package's unless you say
`color="rgb"`. Given the other one, nothing complains: boxes move, scores fall, and faces are lost. Above, the
order is right; below, it is not.
"""

from pathlib import Path

import cv2
import numpy as np
from mtcnn_cpp import Detector, draw, read_image

bgr = read_image(Path(__file__).parents[2] / "tests" / "gold" / "collage.png")
rgb = np.ascontiguousarray(bgr[..., ::-1])  # as PIL, imageio and matplotlib have it
detector = Detector()

right = detector.detect(rgb, color="rgb")
wrong = detector.detect(rgb)  # color="rgb" forgotten
assert right == detector.detect(bgr)
print(f"right: {len(right)} faces, scores {right.scores.round(3)}")
print(f"wrong: {len(wrong)} faces, scores {wrong.scores.round(3)}")
for face in wrong:
    nearest = right.boxes[np.abs(right.boxes - face.box).sum(axis=1).argmin()]
    print(f"  a box is off by up to {np.abs(nearest - face.box).max():.1f} pixels")
cv2.imwrite("colour_order.jpg", np.vstack([draw(bgr, right), draw(bgr, wrong)]))
