"""Red and blue exchanged.

The channel order of an array cannot be detected. OpenCV uses BGR, and this package expects BGR unless you
pass `color="rgb"`. An array in the wrong order gives no error, but boxes move, scores fall, and faces are
missed. The upper half of the image shows the result with the correct order, the lower half with the wrong
order.
"""

from pathlib import Path

import cv2
import numpy as np
from mtcnn_cpp import Detector, annotate, read_image

bgr = read_image(Path(__file__).parents[2] / "tests" / "gold" / "collage.png")
rgb = np.ascontiguousarray(bgr[..., ::-1])  # the order of PIL, imageio and matplotlib
detector = Detector()

right = detector.detect(rgb, color="rgb")
wrong = detector.detect(rgb)  # color="rgb" forgotten
assert right == detector.detect(bgr)
print(f"right: {len(right)} faces, scores {right.scores.round(3)}")
print(f"wrong: {len(wrong)} faces, scores {wrong.scores.round(3)}")
for face in wrong:
    nearest = right.boxes[np.abs(right.boxes - face.box).sum(axis=1).argmin()]
    print(f"  a box is off by up to {np.abs(nearest - face.box).max():.1f} pixels")
cv2.imwrite("colour_order.jpg", np.vstack([annotate(bgr, right), annotate(bgr, wrong)]))
