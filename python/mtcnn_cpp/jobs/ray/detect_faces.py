"""A stage of a Ray data set that detects faces."""

from __future__ import annotations

from typing import Any

from ...detector.detector import Detector
from .. import arrow
from .connection import need_ray


class DetectFaces:
    """Detects faces in a Ray data set, for `Dataset.map_batches`.

    It adds the columns of `mtcnn_cpp.jobs.arrow.detect`. Each input row gives one output row. If an image is
    unreadable, its row has an `error`. An actor receives only paths or the bytes of image files, and decodes
    the images with OpenCV. Therefore the faces have the same bits on every machine.

    Args:
        path: Name of the column with paths or addresses.
        content: Name of the column with the bytes of image files.
        **options: Options of `Detector`. The default of `threads` is the number of CPUs of the actor
            (`num_cpus`).

    Raises:
        TypeError: A batch is not an Arrow table. To prevent this error, pass `batch_format="pyarrow"`.
        ValueError: An option of the detector is invalid.

    Example:
        images = ray.data.read_binary_files("s3://bucket/images", include_paths=True)
        options = {"min_face": 40}
        images.map_batches(DetectFaces, fn_constructor_kwargs=options, batch_format="pyarrow", num_cpus=1)
    """

    def __init__(self, *, path: str = "path", content: str = "bytes", **options: Any) -> None:
        if options.get("threads") is None:
            options["threads"] = _actor_cpus()
        self._detector = Detector(**options)
        self._columns = {"path": path, "content": content}

    def __call__(self, batch: Any) -> Any:
        """Return a `pyarrow.Table` with the added columns."""
        if isinstance(batch, dict) or hasattr(batch, "to_records"):
            raise TypeError(
                f"DetectFaces expects Arrow tables, got a {type(batch).__name__}; pass "
                "batch_format='pyarrow' to map_batches"
            )
        return arrow.detect(batch, self._detector, **self._columns)


def _actor_cpus() -> int | None:
    """Return the number of CPUs of the calling actor or task, at least 1. Outside of Ray, return None."""
    ray = need_ray()
    if not ray.is_initialized():
        return None
    context = ray.get_runtime_context()
    if context.get_task_id() is None and context.get_actor_id() is None:
        return None
    return max(1, int(context.get_assigned_resources().get("CPU", 1)))
