"""Data sets in COCO and YOLO format.

Annotation tools and training programs read these formats. `mtcnn-cpp export-annotations` writes them from a
table; this script writes them from results. supervision reads them back. The image shows the boxes of the
YOLO files.
"""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import supervision
from mtcnn_cpp import Detector
from mtcnn_cpp.detections.annotations import to_coco, to_yolo

folder = Path(__file__).parents[2] / "tests" / "gold"
images = [folder / "astronaut.png", folder / "collage.png"]
detector = Detector(min_face=40)
found = {image.name: detector.detect(image).clip() for image in images}

output = Path("coco_and_yolo")
for name in ("images", "labels"):
    (output / name).mkdir(parents=True, exist_ok=True)
for image in images:
    shutil.copy(image, output / "images")
(output / "coco.json").write_text(json.dumps(to_coco(found.items())), encoding="utf-8")
(output / "data.yaml").write_text("names: [face]\n", encoding="utf-8")
for name, faces in found.items():
    (output / "labels" / name).with_suffix(".txt").write_text(to_yolo(faces), encoding="utf-8")

coco = supervision.DetectionDataset.from_coco(f"{output}/images", f"{output}/coco.json")
yolo = supervision.DetectionDataset.from_yolo(f"{output}/images", f"{output}/labels", f"{output}/data.yaml")
for name, copy in (("COCO", coco), ("YOLO", yolo)):
    for path, _, faces in copy:
        difference = np.abs(faces.xyxy - found[Path(path).name].xyxy).max()
        print(f"{name}, {Path(path).name}: {len(faces)} faces, boxes differ by up to {difference:.6f} pixels")
_, image, faces = yolo[1]
cv2.imwrite("coco_and_yolo.png", supervision.BoxAnnotator().annotate(image.copy(), faces))
