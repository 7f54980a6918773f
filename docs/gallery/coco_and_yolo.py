"""Data sets in COCO and YOLO format.

Annotation tools and training programs read these formats. supervision writes both; `clip` first cuts the
boxes at the borders of the image. The image shows the boxes that were read back from the YOLO files.
"""

from pathlib import Path

import cv2
import numpy as np
import supervision
from mtcnn_cpp import Detector

folder = Path(__file__).parents[2] / "tests" / "gold"
images = [str(folder / "astronaut.png"), str(folder / "collage.png")]
detector = Detector(min_face=40)
annotations = {image: detector.detect(image).clip().to_supervision() for image in images}
dataset = supervision.DetectionDataset(classes=["face"], images=images, annotations=annotations)

output = Path("coco_and_yolo")
dataset.as_coco(images_directory_path=f"{output}/images", annotations_path=f"{output}/coco.json")
dataset.as_yolo(annotations_directory_path=f"{output}/labels", data_yaml_path=f"{output}/data.yaml")

coco = supervision.DetectionDataset.from_coco(f"{output}/images", f"{output}/coco.json")
yolo = supervision.DetectionDataset.from_yolo(f"{output}/images", f"{output}/labels", f"{output}/data.yaml")
for name, copy in (("COCO", coco), ("YOLO", yolo)):
    for path, _, faces in copy:
        original = annotations[str(folder / Path(path).name)].xyxy
        difference = np.abs(faces.xyxy - original).max()
        print(f"{name}, {Path(path).name}: {len(faces)} faces, boxes differ by up to {difference:.3f} pixels")
_, image, faces = yolo[1]
cv2.imwrite("coco_and_yolo.png", supervision.BoxAnnotator().annotate(image.copy(), faces))
