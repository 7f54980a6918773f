"""Where PNet finds a face.

PNet gives a face probability for each position of each level of the pyramid. Each map is shown over the
image. On a large level PNet finds small faces, and on a small level it finds large faces.
"""

from pathlib import Path

import cv2
import numpy as np
from mtcnn_cpp import Detector, read_image

image = read_image(Path(__file__).parents[2] / "tests" / "gold" / "collage.png")
trace = Detector().trace(image, only=["pnet/level*/heat_map"])
shown = []
for name in list(trace)[:6]:
    heat = cv2.resize(trace[name], image.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    colours = cv2.applyColorMap(np.rint(heat * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    picture = cv2.resize(
        cv2.addWeighted(image, 0.35, colours, 0.8, 0), (426, 240), interpolation=cv2.INTER_AREA
    )
    cv2.putText(picture, name, (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA)
    shown.append(picture)
    print(f"{name}: {trace[name].shape}, {np.count_nonzero(trace[name] >= 0.6)} places reach 0.6")
cv2.imwrite("heat_maps.jpg", np.vstack([np.hstack(shown[:3]), np.hstack(shown[3:])]))
