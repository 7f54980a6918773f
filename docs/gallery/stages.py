"""From proposals to faces.

Three networks run one after the other. PNet runs on every level of a pyramid and proposes boxes. RNet
rejects most of these boxes and corrects the others. ONet selects the final boxes and finds the landmarks. A
trace contains the boxes of each network.
"""

from pathlib import Path

import cv2
from mtcnn_cpp import Detector, annotate, read_image

image = read_image(Path(__file__).parents[2] / "tests" / "gold" / "collage.png")
detector = Detector()
trace = detector.trace(image, only=["rnet/boxes_in", "onet/boxes_in", "final/*"])
for number, (name, words) in enumerate(
    {"rnet/boxes_in": "proposals of PNet", "onet/boxes_in": "left by RNet"}.items(), 1
):
    picture = image.copy()
    for x, y, width, height in trace[name].astype(int):
        cv2.rectangle(picture, (x, y), (x + width, y + height), (96, 220, 40), 1, cv2.LINE_AA)
    print(f"{len(trace[name])} {words}")
    cv2.imwrite(f"stages_{number}.jpg", picture)
faces = detector.detect(image)
print(f"{len(faces)} faces after ONet")
cv2.imwrite("stages_3.jpg", annotate(image, faces))
