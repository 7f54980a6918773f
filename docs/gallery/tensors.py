"""What a layer gives.

The ten maps of PNet's first layer, in one picture: what `trace.show(name)` shows in a notebook.
"""

from pathlib import Path

from mtcnn_cpp import Detector, sample_image
from mtcnn_cpp.notebook.map_grid import map_grid

trace = Detector().trace(sample_image(), only=["pnet/level00/conv1"])
print(trace.show("pnet/level00/conv1"))
Path("tensors.png").write_bytes(map_grid(trace["pnet/level00/conv1"])[0])
