"""Ray (extra `ray`): a stage for data sets of your own, and the units of a job run on a cluster.

import ray
from mtcnn_cpp.ray import DetectFaces
found = ray.data.read_binary_files("s3://bucket/pictures", include_paths=True).map_batches(
    DetectFaces, fn_constructor_kwargs={"min_face": 40}, batch_format="pyarrow", batch_size=32, num_cpus=1
)
"""

from .connect import connected
from .detect_faces import DetectFaces
from .job import fitting_units, run_on_ray, slots
from .pulse import ClusterError
from .tally import Tally

__all__ = ["ClusterError", "DetectFaces", "Tally", "connected", "fitting_units", "run_on_ray", "slots"]
