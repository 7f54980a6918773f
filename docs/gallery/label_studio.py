"""Pre-annotations for Label Studio.

Label Studio shows these boxes and landmarks as predictions, which a person can correct. Coordinates are
percentages of the image's size. The project needs a labelling interface with RectangleLabels ("face") and
KeyPointLabels with the names of the landmarks. `mtcnn-cpp export-annotations` writes such a file from a
table. The image shows what the file contains.
"""

import json
from pathlib import Path

import cv2
from mtcnn_cpp import Detector, read_image
from mtcnn_cpp.detections.annotations import to_label_studio

path = Path(__file__).parents[2] / "tests" / "gold" / "collage.png"
image = read_image(path)
height, width = image.shape[:2]
task = to_label_studio(f"/data/local-files/?d={path.name}", Detector(min_face=40).detect(image))
Path("label_studio.json").write_text(json.dumps([task], indent=1), encoding="utf-8")

result = json.loads(Path("label_studio.json").read_text(encoding="utf-8"))[0]["predictions"][0]["result"]
for item in result:
    value = item["value"]
    corner = round(value["x"] * width / 100), round(value["y"] * height / 100)
    if "rectanglelabels" in value:
        end = (
            round(corner[0] + value["width"] * width / 100),
            round(corner[1] + value["height"] * height / 100),
        )
        cv2.rectangle(image, corner, end, (0, 200, 255), 2)
    else:
        cv2.circle(image, corner, 3, (0, 0, 255), -1)
print(f"{len(result)} annotations in label_studio.json")
cv2.imwrite("label_studio.png", image)
