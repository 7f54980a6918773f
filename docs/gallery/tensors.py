"""The output of a layer.

The ten maps of PNet's first layer, in one image: dark is the lowest value, yellow the highest. In a notebook,
`trace.show(name)` shows the same.
"""

import cv2
import numpy as np
from mtcnn_cpp import Detector, sample_image

trace = Detector().trace(sample_image(), only=["pnet/level00/conv1"])
print(trace.show("pnet/level00/conv1"))

maps = trace["pnet/level00/conv1"]
shares = (maps - maps.min()) / (maps.max() - maps.min())
tiles = np.pad(np.uint8(255 * shares), ((0, 0), (1, 1), (1, 1)))  # (10, h + 2, w + 2)
grid = np.vstack([np.hstack(tiles[:5]), np.hstack(tiles[5:])])
grid = cv2.resize(grid, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
cv2.imwrite("tensors.png", cv2.applyColorMap(grid, cv2.COLORMAP_VIRIDIS))
