"""Pre-annotations for Label Studio.

Label Studio shows these boxes and landmarks as predictions, which a person can correct. Coordinates are
percentages of the image's size. The project needs a labelling interface with RectangleLabels ("face") and
KeyPointLabels with the names of the landmarks. The image shows what the file contains.
"""

import json
from pathlib import Path

import cv2
from mtcnn_cpp import Detector, read_image

NAMES = ("left eye", "right eye", "nose", "left mouth corner", "right mouth corner")
path = Path(__file__).parents[2] / "tests" / "gold" / "collage.png"
image = read_image(path)
height, width = image.shape[:2]
result = []
for face in Detector(min_face=40).detect(image):
    x, y, w, h = (float(value) for value in face.box)
    shared = {"original_width": width, "original_height": height, "image_rotation": 0, "to_name": "image"}
    value = {
        "x": 100 * x / width,
        "y": 100 * y / height,
        "width": 100 * w / width,
        "height": 100 * h / height,
    }
    value |= {"rotation": 0, "rectanglelabels": ["face"]}
    result.append(
        {"type": "rectanglelabels", "from_name": "box", "value": value, "score": float(face.score), **shared}
    )
    for name, (left, top) in zip(NAMES, face.landmarks.tolist(), strict=True):
        value = {"x": 100 * left / width, "y": 100 * top / height, "width": 0.5, "keypointlabels": [name]}
        result.append({"type": "keypointlabels", "from_name": "point", "value": value, **shared})
score = min((item["score"] for item in result if "score" in item), default=0.0)
prediction = {"model_version": "mtcnn_cpp", "score": score, "result": result}
tasks = [{"data": {"image": f"/data/local-files/?d={path.name}"}, "predictions": [prediction]}]
Path("label_studio.json").write_text(json.dumps(tasks, indent=1), encoding="utf-8")

for item in json.loads(Path("label_studio.json").read_text(encoding="utf-8"))[0]["predictions"][0]["result"]:
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
