"""Faces as the tables and objects of other libraries, which are imported when they are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas
    import pyarrow
    import supervision


def to_arrow(columns: Mapping[str, NDArray[Any]]) -> pyarrow.Table:
    """A table with these columns, bit for bit (NaN stays NaN)."""
    try:
        import pyarrow
    except ImportError as error:
        raise ImportError("to_arrow needs pyarrow: pip install 'mtcnn-cpp[table]'") from error
    return pyarrow.table({name: pyarrow.array(column) for name, column in columns.items()})


def to_pandas(columns: Mapping[str, NDArray[Any]]) -> pandas.DataFrame:
    """A data frame with these columns, bit for bit; integers are of the type `Int64`, which stays when
    values are missing after a merge."""
    try:
        import pandas
    except ImportError as error:
        raise ImportError("to_pandas needs pandas: pip install pandas") from error
    frame = pandas.DataFrame(dict(columns))
    return frame.astype({name: "Int64" for name in columns if columns[name].dtype == np.int64})


def to_supervision(
    xyxy: NDArray[np.float32], scores: NDArray[np.float32], landmarks: NDArray[np.float32]
) -> supervision.Detections:
    """The faces as `supervision.Detections`, all of class 0, with the landmarks in `data`."""
    try:
        import supervision
    except ImportError as error:
        raise ImportError("to_supervision needs supervision: pip install supervision") from error
    return supervision.Detections(
        xyxy=xyxy,
        confidence=scores.copy(),
        class_id=np.zeros(len(scores), int),
        data={"landmarks": landmarks.copy()},
    )
