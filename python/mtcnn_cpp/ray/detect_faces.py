"""Faces as a stage of a Ray data set."""

from __future__ import annotations

from typing import Any

from .. import arrow
from ..detector import Detector
from .extra import held_cpus


class DetectFaces:
    """For `Dataset.map_batches(DetectFaces, batch_format="pyarrow", num_cpus=1, …)`: adds columns to each
    row, as `mtcnn_cpp.arrow.detect` does. One row in, one row out; a picture that cannot be read is a row
    with an `error`.

    path, content: the columns of paths and of the bytes of image files, of which one must be there. options:
    those of `Detector`, by name; `threads` is how many CPUs the actor holds (`num_cpus`) if it is not given.
    Only paths or bytes travel: OpenCV decodes in the actor, so the faces are the same bits everywhere.

    Raises what `Detector` raises.
    """

    def __init__(self, *, path: str = "path", content: str = "bytes", **options: Any) -> None:
        if options.get("threads") is None:
            options["threads"] = held_cpus()
        self._detector = Detector(**options)
        self._columns = {"path": path, "content": content}

    def __call__(self, batch: Any) -> Any:
        """The batch with the columns added; a `pyarrow.Table` both times."""
        if isinstance(batch, dict) or hasattr(batch, "to_records"):
            raise TypeError(
                f"DetectFaces takes Arrow tables, got a {type(batch).__name__}; give map_batches "
                "batch_format='pyarrow'"
            )
        return arrow.detect(batch, self._detector, **self._columns)
